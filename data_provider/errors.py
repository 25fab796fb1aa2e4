"""The one exception for unusable data, and how its messages name columns."""

from collections.abc import Sequence

LISTED = 5  # columns that a message names


class DataError(ValueError):
    """Unusable data; the message is one line that names the file, the place in it and the remedy."""


def listed(names: Sequence[str]) -> str:
    """Return the first names, in quotes, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more
