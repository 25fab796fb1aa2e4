"""CrossAD: cross-scale associations for time-series anomaly detection."""

from .config import CrossADConfig
from .crossad import CrossAD, CrossADOutput
from .suggest import suggest

__all__ = ["CrossAD", "CrossADConfig", "CrossADOutput", "suggest"]
