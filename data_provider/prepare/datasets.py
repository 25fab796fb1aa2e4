"""The datasets that can be prepared, what is expected of each, and how one is prepared."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from data_provider.errors import DataError
from data_provider.prepare import smd
from data_provider.prepare.archives import ARCHIVES, unpack
from data_provider.prepare.arrays import read_npz
from data_provider.prepare.detect_meta import add_lines
from data_provider.prepare.faults import faults_of_source
from data_provider.prepare.neurips_ts import read_gecco, read_neurips_ts
from data_provider.prepare.psm import read_psm
from data_provider.prepare.servers import ALL, FAMILIES, check_servers, present_servers, read_events
from data_provider.prepare.sources import find
from data_provider.prepare.staging import install, staging
from data_provider.prepare.swat import read_swat
from data_provider.prepare.telemanom import read_telemanom
from data_provider.read.long_csv import write_long_csv
from data_provider.series import Series


class Multivariate(NamedTuple):
    """Reader of a multivariate dataset's source, and what the benchmark's version of it contains."""

    read: Callable[[str, Path], Series]  # called with the dataset's name and the source's folder
    channels: int
    train_rows: int | None  # None: not checked
    test_rows: int
    anomalous: float | None  # percentage of the test rows, to one decimal; None: not checked


MULTIVARIATE = {
    "SMD": Multivariate(smd.read_smd, smd.CHANNELS, 708_405, 708_420, 4.2),
    "MSL": Multivariate(read_telemanom, 55, 58_317, 73_729, 10.5),
    "SMAP": Multivariate(read_telemanom, 25, 135_183, 427_617, 12.8),
    "SWAT": Multivariate(read_swat, 51, 495_000, 449_919, 12.1),
    "PSM": Multivariate(read_psm, 25, 132_481, 87_841, 27.8),
    "GECCO": Multivariate(read_gecco, 9, 69_260, 69_261, 1.1),
    "SWAN": Multivariate(read_neurips_ts, 38, 60_000, 60_000, 32.6),
}
NAMES = tuple(dict.fromkeys((*MULTIVARIATE, *FAMILIES, *ARCHIVES)))


def check_request(name: str, out: Path, servers: Sequence[str] = ()) -> None:
    """Check the request to `prepare` before its source is available.

    Raises
    ------
    DataError
        When `out` is not a folder, or `servers` do not belong to the dataset.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: not a folder: name one with --out")
    if servers:
        check_servers(name, servers)


def prepare(name: str, source: Path, out: Path, servers: Sequence[str] = ()) -> str:
    """Read a dataset's source, check it, and write it below `out`.

    Existing files with the same content stay as they are. A failure leaves nothing new behind.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    source : Path
        Folder of the unpacked source; for an archive of series, the zip file or its folder. A
        multivariate dataset or server may also be a file NAME.npz, or a folder that contains it.
    out : Path
        Folder with DETECT_META.csv and data/; created if it is missing.
    servers : sequence of str
        Servers of the dataset, each to become a separate dataset, or "all" for those in the source. Empty: the
        whole dataset as one; for ASD, which has no such form, all.

    Returns
    -------
    str
        What was found and written, one line each.

    Raises
    ------
    SourceError
        When the source is incomplete, damaged or another version; names the file and the remedy.
    DataError
        When the request or the content of `out` is faulty.
    """
    check_request(name, out, servers)
    if name in ARCHIVES:
        return _prepare_series(name, source, out)
    if servers or name not in MULTIVARIATE:
        return _prepare_servers(name, source, out, list(servers) or [ALL])
    return _prepare_table(name, source, out)


def _prepare_table(name, source, out):
    dataset = MULTIVARIATE[name]
    with faults_of_source():
        series = _read(name, source, dataset)
        summary = _check(series, source, dataset)
    with staging(out) as stage:
        path = stage / "data" / f"{name}.csv"
        path.parent.mkdir()
        write_long_csv(path, series)
        add_lines(out / "DETECT_META.csv", stage / "DETECT_META.csv", {path.name: len(series.train)})
        changed = install(stage, out)
    return _report(name, summary, out / "data" / path.name, changed)


