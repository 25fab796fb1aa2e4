"""UCR and TSB-AD-U: zip files from which the benchmark's series are unpacked and read once."""

import csv
import filecmp
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

# What zipfile raises for a truncated or damaged file, or one it cannot unpack.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, UnicodeDecodeError, NotImplementedError)
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
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


class Unpacked(NamedTuple):
    """What an archive contained."""

    count: int  # series unpacked
    missing: list[str]  # number of the benchmark's series that it lacks
    total: int  # series of the benchmark


def unpack(archive: Archive, source: Path, target: Path) -> Unpacked:
    """Unpack the benchmark's series into the new folder `target`, whatever their folders in the zip file.

    If the folder `source` holds no zip file, the unpacked series in it are used.

    Raises
    ------
    DataError
        When there is no zip file, it is damaged or has paths that lead outside it, a series is faulty, or there is
        none.
    """
    with open(archive.series, encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    target.mkdir()
    unpacked = set()
    loose = _find_loose(source, names)
    path = source if loose else _find_zip(source)
    for series, content in _read_files(loose) if loose else _read_members(path, names):
        (target / series).write_bytes(content)
        _check(archive, path, target / series)
        unpacked.add(series)
    return Unpacked(len(unpacked), [name for name in names if name not in unpacked], len(names))


def _find_zip(source):
    if source.is_file():
        return source
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder; name the zip file ({GUIDE})")
    paths = sorted(source.glob("*.zip"))
    if len(paths) != 1:
        raise DataError(f"{source}: {len(paths)} zip files in it, expected one: name the zip file ({GUIDE})")
    return paths[0]


def _find_loose(source, names):
    """Return the files of the series below the folder `source`, by name; none if there is a zip file."""
    if not source.is_dir() or any(source.glob("*.zip")):
        return {}
    wanted, found = set(names), {}
    for path in sorted(source.rglob("*")):
        if path.name in wanted and path.is_file():
            if path.name in found and not filecmp.cmp(path, found[path.name], shallow=False):
                raise DataError(
                    f"{source}: {path} and {found[path.name]} differ: name the folder of one of them ({GUIDE})"
                )
            found[path.name] = path
    return {name: found[name] for name in names if name in found}


def _read_files(paths):
    for name, path in tqdm(paths.items(), "reading", unit="file", disable=None):
        yield name, path.read_bytes()


def _read_members(path, names):
    """Yield those of the wanted names that exist, each with its content."""
    try:
        with zipfile.ZipFile(path) as package:
            members = _choose(path, package.infolist(), names)
            _check_names(package)
            for name, member in tqdm(members.items(), f"unpacking {path.name}", unit="file", disable=None):
                yield name, package.read(member)
    except DAMAGE as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: truncated, or not a valid zip file: {reason}; download it again ({GUIDE})") from error


def _choose(path, members, names):
    """Return the wanted members that exist, by name, after checking all members."""
    wanted, chosen = set(names), {}
    for member in members:
        if _leads_outside(member):
            raise DataError(f"{path}: holds '{member.filename}', which leads outside it: get it from its publisher")
        name = PurePosixPath(member.filename).name
        if name not in wanted or member.is_dir():
            continue
        if member.flag_bits & 1:
            raise DataError(
                f"{path}: '{member.filename}' needs a password: unpack it and zip its files again without one"
            )
        if name in chosen and chosen[name].CRC != member.CRC:
            raise DataError(f"{path}: contains two different files {name}: get it from its publisher ({GUIDE})")
        chosen[name] = member
    if not chosen:
        raise DataError(f"{path}: contains none of the {len(names)} series, such as {names[0]}: name another ({GUIDE})")
    return {name: chosen[name] for name in names if name in chosen}


def _check_names(package):
    """Raise BadZipFile if a member has two names: a damaged one would look like a missing series."""
    for member in package.infolist():
        if member.compress_type in READABLE and not member.flag_bits & 1:
            package.open(member).close()


def _leads_outside(member):
    windows = PureWindowsPath(member.filename)  # accepts both kinds of slashes
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return bool(windows.anchor) or ".." in windows.parts or is_link


def _check(archive, path, series):
    try:
        archive.read(series)
    except DataError as error:
        fault = str(error).removeprefix(f"{series}: ")
        raise DataError(f"{path}: {series.name}: {fault}") from error
