"""The page's data, packed: series, times and events."""

import base64
from dataclasses import dataclass

import numpy as np
import pandas as pd

from exp.detection.events import channel_shares
from exp.report.figures import SLOTS
from exp.report.levels import Level, build_levels, pack, plan
from exp.report.times import Times, pack_times
from ts_ad_evaluation.events import find_events

LISTED = 500  # events that the page lists; all are shaded
EVENT_CHANNELS = SLOTS - 1
LEAST_MARGIN = 50  # rows on each side of an event
LONGEST_SURROUNDINGS = 8192  # rows


@dataclass(frozen=True)
class Embedded:
    """Data of a page.

    Attributes
    ----------
    description : dict
        Plain values, for JSON.
    blocks : dict of str to str
        base64 text by name.
    """

    description: dict
    blocks: dict[str, str]


def surroundings(start: int, end: int, n: int) -> tuple[int, int]:
    """Return the first and last row shown for an event: the event plus its own length on both sides."""
    margin = max(LEAST_MARGIN, end - start + 1)
    return max(0, start - margin), min(n - 1, end + margin)


def embed(
    times: Times,
    score: np.ndarray,
    channels: list[tuple[str, np.ndarray]],
    channel_scores: np.ndarray,
    events: pd.DataFrame,
    label: np.ndarray | None,
    *,
    log: bool,
) -> Embedded:
    """Pack the data of the page.

    Parameters
    ----------
    times : Times
    score : float array of shape (n,)
    channels : list of (str, array of shape (n,))
        Name and plotted values of each channel.
    channel_scores : array of shape (n, C), or (n, 1) if the detector has none per channel
    events : DataFrame
        Ranked, with the columns `start` and `end`.
    label : array of shape (n,) or None
    log : bool
        Keep the score's logarithm, because a logarithmic axis shows the detail of small scores.
    """
    n = len(score)
    budget = plan(n, len(channels), times=times.width // 2)
    listed = [_event(row, channel_scores, len(channels), n) for row in events.head(LISTED).itertuples()]
    near = _with_surroundings(listed, budget.surroundings)
    description, blocks = {"n": n, "log": log, "events": listed, "channels": []}, {}
    description["times"], blocks["times"] = pack_times(times, budget.score_bucket)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.log10(score) if log else score
    levels = [*(_stretch(drawn, event) for event in near), *build_levels(drawn, budget.score_bucket)]
    description["score"], blocks["score"] = pack(levels)
    for index, (name, values) in enumerate(channels):
        own = [event for event in near if index in dict(event["channels"])]
        levels = [*(_stretch(values, event) for event in own), *build_levels(values, budget.channel_bucket)]
        packed, blocks[f"channel-{index}"] = pack(levels)
        description["channels"].append({"name": name, "levels": packed})
    in_time = events.sort_values("start")
    blocks["flagged"] = _pairs(in_time["start"], in_time["end"])
    blocks["labelled"] = b"" if label is None else _pairs(*find_events(np.asarray(label) == 1))
    return Embedded(description, {name: base64.b64encode(block).decode("ascii") for name, block in blocks.items()})


def _event(row, channel_scores: np.ndarray, n_channels: int, n: int) -> dict:
    start, end = int(row.start), int(row.end)
    first, last = surroundings(start, end, n)
    if channel_scores.shape[1] == n_channels:
        share = channel_shares(channel_scores[start : end + 1])
        order = np.argsort(-share, kind="stable")[:EVENT_CHANNELS]
        channels = [[int(index), round(float(share[index]), 4)] for index in order]
    else:
        channels = [[index, None] for index in range(min(n_channels, EVENT_CHANNELS))]
    return {"start": start, "end": end, "first": first, "last": last, "channels": channels}


def _with_surroundings(listed: list[dict], numbers: int) -> list[dict]:
    """Return the first events whose surroundings fit in a given count of numbers."""
    kept = []
    for event in listed:
        rows = event["last"] - event["first"] + 1
        if rows > LONGEST_SURROUNDINGS:
            continue
        numbers -= rows * (1 + len(event["channels"]))
        if numbers < 0:
            break
        kept.append(event)
    return kept


def _stretch(values: np.ndarray, event: dict) -> Level:
    return build_levels(values[event["first"] : event["last"] + 1])[0]._replace(first=event["first"])


def _pairs(starts, ends) -> bytes:
    return np.concatenate([starts, ends]).astype("<u4").tobytes()
