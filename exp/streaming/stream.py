"""Scores and alarms of a stream, point by point or block by block, in bounded memory."""

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from data_provider.errors import listed
from exp.config import differences
from exp.detection.estimator import CrossADDetector
from exp.detection.inputs import check_numbers
from exp.errors import UserError
from exp.streaming.clock import Clock, Verdict, instant
from exp.streaming.state import fingerprint, read_state, write_state
from exp.streaming.thresholds import point_alarms

MODES = ("window", "causal")
FARTHEST = 1e12  # standard deviations of training; squares of such values are still finite


class StreamScores(NamedTuple):
    """Scores that have become final, of m points in order.

    Attributes
    ----------
    rows : int64 array of shape (m,)
        Numbers of the points in the stream, from 0; skipped points have none.
    score : float32 array of shape (m,)
    channel_scores : float32 array of shape (m, C)
    threshold : float64 array of shape (m,)
        What each score was compared with.
    alarm : bool array of shape (m,)
    """

    rows: np.ndarray
    score: np.ndarray
    channel_scores: np.ndarray
    threshold: np.ndarray
    alarm: np.ndarray


class Final(NamedTuple):
    """What has become final for m points in order, in each of the series."""

    rows: np.ndarray  # (m,)
    score: np.ndarray  # (series, m)
    channel_scores: np.ndarray  # (series, m, C)


