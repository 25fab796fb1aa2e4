"""PSM as eBay provides it with RANSynCoders: train.csv, test.csv and test_label.csv."""

import logging
from pathlib import Path

import numpy as np

from data_provider.errors import DataError
from data_provider.prepare.sources import GUIDE, check_finite, check_label, locate
from data_provider.read.wide_csv import read_wide_csv
from data_provider.series import Series

logger = logging.getLogger(__name__)


def read_psm(name: str, source: Path) -> Series:
    """Read the three files; missing values become 0, and their number is logged.

    Raises
    ------
    DataError
        When a file is missing or faulty, or the training and test parts have different channels.
    """
    train_path, test_path, label_path = locate(source, "train.csv", "test.csv", "test_label.csv")
    train, test, label = (read_wide_csv(path) for path in (train_path, test_path, label_path))
    if train.names != test.names:
        raise DataError(f"{test_path}: its columns differ from those of train.csv: download both again ({GUIDE})")
    return Series(
        name,
        _fill(train_path, train.values.T),
        _fill(test_path, test.values.T),
        check_label(label_path, label.values.T, test.values.shape[1]),
        train.names,
    )


def _fill(path, values):
    missing = np.isnan(values)
    if missing.any():
        logger.info("%s: %d missing values become 0", path, missing.sum())
    return check_finite(path, np.where(missing, 0.0, values))
