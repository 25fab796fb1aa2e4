"""Settings of Nearest for a series that no configuration knows."""

from models.suggestion import Suggestion, window_for

NUMBERS = 4_000_000  # that are remembered at most: 16 MB
MOST, FEWEST = 20_000, 200  # windows that are remembered
BATCH = 256


def suggest(length: int, channels: int, period: int | None) -> Suggestion:
    """Choose the window, and how many are remembered.

    Parameters
    ----------
    length, channels : int
        Of the training series.
    period : int or None
        Not used: the windows that are remembered start at any phase, so none needs to contain whole periods.
    """
    window, reason = window_for(length, None)
    windows = max(1, length - window + 1)
    remembered = min(windows, MOST, max(FEWEST, NUMBERS // (window * channels)))
    reasons = {
        "model": [f"model.seq_len {window}: {reason.removesuffix(', as there is no period')}"],
        "train": [
            f"train.epoch_windows {remembered}: windows drawn from the {windows} training windows and remembered"
        ],
    }
    train = {"epoch_windows": remembered, "batch_size": BATCH}
    return Suggestion({"model": {"seq_len": window}, "train": train}, reasons)
