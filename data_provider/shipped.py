"""Files of the repository that are installed with the packages: configurations, lists of series, an included series.

In a clone, and where the clone is installed with ``pip install -e``, they stand where they always do; a wheel brings
copies of them.
"""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parent
CLONE = PACKAGE.parent
ROOT = CLONE if (CLONE / "pyproject.toml").is_file() else PACKAGE
CONFIGS = ROOT / "configs"
DATASET = ROOT / "dataset"
DEFAULT_ROOT = Path("dataset")  # below the folder in which a program is started


def find_series(root: Path, file: str) -> Path:
    """Return the path of a series: below `root`, or the installed copy.

    Parameters
    ----------
    root : Path
        Folder of the datasets. Only for the programs' default the installed copy is taken; a folder that somebody
        names must hold the series.
    file : str
        Path of the series below it.
    """
    path = Path(root) / file
    installed = DATASET / file
    if path.exists() or Path(root) != DEFAULT_ROOT or not installed.is_file():
        return path
    logger.info("%s: there is none here, taking the installed copy %s", path, installed)
    return installed
