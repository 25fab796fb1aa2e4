"""What the publishers of the datasets hand out → the files that the readers take."""

from data_provider.prepare.datasets import NAMES, prepare

__all__ = ["NAMES", "prepare"]
