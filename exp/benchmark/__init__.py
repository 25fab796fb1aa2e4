"""Experiments on labelled series: single runs, suites of many series, and summaries of their results."""
