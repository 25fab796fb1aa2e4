import json

import numpy as np
import pytest

from data_provider import Series
from data_provider.read.long_csv import write_long_csv
from exp.benchmark.run_folder import RunFolder
from exp.detection.events import ranked_events
from exp.report.__main__ import main
from exp.report.folder import QUANTILE, RISK, read_folder
from tests.support.command_line import TRAIN_ROWS, values
from tests.support.report_cases import description, text_of
from ts_ad_evaluation import spot_threshold

N = 400


@pytest.fixture
def folder(tmp_path):
    """A run of a detector that is not in this repository: only scores and labels."""
    folder = RunFolder(tmp_path / "run")
    folder.make()
    random = np.random.default_rng(0)
    label = np.zeros(N, dtype=np.uint8)
    label[300:320] = 1
    folder.save_array(folder.test_score, (random.exponential(size=(N, 1)) + 5 * label[:, None]).astype(np.float32))
    folder.save_array(folder.label, label)
    return folder


def test_a_run_with_its_data(finished):
    contents = read_folder(finished.results, finished.root)
    record = RunFolder(finished.results).read_record()
    score = np.load(finished.results / "a_test_energy.npy")
    n = len(score)
    np.testing.assert_array_equal(contents.values, values()[0][TRAIN_ROWS : TRAIN_ROWS + n])
    np.testing.assert_array_equal(contents.label, values()[1][TRAIN_ROWS : TRAIN_ROWS + n])
    np.testing.assert_array_equal(contents.score, score.mean(axis=1))
    assert contents.channels == ("a", "b")
    assert contents.epochs == record["epochs"]
    assert list(contents.measures) == ["auc", "r_auc", "vus", "best_f1"]
    assert contents.notes == ["Only the first 120 of 130 test points were scored."]
    assert contents.facts["seed"] == "2025"
    assert "seq_len 24" in contents.facts["settings: model"]
    expected = ranked_events(contents.score, score, contents.threshold, merge_gap=6, channels=("a", "b"))
    assert contents.events.equals(expected)


