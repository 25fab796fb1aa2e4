"""Files on disk → standardised training, validation and test parts → sliding windows."""

from typing import TYPE_CHECKING

from data_provider.errors import DataError
from data_provider.read.dataset import read_dataset, read_tsb_ad, read_ucr
from data_provider.series import Parts, Series, split_series

if TYPE_CHECKING:
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


def __getattr__(name: str):
    if name == "Windows":  # the only module that needs PyTorch; readers do without it
        from data_provider.windows import Windows

        return Windows
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
