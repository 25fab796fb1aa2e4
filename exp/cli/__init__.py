"""The programs: one module each, and what they share."""

__version__ = "1.0.0"
