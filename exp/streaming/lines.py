"""A stream of text: CSV lines in, one line of JSON for each point out."""

import csv
import json
import logging
import math
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from data_provider.read.columns import TIME_NAME
from exp.errors import UserError
from exp.streaming.stream import StreamingDetector, StreamScores

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
CHUNK = 4096  # bytes read at once; what has been read is scored before an interruption ends the stream
PATIENCE = 1.0  # seconds that an interruption waits for the rest of a line
SHOWN = 40  # characters of a cell in a message


class Columns(NamedTuple):
    """Where a line holds what.

    Attributes
    ----------
    count : int
        Cells of a line.
    channels : list of int
        Places of the detector's channels, in its order.
    time : int or None
        Place of the time.
    """

    count: int
    channels: list[int]
    time: int | None


def stream_lines(
    folder: Path,
    source: TextIO,
    target: TextIO,
    *,
    mode: str = "window",
    state: Path | None = None,
    drift_window: int | None = None,
    device: str = "auto",
) -> int:
    """Score the lines of `source` until it ends, and return the exit code.

    The first line may name the columns, in any order and with others beside; else a line holds the channels in the
    order of training, behind a time or not. Each line of output has `row`, `time` where there is one, `score`,
    `threshold`, `alarm` and `channels`, their scores by name. A malformed line is reported and skipped.

    SIGINT and SIGTERM end the stream after the last line that has been read from `source`.

    Parameters
    ----------
    folder : Path
        A saved detector.
    source : file
        With a descriptor, from which bytes in UTF-8 are read; nothing of it has been read before.
    target : text file
    mode, drift_window, device
        As for `StreamingDetector`.
    state : Path, optional
        Go on from the state in this file, if it is there, and leave the state there, however the stream ends.
        Without it the points behind the last full window are scored at the end.

    Raises
    ------
    UserError
        As `StreamingDetector.load` does; when the first line names columns, but not all channels; when the output
        cannot be written.
    OSError
        When the state cannot be written, before any line is read.
    """
    known = state is not None and state.is_file()
    stream = StreamingDetector.load(
        folder, state=state if known else None, mode=mode, drift_window=drift_window, device=device
    )
    if state is not None and not known:
        stream.save_state(state)
    scorer = _Scorer(target, stream)
    failed = None
    with _Interruption() as interruption:
        try:
            for number, line in enumerate(_lines(source.fileno(), interruption), start=1):
                scorer.take(number, line)
            if state is None and stream.seen and not interruption.came:
                scorer.write(stream.finish())
        except UserError as error:
            failed = error
        if interruption.came:
            logger.warning("interrupted after %d points", stream.seen)
        if state is not None:
            stream.save_state(state)
            logger.info("state after %d points in %s, %d wait for their scores", stream.seen, state, scorer.n_waiting)
    if failed is not None:
        raise failed
    return 130 if interruption.came and state is None else 0


