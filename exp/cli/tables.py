"""Tables of results as CSV files; the one of all points is written in blocks, so its text never fills the memory."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from tqdm import tqdm

from data_provider.read.recording import Recording
from ts_ad_evaluation.files import replacing

BLOCK = 1 << 17  # points that are written together
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DAY = 24 * 60 * 60

Rows: TypeAlias = slice | np.ndarray


class WrittenTimes:
    """The times of a recording as they are written to all files, or its rows from 0 if it has none.

    All are written with the digits that the finest of them needs. They become text only as they are asked for, as
    the text of a long recording's times takes many times their memory.

    Parameters
    ----------
    recording : Recording
    """

    def __init__(self, recording: Recording):
        times = recording.times
        self._times = pd.RangeIndex(len(recording.values)) if times is None else times
        self._digits, self._finest = "", None
        if isinstance(times, pd.DatetimeIndex) and times.tz is None:
            self._finest = _finest(times)
        elif isinstance(times, pd.DatetimeIndex):
            whole = not (times.microsecond | times.nanosecond).any()
            self._digits = "seconds" if whole else "nanoseconds" if times.nanosecond.any() else "microseconds"

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, rows: Rows) -> pd.Index:
        """Return the times of rows: text, or numbers."""
        times = self._times[rows]
        if self._finest is not None:
            # A table would omit the time of day if it is 0 in the whole column; here the finest time decides.
            return times.append(self._finest).astype(str)[: len(times)]
        if self._digits:
            return pd.Index([time.isoformat(sep=" ", timespec=self._digits) for time in times])
        return times


def _finest(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return the first time with the most digits, or none if all are midnights."""
    second = PER_SECOND[times.unit]
    for unit in (second // 10**6, second // 10**3, second, second * DAY):
        if unit > 1:
            odd = times.asi8 % unit != 0
            if odd.any():
                return times[[int(odd.argmax())]]
    return times[:0]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8")


def write_scores(
    path: Path,
    times: WrittenTimes,
    score: np.ndarray,
    channel_scores: np.ndarray,
    threshold: float,
    names: list[str],
) -> None:
    """Write the table of all points: time, score, the score of each channel, and whether it is above the threshold.

    Parameters
    ----------
    path : Path
    times : WrittenTimes
    score : array of shape (n,)
    channel_scores : array of shape (n, C)
    threshold : float
    names : list of str
        Of the C channel scores.
    """
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
        tqdm(total=len(score), desc=f"write {path.name}", unit="point", disable=None, leave=False) as bar,
    ):
        for first in range(0, len(score), BLOCK):
            rows = slice(first, first + BLOCK)
            by_channel = zip(names, channel_scores[rows].T, strict=True)
            columns = {f"score {name}": scores for name, scores in by_channel}
            flag = (score[rows] > threshold).astype(np.uint8)
            table = pd.DataFrame({"time": times[rows], "score": score[rows], **columns, "flag": flag})
            table.to_csv(file, index=False, header=first == 0)
            bar.update(len(table))
