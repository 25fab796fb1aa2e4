from pathlib import Path

import pytest

from data_provider import shipped
from data_provider.shipped import find_series
from tests.support.paths import REPOSITORY

SERIES = "UCR_Anomaly_FullData/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"


def test_in_a_clone_the_clones_files_are_meant():
    assert shipped.CONFIGS == REPOSITORY / "configs"
    assert shipped.DATASET == REPOSITORY / "dataset"


@pytest.mark.parametrize(
    ("root", "file", "installed"),
    [
        ("dataset", SERIES, True),
        ("dataset", "UCR_Anomaly_FullData/none.txt", False),
        ("my_data", SERIES, False),  # a folder that somebody names must hold it
        ("dataset", "", False),
    ],
)
def test_an_embedded_series_is_found_outside_the_clone(root, file, installed, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        found = find_series(Path(root), file)
    assert found == (shipped.DATASET / file if installed else Path(root) / file)
    assert bool(caplog.messages) == installed


def test_a_series_that_is_there_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("dataset") / SERIES
    path.parent.mkdir(parents=True)
    path.write_text("1 2 3")
    assert find_series(Path("dataset"), SERIES) == path
