"""Files that appear whole or not at all, and output that any terminal can show."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it takes the place of `path`.

    Parameters
    ----------
    path : str or Path
        The file to write.

    Yields
    ------
    Path
        Write here. When the block raises, this file is removed and `path` stays as it was.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist.
    IsADirectoryError
        When there is a folder of that name.

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
    """Replace characters that the terminal's encoding lacks by a question mark; they would end the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what stands in for a stream may have no encoding
            stream.reconfigure(errors="replace")
