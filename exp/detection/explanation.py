"""How the values of an event differ from those that the detector expects."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from data_provider import DataError
from exp.detection.events import LISTED, channel_shares, listed_channels
from exp.detection.scorer import Scorer
from exp.errors import UserError
from models import DETECTORS

BATCH = 8  # blocks of windows that are reconstructed at once


class HeldOut(NamedTuple):
    """Rows of a series, at least a window, and the scorer of a detector that was not fitted to them."""

    rows: slice
    scorer: Scorer


def check_explicable(name: str, what: str = "--explain") -> None:
    """Check that a model reconstructs its input.

    Parameters
    ----------
    name : str
        A name in the registry.
    what : str
        The name of the request in errors.

    Raises
    ------
    UserError
        When it does not; the message names the models that do.
    """
    if not DETECTORS[name].reconstructs:
        able = ", ".join(other for other, model in sorted(DETECTORS.items()) if model.reconstructs)
        raise UserError(f"{what}: {name} does not score by a reconstruction: leave it out, or use one of {able}")


def explain_events(
    detector: Any,
    X: np.ndarray,
    channel_scores: np.ndarray,
    events: pd.DataFrame,
    held_out: Sequence[HeldOut] = (),
) -> pd.DataFrame:
    """Return where the values of each event's channels are farthest from the expected ones.

    Parameters
    ----------
    detector : AnomalyDetector
        Fitted, with a model that reconstructs.
    X : array of shape (n, C)
        In the units of the series of `fit`.
    channel_scores : array of shape (n, C) or (n, 1)
        As multiples of their scales.
    events : DataFrame
        As returned by `ranked_events`.
    held_out : sequence of HeldOut
        Rows of X that the detector knows too well to say what it expects there.

    Returns
    -------
    DataFrame
        rank of the event; channel, an index, in the event's order of channels; share of the event's score, NaN if the
        model has no scores for single channels; row, from 0; value; expected, the mean over the windows that contain
        the point.

    Raises
    ------
    UserError
        When the model does not reconstruct.
    DataError
        When a value is too far from the training values.
    """
    starts, ends = events["start"].to_numpy(int), events["end"].to_numpy(int)
    expected = expected_values(detector, X, starts, ends, held_out)
    parts, rank = [], detector.detector_.model.rank_channels
    for event in events.to_dict("records"):
        inside = slice(int(event["start"]), int(event["end"]) + 1)
        away = np.abs(X[inside] - expected[inside])
        if channel_scores.shape[1] == X.shape[1]:
            shares = channel_shares(channel_scores[inside])
            channels = listed_channels(shares, rank(channel_scores[inside]))
        else:
            shares = np.full(X.shape[1], np.nan)
            channels = np.argsort(-(away / detector.scale_).max(axis=0), kind="stable")[:LISTED].tolist()
        for channel in channels:
            row = inside.start + int(away[:, channel].argmax())
            parts.append((event["rank"], channel, shares[channel], row, X[row, channel], expected[row, channel]))
    return pd.DataFrame(parts, columns=["rank", "channel", "share", "row", "value", "expected"])


def expected_values(
    detector: Any, X: np.ndarray, starts: np.ndarray, ends: np.ndarray, held_out: Sequence[HeldOut] = ()
) -> np.ndarray:
    """Return the values that a detector expects in stretches of X, a float64 array (n, C) with NaN elsewhere.

    Parameters
    ----------
    detector : AnomalyDetector
    X : array of shape (n, C)
    starts, ends : int arrays of shape (k,)
        First and last rows.
    held_out : sequence of HeldOut
        As for `explain_events`.

    Raises
    ------
    UserError, DataError
        As for `explain_events`.
    """
    check_explicable(detector.config_.detector, "an explanation")
    borders = np.zeros(len(X) + 1, int)
    np.add.at(borders, starts, 1)
    np.add.at(borders, ends + 1, -1)
    wanted = np.cumsum(borders)[:-1] > 0
    others = wanted.copy()
    for held in held_out:
        others[held.rows] = False
    expected = _expected(detector, detector.detector_.scorer, X, others)
    for rows, scorer in held_out:
        expected[rows] = _expected(detector, scorer, X[rows], wanted[rows])
    if not np.isfinite(expected[wanted]).all():
        raise DataError("an expected value is NaN or infinite: a value is too far from the training values, correct it")
    return expected


def _expected(detector: Any, scorer: Scorer, X: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return what a scorer's network expects in the wanted rows (n,) of X (n, C), and NaN elsewhere."""
    length, n = detector.window, len(X)
    before = np.concatenate([[0], np.cumsum(wanted)])  # wanted points before a row
    every = np.unique([*range(0, n - length + 1, max(1, length // 4)), n - length])
    holding = every[before[every + length] > before[every]]
    sums, counts = np.zeros(X.shape, np.float32), np.zeros(n)
    for first in range(0, len(holding), size := BATCH * scorer.block(X.shape[1])):
        chosen = holding[first : first + size]
        windows = np.stack([detector.standardised(X[start : start + length]) for start in chosen])
        for start, found in zip(chosen, scorer.reconstruct(torch.from_numpy(windows)).numpy(), strict=True):
            sums[start : start + length] += found
            counts[start : start + length] += 1
    expected = np.full(X.shape, np.nan)
    expected[wanted] = sums[wanted] / counts[wanted, None] * detector.scale_ + detector.offset_
    return expected
