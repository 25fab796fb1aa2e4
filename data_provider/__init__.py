"""Files on disk → standardised training, validation and test parts → sliding windows."""

from data_provider.errors import DataError
from data_provider.read.dataset import read_dataset, read_tsb_ad, read_ucr
from data_provider.series import Parts, Series, split_series
from data_provider.windows import Windows

__all__ = [
    "DataError",
    "Parts",
    "Series",
    "Windows",
    "read_dataset",
    "read_tsb_ad",
    "read_ucr",
    "split_series",
]
