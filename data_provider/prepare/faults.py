"""Faults of a source, as opposed to those of the folder that is written to."""

from collections.abc import Iterator
from contextlib import contextmanager

from data_provider.errors import DataError


class SourceError(DataError):
    """The source is incomplete, damaged or another version: another copy of it may be valid."""


class MissingPackage(DataError):
    """A package that a file format needs is not installed."""


@contextmanager
def faults_of_source() -> Iterator[None]:
    """Turn the block's `DataError` into a `SourceError` with the same message."""
    try:
        yield
    except (SourceError, MissingPackage):
        raise
    except DataError as error:
        raise SourceError(str(error)) from error
