"""Readers of the benchmarks' formats, and of recordings in any form."""
