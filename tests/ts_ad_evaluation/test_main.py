import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests.support.command_line import run_program
from tests.support.paths import REPOSITORY
from ts_ad_evaluation.auc import auc
from ts_ad_evaluation.evaluator import Evaluator
from ts_ad_evaluation.f1 import f1_raw
from ts_ad_evaluation.range_auc import vus

ROOT = REPOSITORY


def run_command(*arguments):
    return run_program("-m", "ts_ad_evaluation", *arguments)


def run_anew(*arguments, **variables):
    """Run it in a process that shares nothing with this one, with some variables of the environment."""
    command = [sys.executable, "-m", "ts_ad_evaluation", *map(str, arguments)]
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(11)
    label = np.zeros(3_000, dtype=int)
    label[500:540] = label[1_200:1_205] = label[2_900:] = 1
    return label, np.abs(rng.standard_normal(3_000)) + label, np.abs(rng.standard_normal(4_000))


@pytest.fixture(scope="module")
def files(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    label, score, init_score = arrays
    np.save(folder / "label.npy", label)
    np.save(folder / "channels.npy", np.stack([score - 1, score + 1], axis=1))
    np.savez(folder / "scores.npz", score=score, init_score=init_score)
    pd.DataFrame({"label": label, "score": score}).to_csv(folder / "both.csv", index=False)
    np.save(folder / "words.npy", np.array(["normal", "anomaly"]))
    np.save(folder / "empty.npy", np.array([]))
    np.save(folder / "nan.npy", np.array([0.0, np.nan]))
    (folder / "wrong.csv").write_text("label\n0\n2\n")
    return folder


def rows_of(text):
    """The table on the terminal as {(measure, column): the cells after them}."""
    lines = text.split("\n\n")[0].split("\n")[2:]
    return {tuple(line.split()[:2]): line.split()[2:] for line in lines}


@pytest.mark.parametrize(("label", "score"), [("label.npy", "scores.npz:score"), ("both.csv:label", "both.csv:score")])
def test_table_of_the_default_measures(arrays, files, label, score):
    outcome = run_command("--label", files / label, "--score", files / score)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    rows = rows_of(outcome.stdout)
    assert float(rows["auc", "AUC_ROC"][0]) == pytest.approx(auc(*arrays[:2]).roc, abs=1e-6)
    assert rows["vus", "VUS_PR"][1:] == ["rule", "of", "2024,", "window", "100"]
    assert rows["best_f1", "F1_best"][2] == "oracle:"
    assert not any(measure.startswith("f1_") or measure == "best_f1_pa" for measure, _ in rows)
    assert outcome.stdout.endswith("\n3000 points, 145 of them anomalous, in 3 events\n")


def test_channels_are_averaged_and_it_says_so(arrays, files):
    places = ("--label", files / "label.npy", "--score", files / "channels.npy")
    outcome = run_command(*places, "--metrics", "auc")
    assert float(rows_of(outcome.stdout)["auc", "AUC_PR"][0]) == pytest.approx(auc(*arrays[:2]).pr, abs=1e-6)
    assert outcome.stderr == f"--score {files / 'channels.npy'}: averaged over 2 channels\n"


def test_window_and_rule_of_vus(arrays, files):
    places = ("--label", files / "label.npy", "--score", files / "scores.npz:score")
    outcome = run_command(*places, "--metrics", "vus", "--window", 20, "--vus-rule", 2022)
    volume = vus(*arrays[:2], window=20, rule="2022")
    value, *note = rows_of(outcome.stdout)["vus_2022", "VUS_2022_PR"]
    assert float(value) == pytest.approx(volume.pr, abs=1e-6)
    assert " ".join(note) == "rule of 2022, window 20"


def test_files_on_request(arrays, files, tmp_path):
    out = tmp_path / "new" / "folder"
    outcome = run_anew(
        *("--label", files / "label.npy", "--score", files / "scores.npz:score", "--metrics", "auc", "f1_raw"),
        *("--thresholds", 1.5, 2, "--out", out, "--json", tmp_path / "new" / "all.json"),
        *("--figure", "scores", "histogram", "curves", "vus_surface", "--figure-format", "pdf", "--events", 0, 2),
        *("--series", files / "channels.npy"),
        MPLCONFIGDIR=tmp_path / "matplotlib",  # as the first time, when it looks for the fonts
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    drawn = {f"{name}.pdf" for name in ("scores", "histogram", "curves", "vus_surface")}
    assert {path.name for path in out.iterdir()} == {"_auc.csv", "_f1_raw.csv"} | drawn

    expected = Evaluator(*arrays[:2], None).evaluate(["f1_raw"], verbose=False, f1_raw=[1.5, 2])["f1_raw"]
    pd.testing.assert_frame_equal(pd.read_csv(out / "_f1_raw.csv"), expected)
    document = json.loads((tmp_path / "new" / "all.json").read_text())
    assert (document["points"], document["anomalous_points"], document["events"]) == (3000, 145, 3)
    found = [entry for entry in document["results"] if entry["column"] == "F1_raw"]
    assert [entry["threshold"] for entry in found] == [1.5, 2]
    assert found[1]["value"] == pytest.approx(f1_raw(*arrays[:2], 2).f1)
    assert found[1]["note"] == "given"


def test_spot_finds_the_thresholds(arrays, files, tmp_path):
    label, score, init_score = arrays
    (threshold,) = Evaluator(label, score, None).find_thres(method="spot", init_score=init_score, q=[0.01])
    outcome = run_command(
        *("--label", files / "label.npy", "--score", files / "scores.npz:score", "--metrics", "f1_raw"),
        *("--init-score", files / "scores.npz:init_score", "--risk", 0.01, "--out", tmp_path / "out"),
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    value, shown, *note = rows_of(outcome.stdout)["f1_raw", "F1_raw"]
    assert float(value) == pytest.approx(f1_raw(label, score, threshold).f1, abs=1e-6)
    assert float(shown) == pytest.approx(threshold, rel=1e-5)
    assert note == ["spot", "0.01"]
    assert (tmp_path / "out" / "_spot_thres_info.csv").is_file()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_is_no_matter_of_a_mark(tmp_path, mark):
    """Six points, with the second-lowest score for the anomaly, and a first line that is data."""
    (tmp_path / "label.csv").write_text(mark + "1\n0\n0\n0\n1\n0\n", encoding="utf-8")
    (tmp_path / "score.csv").write_text(mark + ".1\n.2\n.3\n.4\n.9\n.5\n", encoding="utf-8")
    outcome = run_command("--label", tmp_path / "label.csv", "--score", tmp_path / "score.csv", "--metrics", "auc")
    assert outcome.returncode == 0
    assert float(rows_of(outcome.stdout)["auc", "AUC_ROC"][0]) == 0.5
    assert outcome.stdout.endswith("\n6 points, 2 of them anomalous, in 2 events\n")
    assert outcome.stderr.splitlines() == [
        f"{tmp_path}/{name}.csv: the first line, {first}, is read as data: the file has no header"
        for name, first in (("label", "1"), ("score", ".1"))
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--score", "absent.npy"], "absent.npy: no such file"),
        (["--label", "{}/wrong.csv"], "wrong.csv: label must hold only 0 and 1, found 2.0 at index 1"),
        (["--score", "{}/scores.npz"], "contains several arrays (score, init_score)"),
        (["--score", "{}/scores.npz:init_score"], "--label and --score differ in length: 3000 and 4000"),
        (["--label", "{}/words.npy"], "words.npy holds text, 'normal' at index 0: save numbers"),
        (["--label", "{}/empty.npy"], "empty.npy: label is empty"),
        (["--score", "{}/nan.npy"], "nan.npy: score holds NaN or infinity, first at index 1"),
        (["--label", "{}/channels.npy"], "label must be one-dimensional"),
        (["--metrics", "f1_raw"], "f1_raw needs thresholds: give --thresholds, or --init-score"),
        (["--risk", "0.1"], "--risk is for SPOT and needs --init-score"),
        (["--figure", "scores"], "--figure needs --out"),
        (["--events", "1"], "--series and --events need --figure scores"),
        (["--metrics", "auc", "--thresholds", "1"], "--thresholds has no effect: it applies to f1_raw, f1_pa, "),
        (
            ["--metrics", "auc", "--init-score", "{}/scores.npz:init_score"],
            "--init-score has no effect: it applies to f1_raw",
        ),
        (
            ["--metrics", "pate", "--window", "0"],
            "--window has no effect: it applies to r_auc, vus, vus_2022, none of which",
        ),
        (["--metrics", "r_auc", "--vus-rule", "2022"], "--vus-rule has no effect: it applies to vus, none of which"),
        (["--figure-format", "pdf"], "--figure-format has no effect without --figure"),
        (["--window", "-1"], "window must be"),
        (["--metrics", "auk"], "invalid choice: 'auk'"),
        (["--figure", "scores", "--events", "9", "--out", "{}/out"], "there is no event 9: the label has 3"),
        (["--figure", "scores", "--series", "{}/scores.npz:init_score", "--out", "{}/out"], "series and score differ"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(files, arguments, message):
    places = ["--label", files / "label.npy", "--score", files / "scores.npz:score"]
    outcome = run_command(*places, *(argument.format(files) for argument in arguments))
    assert outcome.returncode == 2
    assert message in outcome.stderr.splitlines()[-1]
    assert "Traceback" not in outcome.stderr
    assert outcome.stdout == ""
    assert not list(files.glob("out/*"))


@pytest.mark.parametrize(
    ("init_score", "says"),
    [
        (np.arange(50.0), ["SPOT needs at least 51 initial scores, got 50", "quantile", "--thresholds"]),
        (np.ones(200), ["too many are equal", "quantile", "--thresholds"]),
    ],
)
def test_scores_that_spot_cannot_start_from(files, tmp_path, init_score, says):
    np.save(tmp_path / "init.npy", init_score)
    places = ["--label", files / "label.npy", "--score", files / "scores.npz:score"]
    outcome = run_command(*places, "--init-score", tmp_path / "init.npy", "--out", tmp_path / "out")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    for text in [f"--init-score {tmp_path / 'init.npy'}: ", *says]:
        assert text in line
    assert not (tmp_path / "out").exists()
