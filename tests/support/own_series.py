"""What the tests of `exp.detect` share: a small plant, and settings that train in a moment."""

import numpy as np
import pandas as pd

from exp.cli.detect import main

ROWS, TRAIN_ROWS, WINDOW = 240, 144, 24
SIZES = {
    "model": {"seq_len": WINDOW, "patch_len": 4, "d_model": 8, "n_heads": 2, "topk": 3, "query_len": 2, "bank_size": 4},
    "train": {"train_epochs": 1, "batch_size": 32, "epoch_windows": 64},
}
SMALL = ["--set", *(f"{section}.{key}={value}" for section, keys in SIZES.items() for key, value in keys.items())]
TRAIN = ["--train-until", str(TRAIN_ROWS), *SMALL]


def plant(rows=ROWS, seed=0):
    """Return two noisy waves with an event after the training part, their times and labels."""
    time = np.arange(rows)
    waves = np.stack([np.sin(time / 3), 5 + np.cos(time / 5)], axis=1)
    waves += 0.1 * np.random.default_rng(seed).standard_normal(waves.shape)
    label = np.zeros(rows, int)
    label[200:206] = 1
    waves[200:206, 1] += 4
    hours = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"time": hours, "flow": waves[:, 0], "heat": waves[:, 1], "label": label})


def run(*arguments):
    """Run the program in this process and return its exit code."""
    return main([str(argument) for argument in arguments])


def files_below(folder):
    """Return what each file below a folder holds, and False for a folder."""
    return {str(path.relative_to(folder)): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}
