"""A self-contained interactive page of scores, events and measures."""

from exp.report.page import Report, write_report

__all__ = ["Report", "write_report"]
