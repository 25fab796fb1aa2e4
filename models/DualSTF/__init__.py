"""Dual-STF: dual-pathway semantic–temporal fusion for time-series anomaly detection."""

from .config import DualSTFConfig
from .dual_stf import DualSTF, DualSTFOutput
from .suggest import suggest

__all__ = ["DualSTF", "DualSTFConfig", "DualSTFOutput", "suggest"]
