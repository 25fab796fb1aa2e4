"""Settings of PCA for a series without a configuration."""

from models.suggestion import SHORTEST_WINDOW, Suggestion, window_for

WINDOWS, BATCH = 20_000, 1024  # largest numbers of windows to decompose, and to read at once
WIDTH = 4096  # largest window times channels, if a window can be that short: time grows with its cube


def suggest(length: int, channels: int, period: int | None) -> Suggestion:
    """Choose the window.

    Parameters
    ----------
    length, channels : int
        Of the training series.
    period : int or None
        In points.
    """
    window, reason = window_for(length, period)
    most = max(SHORTEST_WINDOW, WIDTH // channels)
    if window > most:
        window, reason = most, f"for {channels} channels"
    reasons = {
        "model": [f"model.seq_len {window}: {reason}"],
        "train": [
            f"train.epoch_windows {WINDOWS} and train.batch_size {BATCH}: more windows hardly change the components"
        ],
    }
    train = {"epoch_windows": WINDOWS, "batch_size": BATCH}
    return Suggestion({"model": {"seq_len": window}, "train": train}, reasons)
