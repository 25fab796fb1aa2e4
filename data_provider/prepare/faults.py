"""Faults of a source, told apart from those of the folder that is written."""

from collections.abc import Iterator
from contextlib import contextmanager

from data_provider.errors import DataError


class SourceError(DataError):
    """The source is incomplete, damaged or another version: another copy of it may be sound."""


class MissingPackage(DataError):
    """A package that is needed for a kind of file is not installed."""


@contextmanager
def faults_of_source() -> Iterator[None]:
    """Turn the block's `DataError` into a `SourceError` with the same text."""
    try:
        yield
    except (SourceError, MissingPackage):
        raise
    except DataError as error:
        raise SourceError(str(error)) from error
