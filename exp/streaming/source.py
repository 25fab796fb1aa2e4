"""Lines of text from a descriptor, as they arrive, and signals that end reading without losing any."""

import codecs
import logging
import os
import select
import signal
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHUNK = 4096  # bytes read at once; what has been read is scored before an interruption ends the stream
PATIENCE = 1.0  # seconds that an interruption waits for the rest of a line
SHOWN = 40  # characters of a line in a message


def read_lines(descriptor: int, interruption: "Interruption", encoding_of: Callable[[bytes], str]) -> Iterator[str]:
    """Yield the lines of an input until it ends or is interrupted, then everything that has been read of it.

    Parameters
    ----------
    descriptor : int
    interruption : Interruption
    encoding_of : callable
        Returns the encoding of the input from its first bytes: at least a line, or all there is. Bytes that are invalid
        in this encoding become replacement characters.
    """
    decoder, begun = _Decoder(encoding_of), ""
    while interruption.lets_read(descriptor):
        chunk = os.read(descriptor, CHUNK)
        *lines, begun = (begun + decoder.decode(chunk)).split("\n")
        yield from lines
        if not chunk:
            if begun:
                yield begun
            return
    # The next reader of the same input should find the start of a line there.
    while begun or decoder.waits:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            logger.warning("an unfinished line is left out: %r", begun[:SHOWN])
            return
        byte = os.read(descriptor, 1)
        begun += decoder.decode(byte)
        if begun and (not byte or begun.endswith("\n")):
            yield begun.removesuffix("\n")
            return


class _Decoder:
    """Bytes to text, in an encoding determined from the first line."""

    def __init__(self, encoding_of: Callable[[bytes], str]):
        self._encoding_of, self._first = encoding_of, b""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, chunk: bytes) -> str:
        """Return the text of the next bytes, up to its last complete character; no bytes mean the end."""
        if self._decoder is None:
            self._first += chunk
            if chunk and b"\n" not in self._first:
                return ""
            chunk, end = self._first, not chunk
            self._decoder = codecs.getincrementaldecoder(self._encoding_of(chunk))("replace")
            return self._decoder.decode(chunk, end)
        return self._decoder.decode(chunk, not chunk)

    @property
    def waits(self) -> bool:
        """Whether bytes await others to become text."""
        return bool(self._first if self._decoder is None else self._decoder.getstate()[0])


class Interruption:
    """A context in which SIGINT, SIGTERM and SIGHUP do not end the program; they are recorded, and reading stops.

    Attributes
    ----------
    came : bool
    """

    def __enter__(self) -> "Interruption":
        self.came = False
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)
        self._before_waking = signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        # Programs in the background of a script are started to ignore SIGINT, and those of nohup to ignore SIGHUP.
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._before_waking)
        os.close(self._woken)
        os.close(self._waking)

    def lets_read(self, descriptor: int) -> bool:
        """Wait for something to read, the end of input, or an interruption; return False for the last."""
        if not self.came:
            select.select([descriptor, self._woken], [], [])
        return not self.came

    def _note(self, *_) -> None:
        self.came = True
