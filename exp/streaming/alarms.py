"""Alarms of single points become events, as the points of a stream come."""

from collections.abc import Sequence

import numpy as np

from exp.config import differences
from exp.detection.estimator import CrossADDetector
from exp.detection.events import LARGEST, alarm_record, channel_shares, check_events
from exp.errors import UserError

REMEMBERED = 256  # points of an event whose scores rank its channels; those of a longer one are ranked by their shares


class AlarmEvents:
    """Events of a stream; each comes when it is finished: when more points than may lie within it have no alarm.

    Those of a file are the same, where the stream's scores and threshold are.

    Parameters
    ----------
    detector : CrossADDetector
        Fitted.
    merge_gap, min_length : int, optional
        As for `AnomalyDetector.find_events`.
    kept : dict, optional
        What is to be kept with the stream's state, empty at first; it is kept up to date, of values that JSON can hold.

    Raises
    ------
    UserError
        When a number of points is wrong, or what was kept is of other numbers.
    """

    def __init__(
        self,
        detector: CrossADDetector,
        *,
        merge_gap: int | None = None,
        min_length: int | None = None,
        kept: dict | None = None,
    ):
        check_events(merge_gap, min_length)
        self.names, self._rank = detector.score_names, detector.detector_.model.rank_channels
        self.merge_gap = detector.merge_gap if merge_gap is None else int(merge_gap)
        self.min_length = 1 if min_length is None else int(min_length)
        self._kept = {} if kept is None else kept
        check_kept(self._kept, self.options)
        self._kept.setdefault("options", self.options)
        self._kept.setdefault("finished", 0)
        self._kept.setdefault("open", None)

    @property
    def options(self) -> dict:
        """What makes events of alarms."""
        return {"merge_gap": self.merge_gap, "min_length": self.min_length}

    def add(self, row: int, time, scores: tuple | None) -> list[dict]:
        """Take the next point in turn, and return the event that is finished by it, if one is.

        Parameters
        ----------
        row : int
        time : str, number or None
            As it is to be told; None where there are no times.
        scores : (float, array of shape (C,), float, bool), optional
            Score, channel scores, threshold and alarm; None where the point never has a score.

        Returns
        -------
        list of dict
            None or one, as `exp.detection.events.alarm_record` describes, behind `event`, its number from 1.
        """
        score, channels, threshold, alarm = (None, (), None, False) if scores is None else scores
        event, finished = self._kept["open"], []
        if event is not None and row - event["end_row"] - int(alarm) > self.merge_gap:
            finished = self.end()
        if scores is None:
            return finished
        self._remember(channels, begins=bool(alarm))
        event = self._kept["open"]
        if alarm:
            told = row if time is None else time
            if "begin" not in event:
                event |= {"begin": told, "begin_row": row, "peak_score": None}
            event |= {"end": told, "end_row": row, "sums": event["sums_so_far"], "points": event["points_so_far"]}
            if event["peak_score"] is None or score > event["peak_score"]:
                peak = {"peak": told, "peak_row": row, "peak_score": float(score), "threshold": float(threshold)}
                event |= peak
        return finished

    def end(self) -> list[dict]:
        """Finish the event that is open, and return it, if there is one and it is long enough."""
        event, self._kept["open"] = self._kept["open"], None
        if event is None or event["end_row"] - event["begin_row"] + 1 < self.min_length:
            return []
        self._kept["finished"] += 1
        if event["inside"] is None:
            sums = np.array(event["sums"])
            shares, order = channel_shares(sums[None]), None
        else:
            inside = np.array(event["inside"][: event["points"]], np.float32)
            shares, order = channel_shares(inside), self._rank(inside)
        rows = event["begin_row"], event["end_row"], event["peak_row"]
        times = event["begin"], event["end"], event["peak"]
        record = alarm_record(rows, times, event["peak_score"], event["threshold"], shares, self.names, order)
        return [{"event": self._kept["finished"], **record}]

    def _remember(self, channels: Sequence[float], *, begins: bool) -> None:
        """Add the channel scores of a point to the event that is open; they count when an alarm follows."""
        event = self._kept["open"]
        if event is None and not begins:
            return
        if event is None:
            event = self._kept["open"] = {"sums_so_far": [0.0] * len(channels), "points_so_far": 0, "inside": []}
        known = np.clip(np.nan_to_num(np.asarray(channels, np.float64), nan=0.0), 0, LARGEST)
        event["sums_so_far"] = (np.array(event["sums_so_far"]) + known).tolist()
        event["points_so_far"] += 1
        if event["inside"] is not None:
            event["inside"].append(np.asarray(channels, np.float64).tolist())
            if len(event["inside"]) > REMEMBERED:
                event["inside"] = None


def check_kept(kept: dict, options: dict | None) -> None:
    """See that a stream that goes on makes the same events of its alarms.

    Parameters
    ----------
    kept : dict
        Of `AlarmEvents`, or empty.
    options : dict or None
        Those of now; None where no events are made.

    Raises
    ------
    UserError
        When they differ, so that an event that is open would be lost or another one.
    """
    before = kept.get("options")
    if before is not None and before != options:
        differing = ", ".join(differences(before, options or {})) if options else "--alarms against none"
        raise UserError(
            f"the state is that of a stream with other events (there against here: {differing}): use the same options, "
            "or start without the state"
        )
