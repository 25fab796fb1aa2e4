"""Settings of AxonAD for a series without a configuration."""

from models.suggestion import Suggestion, training_for, window_for

from .config import AxonADConfig

USUAL = AxonADConfig.model_fields["seq_len"].default
WIDTH, HEADS = 64, 4
BATCH, RATE = 32, 1e-3
WEIGHT_DECAY, GRAD_NORM = 1e-5, 1.0


def suggest(length: int, channels: int, period: int | None) -> Suggestion:
    """Choose the window and the length of training.

    Parameters
    ----------
    length, channels : int
        Of the training series.
    period : int or None
        Not used: the published window is the same for all series.
    """
    window, _ = window_for(length, None, usual=USUAL)
    training = training_for(length, window, batch=BATCH, rate=RATE)
    reasons = {
        "model": [
            f"model.seq_len {window}: the published {USUAL}, or a tenth of the {length} points to train on",
            f"model.d_model {WIDTH} and model.heads {HEADS}: the smaller of the published networks, at less than half "
            "the time",
        ],
        "train": [
            f"train.optim adamw, train.weight_decay {WEIGHT_DECAY:g} and train.grad_norm {GRAD_NORM:g}: as published",
            *training.reasons,
        ],
    }
    model = {"seq_len": window, "d_model": WIDTH, "heads": HEADS}
    train = {**training.settings, "optim": "adamw", "weight_decay": WEIGHT_DECAY, "grad_norm": GRAD_NORM}
    return Suggestion({"model": model, "train": train}, reasons)
