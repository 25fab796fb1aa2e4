"""Settings for a series without a configuration: what the models' rules share."""

import math
from typing import NamedTuple

USUAL_WINDOW = 96  # the most common published window
SHORTEST_WINDOW = 8
TRAINED = 0.8  # share of the points; the others validate
EPOCHS = 10  # at most
GAIN, PATIENCE = 0.01, 2  # training stops after this many epochs that lower the validation loss by a smaller share
FEWEST_STEPS, MOST_STEPS = 8, 100  # gradient steps in an epoch


class Suggestion(NamedTuple):
    """Settings and the reasons for them.

    Attributes
    ----------
    sections : dict
        The sections `data`, `model` and `train` of a configuration, where they differ from the defaults.
    reasons : dict of str to list of str
        By section, one sentence for each decision, with the keys it concerns.
    """

    sections: dict[str, dict]
    reasons: dict[str, list[str]]


class Training(NamedTuple):
    """Settings of the section `train`, and the reasons for them."""

    settings: dict
    reasons: list[str]


def window_for(length: int, period: int | None, *, usual: int = USUAL_WINDOW) -> tuple[int, str]:
    """Return the window for a training series, and the reason.

    The window is the multiple or fraction of the period nearest to the usual window, or the usual window if there
    is no period, but no longer than a tenth of the series, unless that is shorter than 8 points.

    Parameters
    ----------
    length : int
        Points of the series.
    period : int or None
        In points.
    usual : int
        The window with which the model was published.
    """
    most = max(SHORTEST_WINDOW, length // 10)
    has_period = period is not None
    period = period or usual
    times = max(1, round(usual / period))
    parts = max(1, round(period / usual))
    window = period * times // parts
    if window > most:
        share = "a tenth of" if most > SHORTEST_WINDOW else "the shortest, as there are only"
        return most, f"{share} the {length} points to train on"
    if not has_period:
        return window, "the usual window, as there is no period"
    share = f"{times} periods" if times > 1 else f"a period divided by {parts}" if parts > 1 else "a period"
    return window, f"{share}, near the usual {usual} points"


def training_for(length: int, window: int, *, batch: int, steps: int = MOST_STEPS, rate: float) -> Training:
    """Return batch size, windows in an epoch, epochs and learning rate for a training series.

    Parameters
    ----------
    length, window : int
        Points of the series, and of a window.
    batch : int
        Maximum number of windows in a batch.
    steps : int
        Maximum number of gradient steps in an epoch.
    rate : float
        The learning rate.
    """
    windows = max(1, int(length * TRAINED) - window + 1)
    batch = max(1, min(batch, windows // FEWEST_STEPS))
    taken = min(steps, math.ceil(windows / batch))
    settings = {
        "train_epochs": EPOCHS,
        "patience": PATIENCE,
        "min_delta": GAIN,
        "min_delta_mode": "relative",
        "batch_size": batch,
        "epoch_windows": taken * batch,
        "learning_rate": rate,
    }
    reasons = [
        f"train.batch_size {batch}: windows in a step",
        f"train.epoch_windows {taken * batch}: {taken} steps, at most {steps}, of the {windows} available windows",
        f"train.learning_rate {rate:g}: fewer and larger steps than published",
        f"train.train_epochs {EPOCHS}: at most",
        f"train.patience {PATIENCE}, train.min_delta {GAIN:g} and train.min_delta_mode relative: training ends after "
        f"{PATIENCE} epochs that lower the validation loss by less than {GAIN:.0%}",
    ]
    return Training(settings, reasons)