def _prepare_servers(name, source, out, servers):
    family = FAMILIES[name]
    with faults_of_source():
        chosen = present_servers(name, source) if servers == [ALL] and not source.is_file() else servers
    if source.is_file() and (chosen == [ALL] or len(chosen) > 1):
        raise DataError(
            f"{source}: a file contains one server: say which with --server, or name a folder with --source"
        )
    train_rows = {}
    with staging(out) as stage:
        (stage / "data").mkdir()
        for server in chosen:
            dataset = Multivariate(family.read, family.channels, *family.rows[server], anomalous=None)
            with faults_of_source():
                series = _read(server, source, dataset)
                _check(series, source, dataset)
                events = None if source.is_file() else read_events(name, server, source)
            write_long_csv(stage / "data" / f"{server}.csv", series)
            train_rows[f"{server}.csv"] = len(series.train)
            if events is not None:
                path = stage / "data" / "interpretation_label" / f"{server}.txt"
                path.parent.mkdir(exist_ok=True)
                path.write_text(events, encoding="utf-8")
        add_lines(out / "DETECT_META.csv", stage / "DETECT_META.csv", train_rows)
        changed = install(stage, out)
    return _report_servers(name, chosen, train_rows, out / "data", changed, everything=servers == [ALL])


def _report_servers(name, chosen, train_rows, folder, changed, everything):
    rows = ", ".join(f"{Path(file).stem} ({count} training rows)" for file, count in train_rows.items())
    lacking = [server for server in FAMILIES[name].rows if server not in chosen] if everything else []
    missing = f"; the source lacks {', '.join(lacking)}" if lacking else ""
    return _report(name, f"{rows}{missing}", folder, changed)


def _prepare_series(name, source, out):
    archive = ARCHIVES[name]
    target = out / archive.folder
    with staging(out) as stage:
        with faults_of_source():
            found = unpack(archive, source, stage / archive.folder)
        missing = [series for series in found.missing if not (target / series).is_file()]
        changed = install(stage, out)
    summary = f"{found.count} series" if found.count == found.total else f"{found.count} of {found.total} series"
    if missing:
        summary += f"; {target} still lacks {len(missing)}: {_numbers(missing)}"
    return _report(name, summary, target, changed)


def _numbers(series):
    """Return the numbers that the names start with, runs of them as first–last."""
    numbers = [int(name.split("_")[0]) for name in series]
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]:03d}" if len(run) == 1 else f"{run[0]:03d}–{run[-1]:03d}" for run in runs)


def _read(name, source, dataset):
    """Read NAME.npz if the source is or contains it, else the publisher's files."""
    if source.is_file() and source.suffix == ".npz":
        return read_npz(name, source)
    path = find(source, f"{name}.npz")
    return dataset.read(name, source) if path is None else read_npz(name, path)


def _check(series: Series, source: Path, dataset: Multivariate) -> str:
    percent = 100 * float(series.test_label.mean())
    counts = {
        "channels": (len(series.channels), dataset.channels),
        "training rows": (len(series.train), dataset.train_rows),
        "test rows": (len(series.test), dataset.test_rows),
        "% of the test rows anomalous": (round(percent, 1), dataset.anomalous),
    }
    # The expected share is rounded, so its last digit may differ by one.
    wrong = [
        f"{found} {what} instead of {expected}"
        for what, (found, expected) in counts.items()
        if expected is not None and abs(found - expected) > (0.11 if isinstance(expected, float) else 0)
    ]
    if wrong:
        raise DataError(
            f"{source}: {series.name} has {', '.join(wrong)}: the source is incomplete or another version: replace it"
        )
    return ", ".join(f"{found} {what}" for what, (found, _) in counts.items())


def _report(name, summary, target, changed):
    return f"{name}: {summary}\n{target}: {'written' if changed else 'already done, nothing changed'}"
