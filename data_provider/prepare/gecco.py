"""GECCO as its publishers provide it: the data frame geccoIC2018Train of the R package EventDetectR."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider.errors import DataError
from data_provider.prepare.faults import MissingPackage
from data_provider.prepare.sources import GUIDE, check_finite, check_label
from data_provider.series import Series

logger = logging.getLogger(__name__)

FRAME = "geccoIC2018Train"
PACKAGE_FILE = f"{FRAME}.rda"
CHANNELS = ("Tp", "Cl", "pH", "Redox", "Leit", "Trueb", "Cl_2", "Fm", "Fm_2")
LABEL = "EVENT"


def read_package_file(name: str, path: Path) -> Series:
    """Read the package's training set as the benchmark does: its first half trains, its second half tests.

    Rows with a missing value are dropped first, and their number is logged. If the number of rows is odd, the test part
    has one more.

    Raises
    ------
    MissingPackage
        When rdata is not installed.
    DataError
        When the file is damaged or not the expected one.
    """
    frame = _read_frame(path)
    missing = [column for column in (*CHANNELS, LABEL) if column not in frame.columns]
    if missing:
        raise DataError(f"{path}: {FRAME} has no column {missing[0]}: download it again ({GUIDE})")
    try:
        values = frame[[*CHANNELS, LABEL]].astype("Float64").to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{path}: {FRAME} has a cell that is not a number: {error}; download it again ({GUIDE})"
        ) from error
    complete = ~np.isnan(values).any(axis=1)
    logger.info("%s: %d of %d rows have a missing value and are dropped", path, (~complete).sum(), len(values))
    values = check_finite(path, values[complete])
    label = check_label(path, values[:, -1:], len(values))
    half = len(values) // 2
    channels = values[:, :-1]
    return Series(name, channels[:half], channels[half:], label[half:], CHANNELS)


def _read_frame(path):
    try:
        import rdata
    except ImportError as error:
        raise MissingPackage(f"{path}: reading it needs the package rdata: pip install rdata") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about classes that it does not know, such as that of the times
            found = rdata.read_rda(path)
    except Exception as error:  # a damaged file can raise any error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read as R data: {reason}; download it again ({GUIDE})") from error
    if not isinstance(found.get(FRAME), pd.DataFrame):
        raise DataError(f"{path}: has no data frame {FRAME}: download it again ({GUIDE})")
    return found[FRAME]
