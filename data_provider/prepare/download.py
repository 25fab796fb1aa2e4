"""Fetches a dataset's source: mirror after mirror, each file once, resuming interrupted downloads."""

import importlib.util
import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from data_provider.errors import DataError
from data_provider.prepare.archives import DAMAGE
from data_provider.prepare.faults import SourceError
from data_provider.prepare.publishers import ON_REQUEST, Mirror, Remote, mirrors
from data_provider.prepare.sources import GUIDE

logger = logging.getLogger(__name__)

T = TypeVar("T")
ATTEMPTS = 4  # for one file, while the server keeps breaking off
PAUSE = 2.0  # seconds before the second attempt; two and three times as long before the next ones
TIMEOUT = (20, 60)  # seconds until the server answers, and between two chunks
PIECE = 1 << 14  # bytes; the most that an interruption can lose
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


def default_cache() -> Path:
    """Return the user's folder in which downloads are kept."""
    return Path(pooch.os_cache("crossad"))


def download(name: str, servers: Sequence[str], cache: Path, use: Callable[[Path], T]) -> T:
    """Fetch a dataset's source from the first mirror with valid files, and return the result of `use`.

    Parameters
    ----------
    name : str
        Name of the dataset.
    servers : sequence of str
        Fetch only these servers' files; if empty, everything.
    cache : Path
        Files stay there, so they are fetched only once. Those that turn out to be faulty are removed.
    use : callable
        Takes the source's folder; raises `SourceError` if its files are faulty.

    Raises
    ------
    DataError
        When the dataset is available on request only, or no mirror provides valid files.
    """
    if name in ON_REQUEST:
        raise DataError(f"{name} cannot be downloaded: {ON_REQUEST[name]} ({GUIDE})")
    failures = []
    for mirror in mirrors(name, servers):
        if mirror.package is not None and importlib.util.find_spec(mirror.package) is None:
            package = mirror.package
            failures.append(f"{_host(mirror.files[0])}: needs the package {package}: pip install {package}")
            continue
        try:
            return _use(mirror, cache / mirror.folder, use)
        except SourceError as error:
            failures.append(str(error))
            logger.info("%s", error)
    raise DataError(
        f"{name} cannot be downloaded: {'; '.join(failures)}: try again later, or fetch it yourself and name its "
        f"folder with --source ({GUIDE})"
    )


def _use(mirror, folder, use):
    """Fetch and use a mirror's files; fetch them once more if those kept from an earlier run are faulty."""
    kept = any((folder / file.place).exists() for file in mirror.files)
    try:
        return use(_fetch(mirror, folder))
    except _Unavailable:
        raise
    except SourceError:
        _discard(mirror, folder)
        if not kept:
            raise
    logger.info("%s: the files kept there are faulty and are fetched again", folder)
    try:
        return use(_fetch(mirror, folder))
    except SourceError:
        _discard(mirror, folder)
        raise


class _Unavailable(SourceError):
    """A file that the mirror does not provide; those already fetched are kept."""


def _discard(mirror, folder):
    for file in mirror.files:
        (folder / file.place).unlink(missing_ok=True)
        shutil.rmtree(_unpacked(folder / file.place), ignore_errors=True)


def _fetch(mirror: Mirror, folder: Path) -> Path:
    """Return the folder with all files of a mirror, after fetching the missing ones."""
    for file in tqdm(mirror.files, f"fetching from {_host(mirror.files[0])}", unit="file", disable=None):
        path = _fetch_file(file, folder)
        if mirror.unpacked and path.suffix == ".zip":
            _unpack(path)
    return folder


def _fetch_file(file: Remote, folder: Path) -> Path:
    path = folder / file.place
    pooch.get_logger().setLevel(logging.WARNING)  # progress is reported here instead
    if not path.exists():
        logger.info("fetching %s", file.address)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(file.address, file.digest, file.place, folder, downloader=_Resuming(path))
    except requests.RequestException as error:
        raise _Unavailable(f"{file.address}: {_reason(error)}") from error
    except ValueError as error:  # pooch's error for the digest
        raise _Unavailable(
            f"{file.address}: its content does not match the publisher's digest ({file.digest})"
        ) from error
    except OSError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be written: {reason}; name another folder with --cache") from error
    return path


def _reason(error):
    """Describe briefly why a request failed."""
    if error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    cause = getattr(error.args[0], "reason", error) if error.args else error  # after urllib3's count of its attempts
    text = " ".join(str(cause).split())
    return re.sub(r"^\w+\(host=.*?\): ", "", text) or type(error).__name__


class _Resuming:
    """Downloader for pooch that keeps an interrupted download next to `path` and resumes it.

    It requests the rest on the condition that the file is unchanged, so bytes of two versions never mix.
    """

    def __init__(self, path: Path):
        self.part = path.with_name(path.name + ".part")
        self.mark = path.with_name(path.name + ".part.mark")  # says which version the partial file belongs to

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetch `url` into `output_file`."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._go_on(url)
                break
            except BROKEN:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE * attempt)
        os.replace(self.part, output_file)
        self.mark.unlink(missing_ok=True)

    def _go_on(self, url):
        have = self.part.stat().st_size if self.part.exists() and self.mark.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # so that lengths refer to the file itself
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self.mark.read_text(encoding="latin-1")}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self.mark.unlink()
                raise requests.ConnectionError("the partial download does not match the file")
            response.raise_for_status()
            resumed = response.status_code == requests.codes.partial_content
            if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self.mark.unlink()
                raise requests.ConnectionError("the server sent a different part of the file than requested")
            # If it is compressed in transit despite the request, lengths and offsets are not those of the file.
            packed = response.headers.get("Content-Encoding", "identity") != "identity"
            self._note_version({} if packed else response.headers)
            length = None if packed else response.headers.get("Content-Length")
            self._write(response, have if resumed else 0, length)

    def _note_version(self, headers):
        mark = headers.get("ETag", "")
        if not mark or mark.startswith("W/"):  # a weak tag does not guarantee identical bytes
            mark = headers.get("Last-Modified", "")
        if mark:
            self.mark.write_text(mark, encoding="latin-1")
        else:
            self.mark.unlink(missing_ok=True)

    def _write(self, response, have, length):
        total = have + int(length) if length else None
        bar = tqdm(total=total, initial=have, desc=self.part.stem, unit="B", unit_scale=True, leave=False, disable=None)
        with bar, open(self.part, "ab" if have else "wb") as file:
            for piece in response.iter_content(PIECE):
                file.write(piece)
                bar.update(len(piece))
            size = file.tell()
        if total is not None and size != total:
            raise requests.ConnectionError(f"the connection was lost after {size} of {total} bytes")


def _unpacked(path):
    return path.with_suffix("")


def _unpack(path):
    """Unpack a zip file into a folder next to it, completely or not at all."""
    target = _unpacked(path)
    if target.exists():
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(path) as package:
            package.extractall(temporary)  # never writes outside that folder, whatever the members are called
        os.replace(temporary, target)
    except DAMAGE as error:
        reason = " ".join(str(error).split())
        raise SourceError(f"{path}: truncated, or not a valid zip file: {reason}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _host(file):
    return urlsplit(file.address).hostname
