"""The datasets that can be prepared, what is expected of each, and how one is prepared."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from data_provider.errors import DataError
from data_provider.prepare.archives import ARCHIVES, unpack
from data_provider.prepare.detect_meta import add_line
from data_provider.prepare.neurips_ts import read_neurips_ts
from data_provider.prepare.psm import read_psm
from data_provider.prepare.smd import read_smd
from data_provider.prepare.staging import install, staging
from data_provider.prepare.swat import read_swat
from data_provider.prepare.telemanom import read_telemanom
from data_provider.read.long_csv import write_long_csv
from data_provider.series import Series


class Multivariate(NamedTuple):
    """Reader of a multivariate dataset's source, and what the benchmark's version of it holds."""

    read: Callable[[str, Path], Series]  # from the dataset's name and the source's folder
    channels: int
    train_rows: int
    test_rows: int
    anomalous: float  # percent of the test rows, to one decimal


MULTIVARIATE = {
    "SMD": Multivariate(read_smd, 38, 708_405, 708_420, 4.2),
    "MSL": Multivariate(read_telemanom, 55, 58_317, 73_729, 10.5),
    "SMAP": Multivariate(read_telemanom, 25, 135_183, 427_617, 12.8),
    "SWAT": Multivariate(read_swat, 51, 495_000, 449_919, 12.1),
    "PSM": Multivariate(read_psm, 25, 132_481, 87_841, 27.8),
    "GECCO": Multivariate(read_neurips_ts, 9, 69_260, 69_261, 1.1),
    "SWAN": Multivariate(read_neurips_ts, 38, 60_000, 60_000, 32.6),
}
NAMES = (*MULTIVARIATE, *ARCHIVES)


def prepare(name: str, source: Path, out: Path) -> str:
    """Read a dataset's source, check it, and write it below `out`.

    Files that are there with the same content stay as they are. A failure leaves nothing new behind.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    source : Path
        Folder of the unpacked source; for an archive of series the zip file, or the folder that it lies in.
    out : Path
        Folder with DETECT_META.csv and data/; made where it is missing.

    Returns
    -------
    str
        What was found and written, in two lines.

    Raises
    ------
    DataError
        When the source is incomplete, damaged or of another version; names the file and the remedy.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: not a folder: name one with --out")
    return _prepare_series(name, source, out) if name in ARCHIVES else _prepare_table(name, source, out)


def _prepare_table(name, source, out):
    dataset = MULTIVARIATE[name]
    series = dataset.read(name, source)
    summary = _check(series, source, dataset)
    with staging(out) as stage:
        path = stage / "data" / f"{name}.csv"
        path.parent.mkdir()
        write_long_csv(path, series)
        add_line(out / "DETECT_META.csv", stage / "DETECT_META.csv", path.name, dataset.train_rows)
        changed = install(stage, out)
    return _report(name, summary, out / "data" / path.name, changed)


def _prepare_series(name, source, out):
    archive = ARCHIVES[name]
    with staging(out) as stage:
        count = unpack(archive, source, stage / archive.folder)
        changed = install(stage, out)
    return _report(name, f"{count} series", out / archive.folder, changed)


def _check(series: Series, source: Path, dataset: Multivariate) -> str:
    percent = 100 * float(series.test_label.mean())
    figures = {
        "channels": (len(series.channels), dataset.channels),
        "training rows": (len(series.train), dataset.train_rows),
        "test rows": (len(series.test), dataset.test_rows),
        "% of the test rows anomalous": (round(percent, 1), dataset.anomalous),
    }
    # The expected share is rounded, so its last digit may differ by one.
    wrong = [
        f"{found} {what} where {expected} are expected"
        for what, (found, expected) in figures.items()
        if abs(found - expected) > (0.11 if isinstance(expected, float) else 0)
    ]
    if wrong:
        raise DataError(
            f"{source}: {series.name} has {', '.join(wrong)}: the source is incomplete or another version, get it again"
        )
    return ", ".join(f"{found} {what}" for what, (found, _) in figures.items())


def _report(name, summary, target, changed):
    return f"{name}: {summary}\n{target}: {'written' if changed else 'done already, nothing changed'}"
