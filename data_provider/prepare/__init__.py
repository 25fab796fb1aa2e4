"""The files that the datasets' publishers provide → the files that the readers accept."""

from data_provider.prepare.datasets import NAMES, prepare

__all__ = ["NAMES", "prepare"]
