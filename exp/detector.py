"""The estimator under its short name: `from exp.detector import CrossADDetector`."""

from exp.detection.estimator import CrossADDetector

__all__ = ["CrossADDetector"]
