"""MIXAD: memory-induced, explainable anomaly detection on graphs of channels."""

from .config import MIXADConfig
from .interpretation import rank_channels
from .mixad import MIXAD, MIXADOutput
from .suggest import suggest

__all__ = ["MIXAD", "MIXADConfig", "MIXADOutput", "rank_channels", "suggest"]
