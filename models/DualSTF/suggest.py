"""Settings of Dual-STF for a series without a configuration."""

from models.suggestion import Suggestion, training_for, window_for

from .config import DualSTFConfig

USUAL = DualSTFConfig.model_fields["seq_len"].default
TOKENS = 10  # of the published window
BATCH, RATE = 32, 1e-3


def suggest(length: int, channels: int, period: int | None) -> Suggestion:
    """Choose the window, its tokens and patches in the published proportions, and the length of training.

    Parameters
    ----------
    length, channels : int
        Of the training series.
    period : int or None
        In points.
    """
    window, reason = window_for(length, period, usual=USUAL)
    token = max(1, window // TOKENS)
    patches = [token, 2 * token, 3 * token]
    training = training_for(length, window, batch=BATCH, rate=RATE)
    reasons = {
        "model": [
            f"model.seq_len {window}: {reason}",
            f"model.points_per_token {token} and model.patch_sizes {patches}: the published shares of a window",
        ],
        "train": ["train.optim adamw: as published", *training.reasons],
    }
    model = {"seq_len": window, "points_per_token": token, "patch_sizes": patches}
    return Suggestion({"model": model, "train": {**training.settings, "optim": "adamw"}}, reasons)
