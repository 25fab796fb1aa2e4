"""The programs: one module for each, and what they share."""
