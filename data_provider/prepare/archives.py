"""UCR and TSB-AD-U: zip files of which the benchmark's series are unpacked and read once."""

import csv
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from tqdm import tqdm

from data_provider.errors import DataError
from data_provider.prepare.sources import GUIDE
from data_provider.read.dataset import read_tsb_ad, read_ucr
from data_provider.series import Series

# What zipfile raises for a truncated or damaged file, or one that it cannot unpack.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, UnicodeDecodeError, NotImplementedError)
CONFIGS = Path(__file__).parents[2] / "configs"


class Archive(NamedTuple):
    """An archive of series."""

    folder: str  # where they go, below the folder of all data
    series: Path  # the benchmark's list of them, column `name`
    read: Callable[[Path], Series]


ARCHIVES = {
    "UCR": Archive("UCR_Anomaly_FullData", CONFIGS / "UCR" / "settings.csv", read_ucr),
    "TSB-AD-U": Archive("TSB-AD-U", CONFIGS / "TSB-AD-U" / "settings.csv", read_tsb_ad),
}


def unpack(archive: Archive, source: Path, target: Path) -> int:
    """Unpack the benchmark's series into the new folder `target`, whatever folders they have in the zip file.

    Returns
    -------
    int
        How many there are.

    Raises
    ------
    DataError
        When there is no zip file, it is damaged or holds paths outside of it, or a series is missing or faulty.
    """
    path = _find_zip(source)
    with open(archive.series, encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    target.mkdir()
    for series, content in _read_members(path, names):
        (target / series).write_bytes(content)
        _check(archive, path, target / series)
    return len(names)


def _find_zip(source):
    if source.is_file():
        return source
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder; name the zip file ({GUIDE})")
    paths = sorted(source.glob("*.zip"))
    if len(paths) != 1:
        raise DataError(f"{source}: {len(paths)} zip files in it, where one must be: name the zip file ({GUIDE})")
    return paths[0]


def _read_members(path, names):
    """Yield each of the wanted names with its content."""
    try:
        with zipfile.ZipFile(path) as package:
            members = _choose(path, package.infolist(), names)
            for name in tqdm(names, f"unpacking {path.name}", unit="file", disable=None):
                yield name, package.read(members[name])
    except DAMAGE as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: truncated, or not a sound zip file: {reason}; get it again ({GUIDE})") from error


def _choose(path, members, names):
    """Return the wanted members by name, after a look at all of them."""
    wanted, chosen = set(names), {}
    for member in members:
        if _leads_outside(member):
            raise DataError(f"{path}: holds '{member.filename}', which leads outside of it: get it from its publisher")
        name = PurePosixPath(member.filename).name
        if name not in wanted or member.is_dir():
            continue
        if member.flag_bits & 1:
            raise DataError(f"{path}: '{member.filename}' needs a password: unpack it and zip its files without one")
        if name in chosen and chosen[name].CRC != member.CRC:
            raise DataError(f"{path}: holds two different files {name}: get it from its publisher ({GUIDE})")
        chosen[name] = member
    missing = [name for name in names if name not in chosen]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{path}: of {len(names)} series it lacks {missing[0]}{others}: get it again ({GUIDE})")
    return chosen


def _leads_outside(member):
    windows = PureWindowsPath(member.filename)  # takes both kinds of slashes
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return bool(windows.anchor) or ".." in windows.parts or is_link


def _check(archive, path, series):
    try:
        archive.read(series)
    except DataError as error:
        fault = str(error).removeprefix(f"{series}: ")
        raise DataError(f"{path}: {series.name}: {fault}") from error
