"""Single servers of the datasets that have many: each becomes a separate dataset, named after its server."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_provider.errors import DataError
from data_provider.prepare import asd, smd
from data_provider.prepare.sources import GUIDE, find
from data_provider.read.interpretation import FORM
from data_provider.series import Series

ALL = "all"


class Family(NamedTuple):
    """The servers of a dataset.

    Attributes
    ----------
    read : callable
        (server, source) → its series.
    has : callable
        (server, source) → whether any of its files exists.
    channels : int
    rows : mapping
        Server → rows of the training part, or None if they are not checked, and rows of the test part.
    end_included : bool
        Whether an event's end in interpretation_label/ is its last point; otherwise it is the point after.
    """

    read: Callable[[str, Path], Series]
    has: Callable[[str, Path], bool]
    channels: int
    rows: Mapping[str, tuple[int | None, int]]
    end_included: bool


FAMILIES = {
    "SMD": Family(smd.read_smd_server, smd.has_smd_server, smd.CHANNELS, smd.ROWS, end_included=False),
    "ASD": Family(asd.read_asd_server, asd.has_asd_server, asd.CHANNELS, asd.ROWS, end_included=True),
}


def check_servers(name: str, servers: Sequence[str]) -> None:
    """Check that `servers` are distinct servers of the dataset, or "all".

    Raises
    ------
    DataError
    """
    if name not in FAMILIES:
        raise DataError(
            f"--server: {name} is not a dataset of servers, only {' and '.join(FAMILIES)} are: leave it out"
        )
    known = FAMILIES[name].rows
    for server in servers:
        if server not in known and list(servers) != [ALL]:
            near = difflib.get_close_matches(server, known, n=3, cutoff=0)
            raise DataError(f"--server {server}: not a server of {name}, the nearest are {', '.join(near)}: correct it")
        if list(servers).count(server) > 1:
            raise DataError(f"--server {server}: servers must be unique: name it once")


def wanted_servers(name: str, servers: Sequence[str]) -> list[str]:
    """Return the named servers; for "all", those that the dataset has."""
    return list(FAMILIES[name].rows) if list(servers) == [ALL] else list(servers)


def present_servers(name: str, source: Path) -> list[str]:
    """Return those servers for which the source has files.

    Raises
    ------
    DataError
        When there are none.
    """
    family = FAMILIES[name]
    found = [server for server in family.rows if find(source, f"{server}.npz") or family.has(server, source)]
    if not found:
        raise DataError(f"{source}: has no server of {name}: name the folder of the source ({GUIDE})")
    return found


def read_events(name: str, server: str, source: Path) -> str | None:
    """Return what the source says about the channels behind a server's events, or None if it says nothing.

    Returns
    -------
    str
        Lines START-END:CHANNEL,…, as `data_provider.read.interpretation` reads them: END is the point after the last.

    Raises
    ------
    DataError
        When a line has another form.
    """
    folder = find(source, "interpretation_label")
    path = folder / f"{server}.txt" if folder else None
    if path is None or not path.is_file():
        path = find(source, f"{server}_interpretation_label.txt")
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}; download it again ({GUIDE})") from error
    for number, line in enumerate(lines, start=1):
        if line.strip() and not FORM.fullmatch(line):
            raise DataError(f"{path}: line {number} is not START-END:CHANNEL,CHANNEL,…: download it again ({GUIDE})")
    return "".join(_to_half_open(line, FAMILIES[name].end_included) + "\n" for line in lines if line.strip())


def _to_half_open(line, end_included):
    start, end, channels = re.split("[-:]", "".join(line.split()), maxsplit=2)
    return f"{start}-{int(end) + end_included}:{channels}"
