"""Settings of CrossAD for a series that no published configuration knows, from its length and period."""

import math
from typing import NamedTuple

import numpy as np

from data_provider import DataError
from exp.config import DataConfig
from models.CrossAD import CrossADConfig
from ts_ad_evaluation import find_period

VALIDATION_SHARE = DataConfig.model_fields["validation_share"].default

USUAL_WINDOW = 96  # the commonest of the published windows
SHORTEST_WINDOW = 8
PEAK = 4.0  # standard deviations of white noise's autocorrelation that the peak of a period must reach
KERNELS = (2,)
PATCHES = 16  # in a window
BATCH = 128  # univariate windows at most; a window of C channels counts C times
FREQUENCIES = CrossADConfig.model_fields["topk"].default
QUERIES, BANK, LAYERS = 3, 16, 1
EPOCHS = 10
RATE = 1e-3
FEWEST_STEPS, MOST_STEPS = 8, 100  # of gradient, in an epoch


class Choice(NamedTuple):
    """Settings and why they are so.

    Attributes
    ----------
    settings : dict
        The sections `model` and `train` of a configuration; what is not there has its default.
    reasons : list of str
        One sentence for each decision.
    """

    settings: dict
    reasons: list[str]


def choose_settings(train: np.ndarray) -> Choice:
    """Choose window, patch, kernels and the length of the training.

    The window is the multiple or the fraction of the period that is nearest to the commonest published window, but no
    longer than a tenth of the training part, unless that is shorter than 8 points. A patch is a sixteenth of it.

    Parameters
    ----------
    train : array of shape (n, C)
        The training part.

    Raises
    ------
    DataError
        When it is too short for two of the shortest windows.
    """
    points, channels = train.shape
    if points < 2 * SHORTEST_WINDOW:
        raise DataError(
            f"the training part has {points} points, fewer than two windows of {SHORTEST_WINDOW}: use more points"
        )
    period, source = _period(train)
    window, reason = _window(period or USUAL_WINDOW, points)
    if period is None and window == USUAL_WINDOW:
        reason = "the usual window, as there is no period"
    patch = max(1, window // PATCHES)
    windows = max(1, int(points * (1 - VALIDATION_SHARE)) - window + 1)
    batch = max(1, min(BATCH // channels, windows // FEWEST_STEPS))
    steps = min(MOST_STEPS, math.ceil(windows / batch))
    settings = {
        "model": {
            "seq_len": window,
            "patch_len": patch,
            "ms_kernels": list(KERNELS),
            "topk": min(FREQUENCIES, window // 2 + 1),
            "n_query": QUERIES,
            "bank_size": BANK,
            **dict.fromkeys(("e_layers", "d_layers", "m_layers"), LAYERS),
        },
        "train": {
            "train_epochs": EPOCHS,
            "batch_size": batch,
            "epoch_windows": steps * batch,
            "learning_rate": RATE,
        },
    }
    reasons = [
        source,
        f"model.seq_len {window}: {reason}",
        f"model.patch_len {patch}: a window has {PATCHES} patches or some more",
        f"model.ms_kernels {list(KERNELS)}: every second point must do to reconstruct the window",
        f"model.topk {settings['model']['topk']}: the usual {FREQUENCIES}, or all frequencies of a window",
        f"model.n_query {QUERIES}, model.bank_size {BANK}, and model.e_layers, model.d_layers and model.m_layers "
        f"{LAYERS}: one series trains a small network",
        f"train.batch_size {batch}: {batch * channels} windows of one channel",
        f"train.epoch_windows {steps * batch}: {steps} steps, at most {MOST_STEPS}, of the {windows} windows there are",
        f"train.train_epochs {EPOCHS} and train.learning_rate {RATE:g}: few steps, and larger ones than published",
    ]
    return Choice(settings, reasons)


def _period(train: np.ndarray) -> tuple[int | None, str]:
    """Return the period of most channels of a training part (n, C), None where most have none, and the reason."""
    least = PEAK / math.sqrt(len(train))
    changing = [channel for channel in train.T if np.ptp(channel) > 0]
    periods = [find_period(channel, default=None, least=least) for channel in changing]
    found = [period for period in periods if period is not None]
    if not found or 2 * len(found) < len(changing):
        share = f"{len(found)} of {len(changing)} channels that change have one"
        return None, f"no period found ({share}): the usual window of {USUAL_WINDOW} points stands in for it"
    period = int(np.median(found))
    return period, (
        f"period {period} points: the highest peak of the autocorrelation, the median over the {len(found)} of "
        f"{len(changing)} channels that have one"
    )


def _window(period: int, points: int) -> tuple[int, str]:
    """Return the window for a period and a training part of so many points, and the reason."""
    most = max(SHORTEST_WINDOW, points // 10)
    times = max(1, round(USUAL_WINDOW / period))
    parts = max(1, round(period / USUAL_WINDOW))
    window = period * times // parts
    if window > most:
        share = "a tenth of" if most > SHORTEST_WINDOW else "the shortest, for there are only"
        return most, f"{share} the {points} points to train on"
    share = f"{times} periods" if times > 1 else f"a period divided by {parts}" if parts > 1 else "a period"
    return window, f"{share}, near the usual {USUAL_WINDOW} points"
