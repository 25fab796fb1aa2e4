"""Settings of CrossAD for a series without a published configuration."""

from models.suggestion import Suggestion, training_for, window_for

from .config import CrossADConfig

KERNELS = (2,)
PATCHES = 16  # in a window
ROWS = 128  # univariate windows in a batch; a window of C channels counts C times
FREQUENCIES = CrossADConfig.model_fields["topk"].default
QUERIES, BANK, LAYERS = 3, 16, 1
RATE = 1e-3


def suggest(length: int, channels: int, period: int | None) -> Suggestion:
    """Choose window, patch, kernels and the length of training.

    Parameters
    ----------
    length, channels : int
        Of the training series.
    period : int or None
        In points.
    """
    window, reason = window_for(length, period)
    patch = max(1, window // PATCHES)
    model = {
        "seq_len": window,
        "patch_len": patch,
        "ms_kernels": list(KERNELS),
        "topk": min(FREQUENCIES, window // 2 + 1),
        "n_query": QUERIES,
        "bank_size": BANK,
        **dict.fromkeys(("e_layers", "d_layers", "m_layers"), LAYERS),
    }
    training = training_for(length, window, batch=ROWS // channels, rate=RATE)
    reasons = [
        f"model.seq_len {window}: {reason}",
        f"model.patch_len {patch}: a window has at least {PATCHES} patches",
        f"model.ms_kernels {list(KERNELS)}: every second point must suffice to reconstruct the window",
        f"model.topk {model['topk']}: the usual {FREQUENCIES}, or all frequencies of a window",
        f"model.n_query {QUERIES}, model.bank_size {BANK}, and model.e_layers, model.d_layers and model.m_layers "
        f"{LAYERS}: one series trains a small network",
    ]
    return Suggestion({"model": model, "train": training.settings}, {"model": reasons, "train": training.reasons})
