"""Series that grow: a stream on arrays, and lines of text in and out."""

from exp.streaming.clock import Clock, Verdict
from exp.streaming.stream import MODES, StreamingDetector, StreamScores

__all__ = ["MODES", "Clock", "StreamScores", "StreamingDetector", "Verdict"]
