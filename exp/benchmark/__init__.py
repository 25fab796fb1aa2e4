"""Experiments on labelled series: one run, suites of many, and the summing up of their results."""
