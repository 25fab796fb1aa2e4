"""The one exception for unusable data."""


class DataError(ValueError):
    """Unusable data; the message is one line that names the file, the place in it and the remedy."""