class StreamingDetector:
    """A fitted detector on an endless series, or on several in parallel.

    Parameters
    ----------
    detector : CrossADDetector
        Fitted.
    mode : {"window", "causal"}
        "window": a score comes when no later window will hold any point that it depends on, and on the CPU has the
        bits of `decision_function` on the whole series (`finish` returns those still pending at the end). "causal":
        each point gets its score at once, from the last points of the windows that end there and before; the points
        before the first full window have none.
    series : int or None
        This many series run in parallel, with their windows computed together; every array then has a first dimension
        for them. None: one series, without that dimension.
    drift_window : int or None
        Alarms follow the mean of this many latest normal scores (see `ts_ad_evaluation.SPOT`).
    gap : float, pandas.Timedelta or None
        A step in time longer than this many usual ones (the median of the last 31), or than this duration, starts a
        fresh window: the points before it get their scores from the windows so far, and the next score comes when a
        whole window follows. None: windows continue across any step. It takes effect if `update` is given times.

    Attributes
    ----------
    detector, mode, series, drift_window
        As given.
    clock : Clock
        What is known about time: the last one, and how many points were skipped because of theirs.
    verdicts : list of Verdict
        One for each point of the last `update` with times: whether it was new, and whether it followed a gap.
    kept : dict
        Anything else to keep with the state, as values that JSON can hold.

    Raises
    ------
    UserError
        When an option is wrong, or `drift_window` is given to a detector whose threshold is fixed.
    EvaluationError
        When SPOT cannot start from the scores of the training series.
    """

    def __init__(
        self,
        detector: CrossADDetector,
        *,
        mode: str = "window",
        series: int | None = None,
        drift_window: int | None = None,
        gap: float | pd.Timedelta | None = None,
    ):
        check_is_fitted(detector)
        if mode not in MODES:
            raise UserError(f"mode is {mode!r}: use 'window' or 'causal'")
        if series is not None and series < 1:
            raise UserError(f"series is {series}: use a number of at least 1, or None")
        if drift_window is not None and detector.threshold_rule_.name != "spot":
            raise UserError(
                "the detector's threshold is fixed, so a drift window cannot move it: set it by spot (--threshold "
                "spot), or leave the window out"
            )
        self.detector, self.mode, self.series, self.drift_window = detector, mode, series, drift_window
        self._single = series is None
        self._ended = False
        count = 1 if series is None else series
        self._recent = np.empty((count, 0, detector.n_features_in_))  # the latest points, at most a window
        self.clock = Clock(gap)
        self.verdicts: list[Verdict] = []
        self.kept: dict = {}
        self._seen = 0  # points
        self._decided = 0  # points whose turn has passed
        self._begun = 0  # the row beyond which windows do not reach back
        self._points = detector.assembler()
        self._aggregation = detector.running_aggregation(count, causal=mode == "causal")
        self._alarms = [point_alarms(detector, mode, drift_window) for _ in range(count)]
        self._fingerprint = fingerprint(detector)

    @classmethod
    def load(
        cls, folder, *, state=None, threshold: Mapping | None = None, device: str = "auto", **options
    ) -> "StreamingDetector":
        """Return a stream of the saved detector in `folder`, continuing from a saved state if one is named.

        Parameters
        ----------
        folder, device
            As for `AnomalyDetector.load`.
        state : path, optional
        threshold : mapping, optional
            Arguments of `AnomalyDetector.set_threshold`, to replace the saved threshold.
        **options
            Those of the stream.

        Raises
        ------
        UserError
            When a file is missing, damaged, altered, or a state of another detector, threshold or mode.
        EvaluationError
            When the detector's scores do not allow the threshold's rule.
        """
        detector = CrossADDetector.load(folder, device=device)
        if threshold:
            detector.set_threshold(**threshold)
        stream = cls(detector, **options)
        if state is not None:
            stream.load_state(state)
        return stream

    @property
    def seen(self) -> int:
        """How many points of the stream have arrived, without skipped ones."""
        return self._seen

    @property
    def decided(self) -> int:
        """How many points from the first on are settled: they have their score, or will never have one."""
        return self._decided

    @property
    def begun(self) -> int:
        """The row from which windows reach back no further: 0, or the one after the last gap with a fresh window."""
        return self._begun

    def update(self, points, times=None) -> StreamScores:
        """Process the next points, and return the scores that have become final.

        Parameters
        ----------
        points : array_like of shape (k, C), (C,) for a single point, or (series, k, C)
            A DataFrame's columns are the channels, in the order of the fit.
        times : sequence of k numbers or dates, optional
            A point that is not later than the last accepted one is skipped, and has no row.

        Raises
        ------
        ValueError
            When the shape or a name is wrong, a value is NaN, masked, infinite or too far from the training values, or
            a time is missing or of a different kind from the last one; then no point is accepted. When the stream has
            ended.
        UserError
            When `gap` is a duration, but the times are numbers.
        """
        self._check_open()
        points = self._checked(points)
        if times is None:
            return self._final(self._add(points))
        instants = [instant(time) for time in times]
        if len(instants) != points.shape[1]:
            raise ValueError(f"there are {len(instants)} times for {points.shape[1]} points")
        self.clock.check(instants)
        self.verdicts = [self.clock.take(time) for time in instants]
        new = [index for index, verdict in enumerate(self.verdicts) if verdict.order == "new"]
        starts = np.cumsum([self.verdicts[index].fresh for index in new])
        parts = []
        for _, run in groupby(zip(new, starts, strict=True), key=lambda pair: pair[1]):
            indices = [index for index, _ in run]
            if self.verdicts[indices[0]].fresh:
                parts += self._end_windows()
            parts += self._add(points[:, indices])
        return self._final(parts)

    def finish(self) -> StreamScores:
        """End the stream, and return the scores of the points that still await theirs.

        Raises
        ------
        UserError
            When the whole stream is shorter than a window. Points between two gaps that are fewer than a window have
            no score.
        ValueError
            When it has already ended.
        """
        self._check_open()
        length = self.detector.window
        if self.mode == "window" and self._seen < length:
            raise UserError(
                f"the stream has {self._seen} points, fewer than a window of {length}: send more, or keep them for the "
                "next start with --state"
            )
        self._ended = True
        return self._final(self._end_windows())

    def save_state(self, path) -> None:
        """Write everything needed to continue later; with the same detector, the rest is bit-identical.

        An existing file is replaced as a whole, so there is a valid state whenever the program is killed.

        Raises
        ------
        OSError
            When the file cannot be written.
        ValueError
            When the stream has ended.
        """
        self._check_open()
        note = {
            "detector": self._fingerprint,
            "options": self._options(),
            "seen": self._seen,
            "decided": self._decided,
            "begun": self._begun,
            "clock": self.clock.get_state(),
            "kept": self.kept,
            "alarms": [alarms.get_state() for alarms in self._alarms],
        }
        arrays = {**self._points.get_state(), **self._aggregation.get_state()}
        write_state(path, note, recent=self._recent, **arrays)

    def load_state(self, path) -> None:
        """Continue from a saved state.

        Raises
        ------
        UserError
            When the file is missing or damaged, or the state belongs to another detector or other options.
        """
        arrays, note = read_state(path)
        if note["detector"] != self._fingerprint:
            raise UserError(
                f"{path}: the state of another detector, or of another threshold: use that one, or start without the "
                "state"
            )
        differing = differences(note["options"], self._options())
        if differing:
            raise UserError(
                f"{path}: the state of a stream with other options (there vs. here: {', '.join(differing)}): "
                "use the same, or start without the state"
            )
        self._recent = arrays["recent"]
        self._seen, self._decided, self._begun = note["seen"], note["decided"], note["begun"]
        self.clock.set_state(note["clock"])
        self._points.set_state(arrays)
        self._aggregation.set_state(arrays)
        self._alarms = [type(own).from_state(state) for own, state in zip(self._alarms, note["alarms"], strict=True)]
        self.kept = note["kept"]

    def _options(self) -> dict:
        return {"mode": self.mode, "series": self.series, "drift_window": self.drift_window}

    def _check_open(self) -> None:
        if self._ended:
            raise ValueError("the stream has ended: start another one")

    def _check_names(self, points) -> None:
        """Refuse a DataFrame, or a Series for one point, whose names are not those of the fit in their order."""
        known = list(getattr(self.detector, "feature_names_in_", ()))
        if not known or not isinstance(points, (pd.DataFrame, pd.Series)):
            return
        if isinstance(points, pd.DataFrame):
            names = list(points.columns)
            named = any(isinstance(name, str) for name in names)
        else:
            names = list(points.index)
            named = not set(names).isdisjoint(known)  # otherwise it may be the index of times
        if named and names != known:
            raise ValueError(f"points must have the channels in the order of the fit: {listed(known)}")

    def _checked(self, points) -> np.ndarray:
        check_numbers(points)
        self._check_names(points)
        points = np.asarray(points, dtype=np.float64)
        if self._single:
            points = (points[None] if points.ndim == 1 else points)[None]
        count, _, channels = self._recent.shape
        if points.ndim != 3 or points.shape[0] != count or points.shape[2] != channels:
            wanted = f"(k, {channels})" if self._single else f"({count}, k, {channels})"
            raise ValueError(f"points must have the shape {wanted}, got {points.shape[self._single :]}")
        if not np.isfinite(points).all():
            raise ValueError("points must be finite: leave out those that are not, or fill them")
        with np.errstate(over="ignore"):
            far = np.abs(points - self.detector.offset_) > FARTHEST * self.detector.scale_
        if far.any():
            raise ValueError(f"the value {points[far][0]} is too far from the training values: leave it out")
        return points

    def _add(self, points: np.ndarray) -> list[Final]:
        """Process points (series, k, C), and return what has become final."""
        length, stride, parts = self.detector.window, self.detector.stride, []
        while points.shape[1]:
            # Up to the end of the next window each time, so that it is scored and memory stays bounded.
            room = stride - (self._seen - self._begun - length) % stride
            fresh, points = points[:, :room], points[:, room:]
            known = np.concatenate([self._recent, fresh], axis=1)
            self._seen += fresh.shape[1]
            self._recent = known[:, -length:].copy()
            behind = self._seen - self._begun - length
            if self.mode == "causal":
                parts += self._each_point(known, fresh.shape[1])
            elif behind >= 0 and behind % stride == 0:
                parts.append(self._aggregated(self._points.add(self.detector.look(self._recent)[None])))
        return parts

    def _end_windows(self) -> list[Final]:
        """Return the scores of pending points from the windows so far; the next points start fresh ones."""
        behind, parts = self._seen - self._begun - self.detector.window, []
        if self.mode == "window" and behind >= 0:
            over = behind % self.detector.stride
            last = self._points.finish(self.detector.look(self._recent) if over else None, over)
            parts.append(self._aggregated(last))
        parts.append(self._in_rows(*self._aggregation.finish()))
        self._decided = self._begun = self._seen
        self._recent, self._points = self._recent[:, :0], self.detector.assembler()
        return parts

    def _each_point(self, known: np.ndarray, fresh: int) -> list[Final]:
        """Return the results of the newest points, if a window ends there."""
        length = self.detector.window
        first_end = max(length, known.shape[1] - fresh + 1)
        self._decided = max(self._decided, min(self._seen, self._begun + length - 1))
        ends = range(first_end, known.shape[1] + 1)
        windows = (known[:, end - length : end] for end in ends)
        if self.detector.by_sequence:
            found = (self._points.add_last(self.detector.look(window)[None]) for window in windows)
        else:
            found = (self.detector.look(window, in_blocks=False) for window in windows)
        return [self._aggregated(scores[:, -1:]) for scores in found]

    def _aggregated(self, channel_errors: np.ndarray) -> Final:
        """Process the errors (series, k, K · C) of the next points, and return what thereby becomes final."""
        return self._in_rows(*self._aggregation.add(channel_errors))

    def _in_rows(self, score: np.ndarray, channel_errors: np.ndarray) -> Final:
        """Return the scores (series, m) of the next points, preceded by their rows."""
        rows = np.arange(self._decided, self._decided + score.shape[1])
        self._decided += len(rows)
        return Final(rows, score, self.detector.combined(channel_errors))

    def _final(self, parts: list[Final]) -> StreamScores:
        """Return all parts joined, with thresholds and alarms."""
        count, channels = len(self._recent), self.detector.score_channels_
        nothing = Final(np.empty(0, np.int64), *(np.empty((count, 0, *end), np.float32) for end in [(), (channels,)]))
        rows, score, by_channel = (
            np.concatenate(arrays, axis=min(1, arrays[0].ndim - 1)) for arrays in zip(nothing, *parts, strict=True)
        )
        number = len(rows)
        alarm, threshold = np.empty((count, number), bool), np.empty((count, number))
        for index, alarms in enumerate(self._alarms):
            if number:
                alarm[index], threshold[index] = alarms.update_many(score[index])
        arrays = (score, by_channel, threshold, alarm)
        return StreamScores(rows, *(array[0] if self._single else array for array in arrays))
