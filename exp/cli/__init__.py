"""The programs: one module for each, and what they share."""

__version__ = "1.0.0"
