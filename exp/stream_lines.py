"""A stream of text: CSV lines in, one line of JSON for each point out."""

import csv
import json
import logging
import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from data_provider.recording import TIME_NAME
from exp.streaming import StreamingDetector, StreamScores

logger = logging.getLogger(__name__)

SIGNALS = {signal.SIGINT, signal.SIGTERM}


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

    Parameters
    ----------
    folder : Path
        A saved detector.
    source, target : text files
    mode, drift_window, device
        As for `StreamingDetector`.
    state : Path, optional
        Go on from the state in this file, if it is there, and leave the state there at the end or when interrupted.
        Without it the points behind the last full window are scored at the end.

    Raises
    ------
    UserError
        As `StreamingDetector.load` does.
    """
    known = state is not None and state.is_file()
    stream = StreamingDetector.load(
        folder, state=state if known else None, mode=mode, drift_window=drift_window, device=device
    )
    writer = _Writer(target, stream)
    columns = None
    try:
        with _interrupted_by(signal.SIGTERM):
            for number, line in enumerate(source, start=1):
                with _uninterrupted():
                    if columns is None:
                        columns, is_header = _find_columns(line, writer.names)
                        if is_header:
                            continue
                    _take(line, number, columns, writer)
    except KeyboardInterrupt:
        logger.warning("interrupted after %d points", stream.seen)
        if state is None:
            return 130
    if state is not None:
        stream.save_state(state)
        logger.info("state after %d points in %s", stream.seen, state)
    elif stream.seen:
        writer.write(stream.finish())
    return 0


def _find_columns(line: str, names: list[str]) -> tuple[Columns, bool]:
    """Return the columns that the first line shows, and whether it names them."""
    cells = _cells(line)
    if set(names) <= set(cells):
        times = [place for place, cell in enumerate(cells) if TIME_NAME.fullmatch(cell) and cell not in names]
        return Columns(len(cells), [cells.index(name) for name in names], times[0] if times else None), True
    with_time = len(cells) == len(names) + 1
    places = list(range(with_time, len(names) + with_time))
    return Columns(len(names) + with_time, places, 0 if with_time else None), False


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]), [])]


def _take(line: str, number: int, columns: Columns, writer: "_Writer") -> None:
    """Score a line, or report what is wrong with it."""
    cells = _cells(line)
    if len(cells) != columns.count:
        logger.warning("line %d: %d cells in place of %d: skipped", number, len(cells), columns.count)
        return
    try:
        point = [float(cells[place]) for place in columns.channels]
    except ValueError as error:
        logger.warning("line %d: %s: skipped", number, error)
        return
    if not all(map(math.isfinite, point)):
        logger.warning("line %d: a value is not finite: skipped", number)
        return
    writer.take(point, None if columns.time is None else cells[columns.time])


class _Writer:
    """Lines of JSON; the times of the points that wait for their scores are kept with the stream's state."""

    def __init__(self, target: TextIO, stream: StreamingDetector):
        self.target, self.stream = target, stream
        self.names = list(map(str, stream.detector.feature_names_in_))
        self.waiting = stream.kept.setdefault("times", [])  # of the points without a line yet

    def take(self, point: list[float], time: str | None) -> None:
        self.waiting.append(time)
        scores = self.stream.update(point)
        if self.stream.mode == "causal" and not len(scores.rows):  # before the first full window
            self._line(self.stream.seen - 1, {"score": None})
        self.write(scores)

    def write(self, scores: StreamScores) -> None:
        for row, score, channels, threshold, alarm in zip(*scores, strict=True):
            by_name = dict(zip(self.names, channels.tolist(), strict=True))
            figures = {"score": float(score), "threshold": float(threshold), "alarm": bool(alarm), "channels": by_name}
            self._line(int(row), figures)
        self.target.flush()

    def _line(self, row: int, figures: dict) -> None:
        time = self.waiting.pop(0)
        self.target.write(json.dumps({"row": row, **({} if time is None else {"time": time}), **figures}) + "\n")


@contextmanager
def _interrupted_by(*signals: int) -> Iterator[None]:
    """Let signals interrupt as Ctrl-C does."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off interruptions, so that a point is taken and written whole or not at all."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
