"""A stream of text: CSV lines in, one line of JSON out for each point, and notes in between."""

import csv
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import pandas as pd

from exp.errors import UserError
from exp.streaming.alarms import AlarmEvents, check_kept
from exp.streaming.journal import Journal
from exp.streaming.layout import Layout, Reading
from exp.streaming.source import Interruption, read_lines
from exp.streaming.stream import StreamingDetector, StreamScores

logger = logging.getLogger(__name__)

STATE_EVERY = 100  # points


def stream_lines(
    folder: Path,
    source: TextIO,
    target: TextIO,
    *,
    mode: str = "window",
    state: Path | None = None,
    state_every: int = STATE_EVERY,
    drift_window: int | None = None,
    gap: float | pd.Timedelta | None = None,
    threshold: Mapping | None = None,
    alarms: bool = False,
    merge_gap: int | None = None,
    min_length: int | None = None,
    reading: Reading | None = None,
    device: str = "auto",
) -> int:
    """Score the lines of `source` until it ends, and return the exit code.

    The first line may name the columns, in any order and among others; otherwise a line holds the channels in the
    order of training, optionally after a time. How lines are written is inferred from the first ones (see `Layout`).

    Each line of output has `row`, `time` if there is one, `score`, `threshold`, `alarm` and `channels`, their scores
    by name (that of all channels together if the model has no others); a point that never gets a score has null for
    it. Notes come in between: `crossad stream --help` lists them all.

    A malformed line is reported and skipped. SIGINT, SIGTERM and SIGHUP end the stream after the last line that has
    been read from `source`.

    Parameters
    ----------
    folder : Path
        A saved detector.
    source : file
        Has a descriptor, from which bytes are read; nothing may have been read from it before.
    target : text file
    mode, drift_window, gap, threshold, device
        As for `StreamingDetector` and its `load`.
    alarms : bool
        Write a line for each event that is finished, in place of those of the points.
    merge_gap, min_length : int, optional
        Of these events, as for `AlarmEvents`.
    state : Path, optional
        Continue from the state in this file, if it exists, and write the state there, however the stream ends.
        Without it, the points after the last full window are scored at the end.
    state_every : int
        Also write the state after this many points.
    reading : Reading, optional
        What is known about how the lines are written.

    Raises
    ------
    UserError
        As for `StreamingDetector.load`; when the first line names columns, but not all channels; when no line can
        be read as a point; when `gap` is given for a stream without times; when the output cannot be written.
    OSError
        When the state cannot be written, before any line is read.
    """
    known = state is not None and state.is_file()
    options = {"mode": mode, "drift_window": drift_window, "gap": gap, "threshold": threshold, "device": device}
    stream = StreamingDetector.load(folder, state=state if known else None, **options)
    if threshold:
        logger.info("the threshold is %.6g, %s", stream.detector.threshold_, stream.detector.threshold_rule_)
    scorer = _Scorer(target, stream, reading or Reading())
    if alarms:
        scorer.gather_alarms(merge_gap, min_length)
    elif "alarms" in stream.kept:
        check_kept(stream.kept["alarms"], None)
    keeper = _Keeper(stream, state, state_every)
    failed = None
    with Interruption() as interruption:
        try:
            scorer.put(keeper.start())
            for line in read_lines(source.fileno(), interruption, scorer.layout.encoding_of):
                scorer.take(line)
                keeper.point()
            scorer.put(scorer.journal.end())
            if state is None and stream.seen and not interruption.came:
                scorer.write(stream.finish())
            if state is None:
                scorer.end_alarms()
        except UserError as error:
            failed = error
        if interruption.came:
            logger.warning("interrupted after %d points", stream.seen)
        keeper.end()
    if failed is not None:
        raise failed
    return 130 if interruption.came and state is None else 0


