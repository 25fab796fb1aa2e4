import csv
import io
import json
import subprocess
import sys

import pytest

from exp.benchmark.runs import find_runs
from exp.benchmark.summary import format_summary, summarise
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY


def add_run(folder, auc="0.78,0.3", **info):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info))
    if auc:
        (folder / "_auc.csv").write_text(f"AUC_ROC,AUC_PR\n{auc}\n")


@pytest.fixture
def results(tmp_path):
    """Four seeds of MSL of which one failed and one lacks a figure, a dataset that failed, and UCR."""
    root = tmp_path / "test_results"
    for seed, auc in ((2021, "0.76,0.3"), (2022, "0.80,"), (2023, "0.78,0.2")):
        add_run(root / "MSL" / f"seed_{seed}", auc, dataset="MSL", model="CrossAD", seed=seed)
    add_run(root / "MSL" / "seed_2024", "", dataset="MSL", model="CrossAD", seed=2024, error="loss is NaN")
    add_run(root / "SWAT" / "results_0", "", dataset="SWAT", model="CrossAD", status="failed")
    (root / "MSL" / "seed_2021" / "_best_f1.csv").write_text(
        "thre_best,ACC_best,P_best,R_best,F1_best\n0.5,0.9,0.3,0.4,0.35\n"
    )
    (root / "UCR").mkdir()
    (root / "UCR" / "ucr.csv").write_text(
        "name,topk,total_len,alpha_quantile,3_alpha,10_alpha\na,1,100,0.01,True,True\nb,9,100,0.09,False,True\n"
    )
    (root / "UCR" / "not_counted.csv").write_text("name,status,reason\nc,failed,file is empty\n")
    return root


def run_command(*arguments):
    command = [sys.executable, "-m", "exp.summary", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_means_say_over_how_many_and_what_is_missing(results):
    rows, problems = summarise(find_runs(results))
    by_metric = {(row.dataset, row.metric): row for row in rows}
    roc = by_metric["MSL", "AUC_ROC"]
    assert roc.mean == pytest.approx(0.78)
    assert roc.deviation == pytest.approx(0.02)
    assert roc.runs == (3, 4)
    assert roc.published == pytest.approx(0.78391179)
    assert by_metric["MSL", "AUC_PR"].mean == pytest.approx(0.25)
    assert by_metric["MSL", "AUC_PR"].runs == (2, 4)
    assert by_metric["MSL", "F1_best"].runs == (1, 4)
    assert by_metric["MSL", "F1_best"].deviation is None
    assert by_metric["SWAT", ""].runs == (0, 1)
    accuracy = by_metric["UCR", "accuracy_at_3_percent"]
    assert (accuracy.mean, accuracy.runs, accuracy.series) == (0.5, (1, 1), (2, 3))
    assert accuracy.published == 0.744
    best = "ACC_best, P_best, R_best, F1_best"
    assert problems == {
        ("MSL", "CrossAD"): [
            "MSL/seed_2022 (seed 2022): undefined: AUC_PR",
            f"MSL/seed_2022 (seed 2022): not computed: {best}",
            f"MSL/seed_2023 (seed 2023): not computed: {best}",
            "MSL/seed_2024 (seed 2024): failed: loss is NaN",
        ],
        ("SWAT", "CrossAD"): ["SWAT/results_0: failed: no reason given"],
        ("UCR", ""): ["UCR: c: failed: file is empty"],
    }


def test_series_of_several_seeds_are_added_up(tmp_path):
    for seed, rows in ((1, "a,0.1\nb,0.3\n"), (2, "a,0.4\nb,\n")):
        folder = tmp_path / f"seed_{seed}"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"dataset": "UCR", "model": "CrossAD", "seed": seed}))
        (folder / "ucr.csv").write_text("name,alpha_quantile\n" + rows)
    ((row,), _) = summarise(find_runs(tmp_path))
    assert row.mean == pytest.approx(0.3)
    assert row.deviation == pytest.approx(0.1 * 2**0.5)
    assert (row.runs, row.series) == ((2, 2), (3, 4))


def test_other_models_are_not_compared_with_the_published_figures(tmp_path):
    add_run(tmp_path / "a", dataset="MSL", model="CrossAD")
    add_run(tmp_path / "b", dataset="MSL", model="MIXAD")
    rows, _ = summarise(find_runs(tmp_path))
    assert [(row.model, row.published is not None) for row in rows] == [
        ("CrossAD", True),
        ("CrossAD", True),
        ("MIXAD", False),
        ("MIXAD", False),
    ]


def test_text_marks_oracle_figures_and_lists_the_missing(results):
    outcome = run_command(results)
    assert outcome.returncode == 0
    assert outcome.stderr == ""
    lines = outcome.stdout.split("\n")
    (f1,) = [line for line in lines if " F1_best" in line and "missing" not in line]
    assert f1.split() == [
        "MSL",
        "CrossAD",
        "F1_best",
        "0.3500",
        "1",
        "of",
        "4",
        "0.3380",
        "+0.0120",
        "oracle",
    ]
    assert "oracle: threshold chosen with the labels" in lines
    assert "missing in MSL CrossAD: MSL/seed_2024 (seed 2024): failed: loss is NaN" in lines
    assert "missing in UCR: UCR: c: failed: file is empty" in lines


def test_csv_holds_numbers_and_the_missing_runs(results, tmp_path):
    out = tmp_path / "summary.csv"
    assert run_command(results, "--format", "csv", "--out", out).stdout == ""
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    roc = rows[0]
    assert (roc["dataset"], roc["metric"], roc["runs"], roc["runs_total"]) == ("MSL", "AUC_ROC", "3", "4")
    assert float(roc["mean"]) - float(roc["published"]) == pytest.approx(float(roc["difference"]))
    assert "failed: loss is NaN" in roc["missing"]
    (swat,) = [row for row in rows if row["dataset"] == "SWAT"]
    assert (swat["mean"], swat["runs"], swat["missing"]) == (
        "",
        "0",
        "SWAT/results_0: failed: no reason given",
    )
    assert {path.name for path in tmp_path.iterdir()} == {"summary.csv", "test_results"}


@pytest.mark.parametrize(("kind", "start"), [("markdown", "| dataset | model |"), ("latex", "% needs")])
def test_other_formats(results, kind, start):
    text = format_summary(*summarise(find_runs(results)), kind)
    assert text.startswith(start)
    assert "oracle: threshold chosen with the labels" in text
    assert "failed: loss is NaN" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "absent is not a folder"),
        ([ROOT / "ts_ad_evaluation"], "no run below"),
        ([], "the following arguments are required: folder"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(arguments, message):
    outcome = run_command(*arguments)
    assert outcome.returncode == 2
    assert message in outcome.stderr.splitlines()[-1]
    assert "Traceback" not in outcome.stderr


def test_missing_folder_of_the_output_is_reported(results, tmp_path):
    outcome = run_command(results, "--out", tmp_path / "absent" / "table.txt")
    assert outcome.returncode == 2
    assert "table.txt cannot be written: there is no folder" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
