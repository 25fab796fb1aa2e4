"""Experiments: the only package that uses data, models and measures."""
