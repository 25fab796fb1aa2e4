"""The estimator under its short name: `from exp.detector import CrossADDetector`."""

from exp.detection.detector import CrossADDetector

__all__ = ["CrossADDetector"]
