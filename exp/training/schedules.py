"""Learning rates by epoch, under the names that published configurations use."""

import math

from exp.config import TrainConfig

_TYPE2 = {2: 5e-5, 4: 1e-5, 6: 5e-6, 8: 1e-6, 10: 5e-7, 15: 1e-7, 20: 5e-8}


def next_rate(config: TrainConfig, epoch: int, current: float) -> float:
    """Return the learning rate of the epoch after `epoch`.

    Parameters
    ----------
    config : TrainConfig
        Any `lradj` except `1cycle`, which changes the rate at each step.
    epoch : int
        The epoch that has just ended, counted from 1.
    current : float
        Its learning rate.
    """
    rate = config.learning_rate
    if config.lradj == "type1":
        return rate * 0.5 ** (epoch - 1)
    if config.lradj == "type2":
        return _TYPE2.get(epoch, current)
    if config.lradj == "type3":
        return rate * 0.9 ** max(0, epoch - 3)
    if config.lradj == "cosine":
        return rate / 2 * (1 + math.cos(math.pi * epoch / config.train_epochs))
    if config.lradj == "steps":
        return rate * 0.1 ** sum(epoch >= milestone for milestone in config.milestones)
    if config.lradj == "linear":
        return rate + (config.final_rate - rate) * min(1.0, epoch / max(1, config.train_epochs - 1))
    raise ValueError(f"{config.lradj} does not set the rate by epoch")
