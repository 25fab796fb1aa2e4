"""AxonAD: attention queries as a process that can be predicted a few points ahead."""

from .axonad import AxonAD, AxonADOutput
from .config import AxonADConfig
from .suggest import suggest

__all__ = ["AxonAD", "AxonADConfig", "AxonADOutput", "suggest"]
