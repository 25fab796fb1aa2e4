"""Events from the alarms of single points, as the points of a stream arrive."""

from collections.abc import Sequence

import numpy as np

from exp.config import differences
from exp.detection.estimator import CrossADDetector
from exp.detection.events import LARGEST, alarm_record, channel_shares, check_events, rise
from exp.errors import UserError

REMEMBERED = 256  # points whose scores rank the channels of an event; of a longer one, shares of all its points do
RISES = 64  # points that are kept, at most, where an event may begin


class AlarmEvents:
    """Events of a stream; each is returned when it is finished: after more than `merge_gap` points without alarm.

    They equal the events of a file if scores and threshold are the same, except that an event with more than 64 record
    scores may begin a little later, and that the shares of one with more than 256 points are those of all its points
    above the threshold.

    Parameters
    ----------
    detector : CrossADDetector
        Fitted.
    causal : bool
        Whether the scores are those of a causal stream.
    merge_gap, min_length : int, optional
        As for `AnomalyDetector.find_events`.
    kept : dict, optional
        What to save with the stream's state, empty at first; updated in place with values that JSON can represent.

    Raises
    ------
    UserError
        When a number of points is wrong, or `kept` belongs to other numbers.
    """

    def __init__(
        self,
        detector: CrossADDetector,
        *,
        causal: bool = False,
        merge_gap: int | None = None,
        min_length: int | None = None,
        kept: dict | None = None,
    ):
        check_events(merge_gap, min_length)
        self.names, self._rank = detector.score_names, detector.detector_.model.rank_channels
        self._aggregation = detector.causal_aggregation_ if causal else detector.aggregation_
        self.merge_gap = detector.merge_gap if merge_gap is None else int(merge_gap)
        self.min_length = 1 if min_length is None else int(min_length)
        self._kept = {} if kept is None else kept
        check_kept(self._kept, self.options)
        self._kept.setdefault("options", self.options)
        self._kept.setdefault("finished", 0)
        self._kept.setdefault("open", None)

    @property
    def options(self) -> dict:
        """The options that define events."""
        return {"merge_gap": self.merge_gap, "min_length": self.min_length}

    def add(self, row: int, time, scores: tuple | None) -> list[dict]:
        """Process the next point, and return the event that it finishes, if any.

        Parameters
        ----------
        row : int
        time : str, number or None
            The time to report; None if there are no times.
        scores : (float, array of shape (C,), float, bool), optional
            Score, channel scores, threshold and alarm; None if the point never gets a score.

        Returns
        -------
        list of dict
            Empty or one record: `event`, its number from 1, and the keys of `exp.detection.events.alarm_record`.
        """
        score, channels, threshold, alarm = (None, (), None, False) if scores is None else scores
        event, finished = self._kept["open"], []
        if event is not None and row - event["last_row"] - int(alarm) > self.merge_gap:
            finished = self.end()
        if scores is None:
            return finished
        self._remember(self._aggregation.by_channel(np.asarray(channels)), begins=bool(alarm))
        if alarm:
            self._alarm(row, row if time is None else time, float(score), float(threshold))
        return finished

    def _alarm(self, row: int, place, score: float, threshold: float) -> None:
        """Add a flagged point to the open event."""
        event = self._kept["open"]
        event |= {"last_row": row, "sums": event["sums_so_far"]}
        if event["peak_score"] is None or score > event["peak_score"]:
            event |= {"peak": place, "peak_row": row, "peak_score": score, "threshold": threshold}
            # The event begins with one of its record scores: before the first point that is high enough, none was.
            event["rises"].append({"begin": place, "begin_row": row, "score": score, "point": event["points_so_far"]})
            lowest = rise(score, threshold)
            event["rises"] = [point for point in event["rises"] if point["score"] >= lowest]
            if len(event["rises"]) > RISES:
                steps = np.diff([point["score"] for point in event["rises"]])
                del event["rises"][1 + int(steps.argmin())]  # of the lowest step
        if score >= rise(event["peak_score"], event["threshold"]):
            event |= {"end": place, "end_row": row, "points": event["points_so_far"]}

    def end(self) -> list[dict]:
        """Finish the open event, and return it if it is long enough."""
        event, self._kept["open"] = self._kept["open"], None
        if event is None:
            return []
        first = event["rises"][0]
        if event["end_row"] - first["begin_row"] + 1 < self.min_length:
            return []
        self._kept["finished"] += 1
        if event["inside"] is None:
            sums = np.array(event["sums"])
            shares, order = channel_shares(sums[None]), None
        else:
            inside = np.array(event["inside"][first["point"] - 1 : event["points"]], np.float32)
            shares, order = channel_shares(inside), self._rank(inside)
        rows = first["begin_row"], event["end_row"], event["peak_row"]
        times = first["begin"], event["end"], event["peak"]
        record = alarm_record(rows, times, event["peak_score"], event["threshold"], shares, self.names, order)
        return [{"event": self._kept["finished"], **record}]

    def _remember(self, channels: Sequence[float] | np.ndarray, *, begins: bool) -> None:
        """Add the channel scores of a point to the open event; they count once an alarm follows."""
        event = self._kept["open"]
        if event is None and not begins:
            return
        if event is None:
            sums = [0.0] * len(channels)
            event = {"sums_so_far": sums, "points_so_far": 0, "inside": [], "rises": [], "peak_score": None}
            self._kept["open"] = event
        known = np.clip(np.nan_to_num(np.asarray(channels, np.float64), nan=0.0), 0, LARGEST)
        event["sums_so_far"] = (np.array(event["sums_so_far"]) + known).tolist()
        event["points_so_far"] += 1
        if event["inside"] is not None:
            event["inside"].append(np.asarray(channels, np.float64).tolist())
            if len(event["inside"]) > REMEMBERED:
                event["inside"] = None


def check_kept(kept: dict, options: dict | None) -> None:
    """Check that a resumed stream uses the same options for events.

    Parameters
    ----------
    kept : dict
        As kept by `AlarmEvents`, or empty.
    options : dict or None
        The current options; None without events.

    Raises
    ------
    UserError
        When they differ, as an open event would be lost or changed.
    """
    before = kept.get("options")
    if before is not None and before != options:
        differing = ", ".join(differences(before, options or {})) if options else "--alarms and no --alarms"
        raise UserError(
            f"the state belongs to a stream with other options for events (state and now: {differing}): use the same "
            "options, or start without the state"
        )
