"""The study of own series: its list, its measures, and that it continues where it stopped."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import own_series
from benchmarks.study_series import GROUPS, PARTS, Entry, entries, read
from data_provider import DataError
from tests.support.paths import REPOSITORY, SHARED
from ts_ad_evaluation import f1_event

LISTED = entries(GROUPS, PARTS)


@pytest.fixture
def data(tmp_path):
    """Return a folder with two short series of ASD."""
    folder = tmp_path / "data" / "ASD"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("omi-1", "omi-5")):
        values = np.sin(np.arange(600)[:, None] / (3 + np.arange(2))).astype(np.float32)
        values += 0.1 * np.random.default_rng(seed).standard_normal(values.shape).astype(np.float32)
        values[450:460] += 3
        label = np.isin(np.arange(300, 600), np.arange(450, 460)).astype(np.int8)
        np.savez(folder / f"{name}.npz", train=values[:300], test=values[300:], test_label=label)
    return folder.parent


def test_no_series_is_chosen_on_and_reported():
    assert len(LISTED) == len(set(LISTED))
    for first in LISTED:
        same = [entry for entry in LISTED if entry.group == first.group and entry.source == first.source]
        assert len({entry.part for entry in same}) == 1
    ucr = [entry for entry in LISTED if "UCR" in entry.group.split("-") + entry.series.split("_")]
    chosen, reported = ({entry.source for entry in ucr if entry.part == part} for part in PARTS)
    assert len(chosen) > 123
    assert not chosen & reported


@pytest.mark.parametrize("group", GROUPS)
def test_the_series_are_what_the_list_says(group):
    if not (SHARED / "data" / "UCR_archive.zip").is_file():
        pytest.skip("needs the archives in ../shared/data")
    entry = next(entry for entry in LISTED if entry.group == group)
    series = read(SHARED / "data", entry)
    assert 0 < series.test_label.sum() < len(series.test_label) == len(series.test)
    if entry.train_rows is not None:
        assert len(series.train) == entry.train_rows
        np.testing.assert_array_equal(series.test[: entry.train_rows], series.train)
        first = int(entry.series.split("_1st_")[1])
        assert abs(int(series.test_label.argmax()) - first) <= 2  # TSB-AD counts from 1, or 0


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="ASD omi-1 is missing"):
        read(tmp_path, Entry("ASD", "omi-1", "choose", "omi-1", None))


@pytest.mark.parametrize("seed", range(5))
def test_the_best_event_f1_is_that_of_the_best_threshold(seed):
    random = np.random.default_rng(seed)
    label = np.repeat(random.integers(0, 2, 20), 5)
    label[0], label[-1] = 0, 1
    score = random.integers(0, 30, 100) / 7 + label * random.random()
    best = max(f1_event(label, score, threshold).f1 for threshold in [-1, *np.unique(score)[:-1]])
    assert own_series.best_event_f1(label, score) == pytest.approx(best)


def test_it_continues_where_it_stopped(data, tmp_path, capsys, monkeypatch):
    out, results = tmp_path / "out", tmp_path / "results.csv"
    command = ["--data", str(data), "--out", str(out), "--results", str(results), "--groups", "ASD"]
    command += ["--detectors", "PCA", "forest"]
    few = [entry for entry in LISTED if entry.series in ("omi-1", "omi-5") and entry.group == "ASD"]
    monkeypatch.setattr(own_series, "entries", lambda groups, parts: [entry for entry in few if entry.part in parts])
    own_series.main([*command, "--parts", "choose"])
    first = results.read_bytes()
    monkeypatch.setattr(own_series, "_registered", None)  # nothing of the first part is computed again
    monkeypatch.setattr(own_series, "_forest", None)
    own_series.main([*command, "--parts", "choose"])
    assert results.read_bytes() == first
    monkeypatch.undo()
    monkeypatch.setattr(own_series, "entries", lambda groups, parts: [entry for entry in few if entry.part in parts])
    own_series.main(command)
    table = pd.read_csv(results)
    assert table[["series", "part", "detector"]].to_numpy().tolist() == [
        ["omi-1", "choose", "PCA"], ["omi-1", "choose", "forest"],
        ["omi-5", "report", "PCA"], ["omi-5", "report", "forest"],
    ]  # fmt: skip
    found = table[table.detector == "PCA"]
    assert (found["rank"] == 1).all()
    assert (found["F1"] <= found["best_F1"] + 1e-4).all()
    assert "| ASD | 1 | PCA | " in capsys.readouterr().out
    own_series.main(["--results", str(results)])  # the tables alone
    assert "| ASD | 1 | forest | " in capsys.readouterr().out


@pytest.mark.parametrize("part", PARTS)
def test_the_page_has_the_committed_results(part):
    results = pd.read_csv(own_series.RESULTS, dtype={"series": str})
    page = (REPOSITORY / "docs" / "reproducing.md").read_text(encoding="utf-8")
    assert "\n".join(own_series.table_lines(results[results.part == part])) in page


def test_wrong_options(tmp_path, capsys):
    with pytest.raises(SystemExit):
        own_series.main(["--data", str(tmp_path)])
    assert "--data and --out belong together" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="no results yet"):
        own_series.main(["--results", str(tmp_path / "none.csv")])
