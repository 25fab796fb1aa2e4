"""Scores and alarms of a stream, point by point or block by block, in a memory that does not grow."""

import hashlib
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from exp.config import differences
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from ts_ad_evaluation import SPOT
from ts_ad_evaluation.files import replacing

FORMAT = 1  # of saved states
MODES = ("window", "causal")
MAX_EXCESSES = 5000  # that the tail is fitted to, which bounds the memory of the alarms
FARTHEST = 1e12  # deviations of the training series from its mean; squares of such values are still numbers
DIGEST = hashlib.sha256().digest_size  # bytes at the end of a state


class StreamScores(NamedTuple):
    """Scores that have become final, of m points in a row.

    Attributes
    ----------
    rows : int64 array of shape (m,)
        Of the points in the stream, from 0.
    score : float32 array of shape (m,)
    channel_scores : float32 array of shape (m, C)
    threshold : float64 array of shape (m,)
        What each score was held against.
    alarm : bool array of shape (m,)
    """

    rows: np.ndarray
    score: np.ndarray
    channel_scores: np.ndarray
    threshold: np.ndarray
    alarm: np.ndarray


class StreamingDetector:
    """A fitted detector on an endless series, or on several side by side.

    Parameters
    ----------
    detector : CrossADDetector
        Fitted.
    mode : {"window", "causal"}
        "window": a score comes when no later window will hold its point, and on the CPU has the very bits of
        `decision_function` on the whole series (`finish` gives those that wait at the end). "causal": each point has
        its score at once, that of the last point of the window which ends there; the points before the first full
        window have none.
    series : int or None
        So many series run side by side, their windows computed together; every array then has a first dimension of
        them. None: one series, without that dimension.
    drift_window : int or None
        Alarms follow the mean of so many last normal scores (see `ts_ad_evaluation.SPOT`).

    Attributes
    ----------
    detector, mode, series, drift_window
        As given.
    kept : dict
        Whatever else is to be kept with the state, of values that JSON can hold.

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
    ):
        check_is_fitted(detector)
        if mode not in MODES:
            raise UserError(f"mode is {mode!r}: use 'window' or 'causal'")
        if series is not None and series < 1:
            raise UserError(f"series is {series}: use a number of at least 1, or None")
        if drift_window is not None and detector.threshold != "spot":
            raise UserError("the detector's threshold is fixed, so no drift window can move it: train with spot")
        self.detector, self.mode, self.series, self.drift_window = detector, mode, series, drift_window
        self._single = series is None
        self._ended = False
        count = 1 if series is None else series
        self._recent = np.empty((count, 0, detector.n_features_in_))  # the last points, a window at most
        self.kept: dict = {}
        self._seen = 0  # points
        self._scored = 0  # points that have had their turn
        self._points = detector.assembler()
        self._alarms = [_alarms(detector, mode, drift_window) for _ in range(count)]

    @classmethod
    def load(cls, folder, *, state=None, device: str = "auto", **options) -> "StreamingDetector":
        """Return a stream of the saved detector in `folder`, going on from a saved state where one is named.

        Raises
        ------
        UserError
            When a file is missing, damaged, altered, or a state of another detector or mode.
        """
        stream = cls(CrossADDetector.load(folder, device=device), **options)
        if state is not None:
            stream.load_state(state)
        return stream

    @property
    def seen(self) -> int:
        """How many points of the stream have come."""
        return self._seen

    def update(self, points) -> StreamScores:
        """Take the next points, and return the scores that have become final.

        Parameters
        ----------
        points : array_like of shape (k, C), (C,) for a single point, or (series, k, C)

        Raises
        ------
        ValueError
            When the shape is wrong, or a value is NaN, infinite or too far from those of training; then no point is
            taken. When the stream has ended.
        """
        self._check_open()
        points = self._checked(points)
        length, stride, parts = self.detector.window, self.detector.stride, []
        while points.shape[1]:
            # Up to the end of the next window in turn, so that it is scored and memory stays bounded.
            room = stride - (self._seen - length) % stride
            fresh, points = points[:, :room], points[:, room:]
            known = np.concatenate([self._recent, fresh], axis=1)
            self._seen += fresh.shape[1]
            self._recent = known[:, -length:].copy()
            if self.mode == "causal":
                parts += self._each_point(known, fresh.shape[1])
            elif self._seen >= length and (self._seen - length) % stride == 0:
                parts.append(self._points.add(self.detector.look(self._recent)[None]))
        return self._final(parts)

    def finish(self) -> StreamScores:
        """End the stream, and return the scores of the points that still wait for theirs.

        Raises
        ------
        UserError
            When the whole stream is shorter than a window.
        ValueError
            When it has ended already.
        """
        self._check_open()
        length, stride = self.detector.window, self.detector.stride
        if self.mode == "window" and self._seen < length:
            raise UserError(f"the stream has {self._seen} points, fewer than a window of {length}")
        self._ended = True
        if self.mode == "causal":
            return self._final([])
        behind = (self._seen - length) % stride
        return self._final([self._points.finish(self.detector.look(self._recent) if behind else None, behind)])

    def save_state(self, path) -> None:
        """Write all that is needed to go on later; with the same detector the rest gives the same bits.

        Raises
        ------
        OSError
            When the file cannot be written.
        ValueError
            When the stream has ended.
        """
        self._check_open()
        note = {
            "format": FORMAT,
            "detector": _fingerprint(self.detector),
            "options": self._options(),
            "seen": self._seen,
            "scored": self._scored,
            "kept": self.kept,
            "alarms": [alarms.get_state() for alarms in self._alarms],
        }
        buffer = io.BytesIO()
        np.savez(buffer, recent=self._recent, note=np.array(json.dumps(note)), **self._points.get_state())
        content = buffer.getvalue()
        with replacing(path) as temporary:
            temporary.write_bytes(content + hashlib.sha256(content).digest())

    def load_state(self, path) -> None:
        """Go on from a saved state.

        Raises
        ------
        UserError
            When the file is missing or damaged, or the state is that of another detector or of other options.
        """
        path = Path(path)
        arrays, note = _read_state(path)
        if note["detector"] != _fingerprint(self.detector):
            raise UserError(f"{path}: the state of another detector: use that one, or start without the state")
        differing = differences(note["options"], self._options())
        if differing:
            raise UserError(
                f"{path}: the state of a stream with other options (there against here: {', '.join(differing)}): "
                "use the same, or start without the state"
            )
        self._recent, self._seen, self._scored = arrays["recent"], note["seen"], note["scored"]
        self._points.set_state(arrays)
        self._alarms = [type(own).from_state(state) for own, state in zip(self._alarms, note["alarms"], strict=True)]
        self.kept = note["kept"]

    def _options(self) -> dict:
        return {"mode": self.mode, "series": self.series, "drift_window": self.drift_window}

    def _check_open(self) -> None:
        if self._ended:
            raise ValueError("the stream has ended: start another")

    def _checked(self, points) -> np.ndarray:
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
            raise ValueError(f"the value {points[far][0]} is too far from those of training: leave it out")
        return points

    def _each_point(self, known: np.ndarray, fresh: int) -> list[np.ndarray]:
        """Return the scores (series, 1, C) of the newest points, as far as a window ends there."""
        length = self.detector.window
        first_end = max(length, known.shape[1] - fresh + 1)
        self._scored = max(self._scored, min(self._seen, length - 1))
        ends = range(first_end, known.shape[1] + 1)
        windows = (known[:, end - length : end] for end in ends)
        if self.detector.by_sequence:
            return [self._points.add(self.detector.look(window)[None])[:, -1:] for window in windows]
        return [self.detector.look(window, in_blocks=False)[:, -1:] for window in windows]

    def _final(self, parts: list[np.ndarray]) -> StreamScores:
        """Return scores of shape (series, m, C) with their rows, thresholds and alarms."""
        count, channels = len(self._recent), self.detector.score_channels_
        by_channel = np.concatenate([np.empty((count, 0, channels), np.float32), *parts], axis=1).astype(np.float32)
        number = by_channel.shape[1]
        rows = np.arange(self._scored, self._scored + number)
        self._scored += number
        score = np.stack([self.detector.point_scores(series) for series in by_channel])
        alarm, threshold = np.empty((count, number), bool), np.empty((count, number))
        for index, alarms in enumerate(self._alarms):
            if number:
                alarm[index], threshold[index] = alarms.update_many(score[index])
        arrays = (score, by_channel, threshold, alarm)
        return StreamScores(rows, *(array[0] if self._single else array for array in arrays))


class FixedThreshold:
    """Alarms above a threshold that never moves, with SPOT's interface."""

    def __init__(self, threshold: float):
        self.threshold = threshold

    def update_many(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which scores (m,) are above the threshold, and the threshold for each."""
        return score > self.threshold, np.full(len(score), self.threshold)

    def get_state(self) -> dict:
        """Return what `from_state` takes."""
        return {"threshold": self.threshold}

    @classmethod
    def from_state(cls, state: dict) -> "FixedThreshold":
        """Restore what `get_state` gave."""
        return cls(**state)


def _alarms(detector: CrossADDetector, mode: str, drift_window: int | None) -> SPOT | FixedThreshold:
    if detector.threshold != "spot":
        return FixedThreshold(detector.threshold_)
    # The last point of a window is harder to reconstruct than the others, so its scores have a tail of their own.
    initial = detector.decision_scores_ if mode == "window" else detector.causal_scores_
    return SPOT(initial, risk=detector.risk, rule="likelihood", drift_window=drift_window, max_excesses=MAX_EXCESSES)


def _read_state(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays of a state, and what else it says."""
    if not path.is_file():
        raise UserError(f"{path}: no such state of a stream: name another file, or start without")
    content = path.read_bytes()
    try:
        if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
            raise ValueError("the digest is not that of the content")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
            note = json.loads(str(arrays.pop("note")))
    except (ValueError, KeyError):
        raise UserError(f"{path}: damaged, or no state of a stream: start without it") from None
    if note["format"] != FORMAT:
        raise UserError(f"{path}: of the format {note['format']}, this version reads {FORMAT}: start without it")
    return arrays, note


def _fingerprint(detector: CrossADDetector) -> str:
    digest = hashlib.sha256()
    arrays = [tensor.cpu().numpy() for tensor in detector.network_.state_dict().values()]
    for array in (*arrays, detector.offset_, detector.scale_, detector.decision_scores_, detector.threshold_):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
