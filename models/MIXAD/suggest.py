"""Settings of MIXAD for a series without a configuration."""

from models.suggestion import Suggestion, training_for, window_for

from .config import MIXADConfig

USUAL = MIXADConfig.model_fields["seq_len"].default
ROWS = 1024  # windows in a batch times channels: what its recurrence processes in seconds on one core
STEPS = 10  # in an epoch, for the same reason
RATE, EPS, GRAD_NORM = 1e-3, 1e-3, 5.0


def suggest(length: int, channels: int, period: int | None) -> Suggestion:
    """Choose the window and the length of training.

    Parameters
    ----------
    length, channels : int
        Of the training series.
    period : int or None
        Not used: the published window is short compared with any period.
    """
    window, _ = window_for(length, None, usual=USUAL)
    training = training_for(length, window, batch=min(256, max(1, ROWS // channels)), steps=STEPS, rate=RATE)
    reasons = {
        "data": ["data.scaling min-max: as published"],
        "model": [f"model.seq_len {window}: the published {USUAL}, or a tenth of the {length} points to train on"],
        "train": [f"train.eps {EPS:g} and train.grad_norm {GRAD_NORM:g}: as published", *training.reasons],
    }
    train = {**training.settings, "eps": EPS, "grad_norm": GRAD_NORM}
    return Suggestion({"data": {"scaling": "min-max"}, "model": {"seq_len": window}, "train": train}, reasons)
