"""What to do about a missing dataset file: the command that creates it."""

import re
import shlex
from pathlib import Path

# Datasets and servers that data_provider.prepare creates, by the names of their files.
TABLES = ("SMD", "MSL", "SMAP", "SWAT", "PSM", "GECCO", "SWAN")
SERVERS = {"SMD": re.compile(r"machine-[1-3]-\d{1,2}"), "ASD": re.compile(r"omi-\d{1,2}")}
ON_REQUEST = ("SWAT",)  # cannot be downloaded
FOLDERS = {"UCR_Anomaly_FullData": "UCR", "TSB-AD-U": "TSB-AD-U"}
COMMAND = "python -m data_provider.prepare"


def prepare_command(name: str, root: Path = Path("dataset")) -> str | None:
    """Return the command that creates root/data/NAME.csv, or None if `name` is not one of the datasets.

    >>> prepare_command("machine-1-6", Path("elsewhere"))
    'python -m data_provider.prepare SMD --server machine-1-6 --download --out elsewhere'
    """
    if name in TABLES:
        source = "--source DIR" if name in ON_REQUEST else "--download"
        return f"{COMMAND} {name} {source}{_out(root)}"
    for family, form in SERVERS.items():
        if form.fullmatch(name):
            return f"{COMMAND} {family} --server {name} --download{_out(root)}"
    return None


def prepare_series_command(folder: Path) -> str | None:
    """Return the command that fills a `folder` of series, or None if it is not named after one of the archives.

    >>> prepare_series_command(Path("dataset/UCR_Anomaly_FullData"))
    'python -m data_provider.prepare UCR --download'
    """
    name = FOLDERS.get(folder.name)
    return None if name is None else f"{COMMAND} {name} --download{_out(folder.parent)}"


def _out(root):
    return "" if root == Path("dataset") else f" --out {shlex.quote(str(root))}"