class _Keeper:
    """Writes the state while the stream runs, and knows whether the previous run was killed."""

    def __init__(self, stream: StreamingDetector, path: Path | None, every: int):
        self.stream, self.path, self.every = stream, path, every
        self.saved_at = stream.seen

    def start(self) -> list[dict]:
        """Write the state for the first time, and return a note if the previous run was killed."""
        kept, notes = self.stream.kept, []
        if kept.get("running"):
            notes.append({"note": "restart", "row": self.stream.decided, "at_most": kept["running"]})
            logger.warning(
                "the previous run was killed: its state is that after %d points; up to %d further points may have "
                "been scored, and get the same rows if they arrive again",
                self.stream.seen,
                kept["running"],
            )
        self._save(running=True)
        return notes

    def point(self) -> None:
        """Write the state if it is due."""
        if self.stream.seen - self.saved_at >= self.every:
            self._save(running=True)

    def end(self) -> None:
        """Write the state for the last time."""
        self._save(running=False)
        if self.path is not None:
            waiting = len(self.stream.kept["times"])
            logger.info(
                "state after %d points saved in %s, %d await their scores", self.stream.seen, self.path, waiting
            )

    def _save(self, *, running: bool) -> None:
        if self.path is None:
            return
        self.stream.kept["running"] = self.every if running else 0
        self.stream.save_state(self.path)
        self.saved_at = self.stream.seen


class _Scorer:
    """Lines of text to points, scores to lines of JSON.

    The layout of the lines and the times of points that await their scores are kept with the stream's state.
    """

    def __init__(self, target: TextIO, stream: StreamingDetector, reading: Reading):
        self.target, self.stream = target, stream
        detector = stream.detector
        named = hasattr(detector, "feature_names_in_")
        names = list(map(str, detector.feature_names_in_ if named else range(detector.n_features_in_)))
        self.waiting = stream.kept.setdefault("times", [])  # times of the points without a line yet
        self.layout = Layout(names, named, reading, stream.kept.setdefault("layout", {}))
        self.journal = Journal(stream)
        self.events: AlarmEvents | None = None

    def take(self, line: str) -> None:
        """Score a line, or report what is wrong with it."""
        self.journal.lines += 1
        line = line.rstrip("\r").removeprefix("\ufeff")
        if self.journal.lines == 1 and self.layout.is_header(line):
            return
        try:
            point, time = self.layout.read(line)
            if time is None and self.stream.clock.gap is not None:
                raise UserError("--gap needs times: name their column with --time, or leave --gap out")
            scores = self.stream.update(point.values, None if time is None else [time])
        except UserError:
            raise
        except (ValueError, csv.Error) as error:
            self.journal.refuse(error)
            return
        self.layout.accept()
        self.journal.accept()
        if time is not None:
            verdict = self.stream.verdicts[0]
            self.put(self.journal.note(verdict, point.told))
            if verdict.order != "new":
                return
        self.waiting.append(point.told)
        self.write(scores)

    def gather_alarms(self, merge_gap: int | None, min_length: int | None) -> None:
        """Write events in place of points, from here on."""
        kept = self.stream.kept.setdefault("alarms", {})
        self.events = AlarmEvents(
            self.stream.detector,
            causal=self.stream.mode == "causal",
            merge_gap=merge_gap,
            min_length=min_length,
            kept=kept,
        )

    def end_alarms(self) -> None:
        """Write the event that is open."""
        if self.events is not None:
            self.put(self.events.end())

    def write(self, scores: StreamScores) -> None:
        """Write the lines of the points that have had their turn, or of the events that these finish."""
        by_row = {int(row): values for row, *values in zip(*scores, strict=True)}
        lines = []
        for row in range(self.stream.seen - len(self.waiting), self.stream.decided):
            time, found = self.waiting.pop(0), by_row.get(row)
            if self.events is None:
                lines.append(self._line(row, time, found))
                continue
            if row == self.stream.begun:
                lines += self.events.end()
            lines += self.events.add(row, time, found)
        self.put(lines)

    def _line(self, row: int, time: str | None, found: tuple | None) -> dict:
        """Return what is written for a point, with its scores, or null where it has none."""
        line = {"row": row} if time is None else {"row": row, "time": time}
        if found is None:
            return line | {"score": None, "threshold": None, "alarm": False, "channels": None}
        score, channels, threshold, alarm = found
        by_name = dict(zip(self.stream.detector.score_names, channels.tolist(), strict=True))
        results = {"score": float(score), "threshold": float(threshold), "alarm": bool(alarm)}
        return line | results | {"channels": by_name}

    def put(self, lines: list[dict]) -> None:
        """Write lines of JSON in ASCII, so that the output's encoding does not matter.

        Raises
        ------
        UserError
            When the output cannot be written.
        """
        if not lines:
            return
        try:
            self.target.writelines(json.dumps(line) + "\n" for line in lines)
            self.target.flush()
        except OSError as error:
            # When the program ends, Python writes what is left, and would report the error again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.target.fileno())
            raise UserError(
                f"the output cannot be written after {self.stream.seen} points: {error.strerror}: check its reader or "
                "the disk"
            ) from None