def test_the_program_writes_the_page(finished, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main([str(finished.results), "--root_path", str(finished.root), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    page = out.read_text(encoding="utf-8")
    assert "TOY · CrossAD" in text_of(page)
    assert description(page)["n"] == 120


def test_without_the_dataset_the_page_says_so(copied, tmp_path, capsys):
    assert main([str(copied.results), "--root_path", str(tmp_path / "nowhere")]) == 0
    page = (copied.results / "report.html").read_text(encoding="utf-8")
    assert "The data is not available" in text_of(page)
    assert f"{tmp_path / 'nowhere'}: no such folder" in text_of(page)
    assert capsys.readouterr().out == f"{copied.results / 'report.html'}\n"


def test_a_dataset_that_has_changed_is_not_shown(copied):
    points, label = values()
    points[TRAIN_ROWS + 5, 1] += 1
    write(copied, points, label)
    contents = read_folder(copied.results, copied.root)
    assert contents.values is None
    assert contents.channels == ("channel 0", "channel 1")
    assert contents.notes == [f"The data is not available: the test values of TOY in {copied.root} have changed since."]


def test_labels_that_have_changed_are_told(copied):
    points, label = values()
    label[-80] = 0
    write(copied, points, label)
    contents = read_folder(copied.results, copied.root)
    np.testing.assert_array_equal(contents.label, np.load(copied.results / "a_gt.npy"))
    assert contents.values is not None
    assert contents.notes[0].startswith(f"The labels of TOY in {copied.root} have changed since")


def test_a_folder_of_an_earlier_version(copied):
    """It does not record what was scored, so different labels mean different data."""
    folder = RunFolder(copied.results)
    folder.update_record(scored_with=None, trained_on=None, labels=None)
    assert read_folder(copied.results, copied.root).values is not None
    folder.save_array(folder.label, np.roll(folder.load_array(folder.label), 1))
    contents = read_folder(copied.results, copied.root)
    assert contents.values is None
    assert "is not what was scored" in contents.notes[0]


def write(place, points, label):
    train, test = points[:TRAIN_ROWS], points[TRAIN_ROWS:]
    write_long_csv(place.csv, Series("TOY", train, test, label[TRAIN_ROWS:], ("a", "b")))


def test_a_run_of_another_detector(folder, tmp_path):
    contents = read_folder(folder.path, tmp_path)
    score = np.load(folder.test_score)
    np.testing.assert_array_equal(contents.channel_scores, score)
    assert contents.values is None
    assert contents.title == "run"
    assert contents.facts.keys() == {"threshold"}


def test_scores_of_one_dimension(folder, tmp_path):
    score = np.load(folder.test_score)[:, 0]
    folder.save_array(folder.test_score, score)
    np.testing.assert_array_equal(read_folder(folder.path, tmp_path).score, score)


def test_the_threshold_of_the_smallest_risk(folder, tmp_path):
    (folder.path / "_spot_thres_info.csv").write_text("hyper-parameter,threshold\n0.1,2.5\n0.001,6.25\n0.01,4.0\n")
    contents = read_folder(folder.path, tmp_path)
    assert contents.threshold == 6.25
    assert contents.facts["threshold"] == "6.25, by SPOT for the risk 0.001"


def test_the_threshold_of_a_share(folder, tmp_path):
    (folder.path / "_prior_anomaly_rate_thres_info.csv").write_text("hyper-parameter,threshold\n0.02,3.5\n")
    assert read_folder(folder.path, tmp_path).facts["threshold"] == "3.5, above which a share of 0.02 is expected"


def test_a_threshold_by_spot_where_the_training_part_was_scored(folder, tmp_path):
    train = np.random.default_rng(1).exponential(size=(2000, 1)).astype(np.float32)
    folder.save_array(folder.train_score, train)
    contents = read_folder(folder.path, tmp_path)
    assert contents.threshold == spot_threshold(train[:, 0], contents.score, risk=RISK).threshold
    assert "by SPOT for the risk 0.001" in contents.facts["threshold"]


@pytest.mark.parametrize("train", [None, np.ones((2000, 1))])
def test_else_the_quantile_of_the_scores(folder, tmp_path, train):
    if train is not None:
        folder.save_array(folder.train_score, train)
    contents = read_folder(folder.path, tmp_path)
    assert contents.threshold == pytest.approx(np.quantile(contents.score, QUANTILE))
    assert "the 99% quantile of these scores" in contents.facts["threshold"]


def no_folder(path):
    return path.parent / "nowhere", "no such folder"


def no_scores(path):
    (path / "a_test_energy.npy").unlink()
    return path, "a_test_energy.npy: no such file"


def own_series(path):
    (path / "run.json").write_text(json.dumps({"trained_on": "the first 100 points"}))
    (path / "events.csv").write_text("rank,start,end\n")
    return path, f"have their page: open {path / 'report.html'}"


def several_own_series(path):
    (path / "a").mkdir()
    (path / "a" / "events.csv").write_text("rank,start,end\n")
    return path, f"for several files, each with its page: open {path / 'a' / 'report.html'}"


def no_arrays(path):
    (path / "a_gt.npy").unlink()
    return path, "no scores of a benchmark run, a_gt.npy and others: name another folder, or make them: python run.py"


def damaged_scores(path):
    (path / "a_test_energy.npy").write_bytes(b"\x93NUMPY damaged")
    return path, "a_test_energy.npy: damaged"


def text_as_scores(path):
    np.save(path / "a_test_energy.npy", np.array([["1"]] * N))
    return path, "a_test_energy.npy: damaged"


def infinite_scores(path):
    np.save(path / "a_test_energy.npy", np.full((N, 1), np.inf))
    return path, "a_test_energy.npy: damaged"


def other_labels(path):
    np.save(path / "a_gt.npy", np.full(N, 2))
    return path, "a_gt.npy: damaged"


def fewer_labels(path):
    np.save(path / "a_gt.npy", np.zeros(N - 1))
    return path, f"{N} scores but {N - 1} labels"


def damaged_record(path):
    (path / "run.json").write_text("{")
    return path, "run.json: damaged"


def other_settings(path):
    (path / "run.json").write_text(json.dumps({"config": {"data": 3}}))
    return path, "run.json: damaged"


def other_epochs(path):
    (path / "run.json").write_text(json.dumps({"epochs": [{"epoch": 1}]}))
    return path, "run.json: damaged"


def empty_measure(path):
    (path / "_auc.csv").write_text("")
    return path, "_auc.csv: damaged"


def damaged_threshold(path):
    (path / "_spot_thres_info.csv").write_text("threshold\nhigh\n")
    return path, "_spot_thres_info.csv: damaged"


FAULTS = [
    no_folder,
    no_scores,
    own_series,
    several_own_series,
    no_arrays,
    damaged_scores,
    text_as_scores,
    infinite_scores,
    other_labels,
    fewer_labels,
    damaged_record,
    other_settings,
    other_epochs,
    empty_measure,
    damaged_threshold,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_folder_is_one_line(folder, tmp_path, capsys, fault):
    path, says = fault(folder.path)
    before = sorted(tmp_path.rglob("*"))
    assert main([str(path), "--root_path", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert says in line
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("out", "says"), [("", "is a folder"), ("nowhere/page.html", "there is no folder")])
def test_a_page_that_cannot_be_written_is_one_line(folder, tmp_path, capsys, out, says):
    assert main([str(folder.path), "--out", str(tmp_path / out)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert says in line
