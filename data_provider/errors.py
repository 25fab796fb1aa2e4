"""The one exception for data that cannot be used."""


class DataError(ValueError):
    """Data that cannot be used; one line that names the file, the place in it and the remedy."""
