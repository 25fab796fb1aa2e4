"""The estimators under their short names: `from exp.detector import CrossADDetector`."""

from exp.detection.estimator import AnomalyDetector, CrossADDetector

__all__ = ["AnomalyDetector", "CrossADDetector"]
