"""Files on disk → standardised training, validation and test parts → sliding windows."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# Imported on first use: readers do without PyTorch, which windows need, and a program's --help without either.
_MODULES = {
    "data_provider.errors": ("DataError",),
    "data_provider.read.dataset": ("read_dataset", "read_tsb_ad", "read_ucr"),
    "data_provider.series": ("Parts", "Series", "split_series"),
    "data_provider.windows": ("Windows",),
}


def __getattr__(name: str):
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
