"""Atomic file writing, and output that any terminal can show."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it replaces `path`.

    Parameters
    ----------
    path : str or Path
        The file to write.

    Yields
    ------
    Path
        Write here. If the block raises, this file is removed and `path` stays as it was.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist.
    IsADirectoryError
        When a folder has that name.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "greeting.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("hello")
    >>> target.read_text()
    'hello'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} cannot be written: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} cannot be written: it is a folder")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_in_any_encoding() -> None:
    """Print a question mark for characters that the terminal's encoding lacks, instead of crashing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a replacement stream may have no encoding
            stream.reconfigure(errors="replace")
