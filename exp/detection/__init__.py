"""The detector: arrays in, scores, events and thresholds out."""
