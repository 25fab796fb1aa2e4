"""Nearest: windows compared with the most similar ones of the training series."""

from .config import NearestConfig
from .nearest import Nearest, NearestOutput
from .suggest import suggest

__all__ = ["Nearest", "NearestConfig", "NearestOutput", "suggest"]
