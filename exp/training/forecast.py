"""How long a run will take, reported once near its start."""

import logging
import time

logger = logging.getLogger(__name__)

WARM_UP = 2  # steps that are not representative
LOOK = 5.0  # seconds of steps that are enough for an estimate
WORTH = 60.0  # seconds from which it is worth reporting


class Forecast:
    """Reports once, from the first steps of a training run, how long all of them will take.

    Parameters
    ----------
    steps, epochs : int
        Gradient steps in an epoch, and epochs.
    """

    def __init__(self, steps: int, epochs: int):
        self.steps, self.epochs = steps, epochs
        self._taken, self._start, self._told = 0, 0.0, False

    def step(self) -> None:
        """Count a step."""
        if self._told:
            return
        self._taken += 1
        if self._taken <= WARM_UP:
            self._start = time.perf_counter()
            return
        elapsed = time.perf_counter() - self._start
        if elapsed < LOOK:
            return
        self._told = True
        each = elapsed / (self._taken - WARM_UP)
        whole = each * self.steps * self.epochs
        if whole >= WORTH:
            logger.info(
                "%.2f s per step: about %s for each of at most %d epochs, %s in total",
                each, spoken(each * self.steps), self.epochs, spoken(whole),
            )  # fmt: skip


def spoken(seconds: float) -> str:
    """Return a duration as a person would say it.

    Examples
    --------
    >>> spoken(42), spoken(600), spoken(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