class _Scorer:
    """Lines of text to points, scores to lines of JSON.

    The columns, and the times of the points that wait for their scores, are kept with the stream's state.
    """

    def __init__(self, target: TextIO, stream: StreamingDetector):
        self.target, self.stream = target, stream
        detector = stream.detector
        self.named = hasattr(detector, "feature_names_in_")
        self.names = list(map(str, detector.feature_names_in_ if self.named else range(detector.n_features_in_)))
        self.waiting = stream.kept.setdefault("times", [])  # of the points without a line yet
        self.columns = Columns(*stream.kept["columns"]) if "columns" in stream.kept else None

    def take(self, number: int, line: bytes) -> None:
        """Score a line, or report what is wrong with it."""
        text = line.decode(errors="replace").rstrip("\r")
        try:
            cells = _cells(text.removeprefix("\ufeff") if number == 1 else text)
        except csv.Error as error:
            logger.warning("line %d: %s: skipped", number, error)
            return
        if number == 1 and self.named and self._is_header(cells):
            return
        columns = self.columns or _columns_by_place(len(cells), len(self.names))
        try:
            if len(cells) != columns.count:
                raise ValueError(f"{len(cells)} cells in place of {columns.count}")
            scores = self.stream.update([_number(cells[place]) for place in columns.channels])
        except ValueError as error:
            logger.warning("line %d: %s: skipped", number, error)
            return
        self._set_columns(columns)
        self.waiting.append(None if columns.time is None else cells[columns.time])
        if self.stream.mode == "causal" and not len(scores.rows):  # before the first full window
            self._put([self._line(self.stream.seen - 1, None, None, False, None)])
        self.write(scores)

    def write(self, scores: StreamScores) -> None:
        """Write the lines of scores."""
        lines = []
        for row, score, channels, threshold, alarm in zip(*scores, strict=True):
            by_name = dict(zip(self.names, channels.tolist(), strict=True))
            lines.append(self._line(int(row), float(score), float(threshold), bool(alarm), by_name))
        self._put(lines)

    @property
    def n_waiting(self) -> int:
        """Points that have no line yet."""
        return len(self.waiting)

    def _is_header(self, cells: list[str]) -> bool:
        """Whether the first line names the columns, which are then known."""
        missing = [name for name in self.names if name not in cells]
        if missing:
            if self.columns is None and sum(map(_is_text, cells)) >= len(self.names):
                raise UserError(
                    f"line 1 names columns, but not {', '.join(missing)} of the channels that the detector was trained "
                    "on: rename the columns, or leave out the line if the channels are in the order of training"
                )
            return False
        for name in self.names:
            if cells.count(name) > 1:
                raise UserError(f"line 1: column {name!r} stands twice: rename one")
        times = [place for place, cell in enumerate(cells) if TIME_NAME.fullmatch(cell) and cell not in self.names]
        places = [cells.index(name) for name in self.names]
        self._set_columns(Columns(len(cells), places, times[0] if times else None))
        return True

    def _set_columns(self, columns: Columns) -> None:
        self.columns = columns
        self.stream.kept["columns"] = list(columns)

    def _line(self, row: int, score, threshold, alarm: bool, channels) -> str:
        time = self.waiting.pop(0)
        times = {} if time is None else {"time": time}
        figures = {"score": score, "threshold": threshold, "alarm": alarm, "channels": channels}
        return json.dumps({"row": row, **times, **figures}) + "\n"

    def _put(self, lines: list[str]) -> None:
        if not lines:
            return
        try:
            self.target.writelines(lines)
            self.target.flush()
        except OSError as error:
            # When the program ends, Python writes what is left, and would complain once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.target.fileno())
            raise UserError(
                f"the output cannot be written after {self.stream.seen} points: {error.strerror}: see to its reader or "
                "the disk"
            ) from None


def _columns_by_place(cells: int, channels: int) -> Columns:
    """Return the columns of lines without a header; the first of more cells than channels is a time."""
    first = 1 if cells == channels + 1 else 0
    return Columns(first + channels, list(range(first, first + channels)), 0 if first else None)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]


def _number(cell: str) -> float:
    try:
        number = float(cell.replace("_", "?"))  # Python reads 1_000 as a number
    except ValueError:
        raise ValueError(f"{cell[:SHOWN]!r} is no number") from None
    if not math.isfinite(number):
        raise ValueError(f"{cell[:SHOWN]!r} is not finite")
    return number


def _is_text(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell != ""
    return False


def _lines(descriptor: int, interruption: "_Interruption") -> Iterator[bytes]:
    """Yield the lines of an input until it ends or an interruption comes, then all that has been read of it."""
    begun = b""
    while interruption.lets_read(descriptor):
        chunk = os.read(descriptor, CHUNK)
        if not chunk:
            if begun:
                yield begun
            return
        *lines, begun = (begun + chunk).split(b"\n")
        yield from lines
    # Who reads on from the same input is to find the start of a line there.
    while begun:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            logger.warning("a line has not ended and is left out: %r", begun[:SHOWN])
            return
        byte = os.read(descriptor, 1)
        if byte in (b"", b"\n"):
            yield begun
            return
        begun += byte


class _Interruption:
    """A context in which SIGINT and SIGTERM end nothing; it is known that they came, and reading stops.

    Attributes
    ----------
    came : bool
    """

    def __enter__(self) -> "_Interruption":
        self.came = False
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)
        self._before_waking = signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        # Programs in the background of a script are started to ignore SIGINT.
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
        """Wait until there is something to read, or the end of it, or an interruption; return False for the last."""
        if not self.came:
            select.select([descriptor, self._woken], [], [])
        return not self.came

    def _note(self, *_) -> None:
        self.came = True
