import csv
import io
import json

import pytest

from exp.benchmark.runs import find_runs
from exp.benchmark.summary import Row, format_summary, summarise
from tests.support.command_line import run_program
from tests.support.paths import REPOSITORY

ROOT = REPOSITORY


def add_run(folder, auc="0.78,0.3", **info):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(info))
    if auc:
        (folder / "_auc.csv").write_text(f"AUC_ROC,AUC_PR\n{auc}\n")


@pytest.fixture
def results(tmp_path):
    """Four seeds of MSL, of which one failed and one lacks a value, a dataset that failed, and UCR."""
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
    return run_program("-m", "exp.summary", *arguments)


def test_means_say_over_how_many_and_what_is_missing(results):
    rows, problems = summarise(find_runs(results))
    by_metric = {(row.dataset, row.metric): row for row in rows}
    roc = by_metric["MSL", "AUC_ROC"]
    assert roc.mean == pytest.approx(0.78)
    assert roc.std == pytest.approx(0.02)
    assert roc.runs == (3, 4)
    assert roc.published == pytest.approx(0.78391179)
    assert by_metric["MSL", "AUC_PR"].mean == pytest.approx(0.25)
    assert by_metric["MSL", "AUC_PR"].runs == (2, 4)
    assert by_metric["MSL", "F1_best"].runs == (1, 4)
    assert by_metric["MSL", "F1_best"].std is None
    assert by_metric["SWAT", ""].runs == (0, 1)
    accuracy = by_metric["UCR", "accuracy_at_3_percent"]
    assert (accuracy.mean, accuracy.runs, accuracy.series) == (0.5, (1, 1), (2, 3))
    assert accuracy.published == 0.744
    best = "ACC_best, P_best, R_best, F1_best"
    assert problems == {
        ("MSL", "CrossAD", ""): [
            "MSL/seed_2022 (seed 2022): undefined: AUC_PR",
            f"MSL/seed_2022 (seed 2022): not computed: {best}",
            f"MSL/seed_2023 (seed 2023): not computed: {best}",
            "MSL/seed_2024 (seed 2024): failed: loss is NaN",
        ],
        ("SWAT", "CrossAD", ""): ["SWAT/results_0: failed: no reason given"],
        ("UCR", "", ""): ["UCR: c: failed: file is empty"],
    }


def test_series_of_several_seeds_are_added_up(tmp_path):
    for seed, rows in ((1, "a,0.1\nb,0.3\n"), (2, "a,0.4\nb,\n")):
        folder = tmp_path / f"seed_{seed}"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps({"dataset": "UCR", "model": "CrossAD", "seed": seed}))
        (folder / "ucr.csv").write_text("name,alpha_quantile\n" + rows)
    ((row,), _) = summarise(find_runs(tmp_path))
    assert row.mean == pytest.approx(0.3)
    assert row.std == pytest.approx(0.1 * 2**0.5)
    assert (row.runs, row.series) == ((2, 2), (3, 4))


def test_series_of_a_seed_without_any_result_count(tmp_path):
    """Every series of one seed, or of the only one, has failed."""
    for folder, rows in (("A/seed_1", "a,0.1\nb,0.3\n"), ("A/seed_2", ""), ("B", "")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "ucr.csv").write_text("name,alpha_quantile\n" + rows)
        lost = "" if rows else "a,failed,empty\nb,failed,empty\n"
        (tmp_path / folder / "not_counted.csv").write_text("name,status,reason\n" + lost)
    rows, _ = summarise(find_runs(tmp_path))
    assert [(row.dataset, row.runs, row.series) for row in rows] == [("A", (1, 2), (2, 4)), ("B", (0, 1), (0, 2))]


def test_runs_that_were_stopped_early_are_said(tmp_path):
    add_run(tmp_path / "a", dataset="MSL", model="CrossAD", seed=1, stopped="after 6 epochs, when the time was up")
    add_run(tmp_path / "b", dataset="MSL", model="CrossAD", seed=2)
    rows, problems = summarise(find_runs(tmp_path))
    assert [row.stopped for row in rows] == [1, 1]
    for kind in ("text", "csv", "markdown"):
        assert format_summary(rows, problems, kind).count("1 of 2 runs stopped early") == 2


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


UCR_HEADER = "name,topk,total_len,alpha_quantile,3_alpha,10_alpha\n"
TSB_HEADER = "file,Time,AUC-PR,VUS-PR\n"


def add_sweep(folder, table, text, *, model="", seed=2025, **settings):
    """Write a sweep's table and, if its model is given, the record of its one series."""
    seeded = folder.parent if folder.name.startswith("seed_") else folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / table).write_text(text)
    if model:
        series = seeded / "series" / "a" / f"seed_{seed}"
        add_run(
            *(series, ""),
            dataset=seeded.parent.name if seeded.name == model else seeded.name,
            model=model,
            seed=seed,
            config={"data": {"file": "a"}, "model": {"name": model, **settings}, "train": {"seed": seed}},
        )
        (series / "result.json").write_text("{}")


def rows_by_model(root):
    rows, _ = summarise(find_runs(root))
    return {(row.dataset, row.model, row.configuration, row.metric): row for row in rows}


def test_each_detector_of_a_sweep_has_its_rows(tmp_path):
    add_sweep(tmp_path / "UCR", "ucr.csv", UCR_HEADER + "a,1,100,0.01,True,True\n", model="CrossAD")
    add_sweep(tmp_path / "UCR" / "MIXAD", "ucr.csv", UCR_HEADER + "a,9,100,0.5,False,False\n", model="MIXAD")
    add_sweep(tmp_path / "UCR" / "DualSTF", "ucr.csv", UCR_HEADER + "a,9,100,0.3,False,False\n")
    add_sweep(tmp_path / "TSB-AD-U", "CrossAD.csv", TSB_HEADER + "x.csv,1,0.2,0.3\n", model="CrossAD")
    add_sweep(tmp_path / "TSB-AD-U" / "DualSTF", "DualSTF.csv", TSB_HEADER + "x.csv,1,0.6,0.7\n", model="DualSTF")
    (tmp_path / "TSB-AD-U" / "Sub_PCA.csv").write_text(TSB_HEADER + "x.csv,1,0.4,0.5\n")
    rows = rows_by_model(tmp_path)
    means = {
        **{
            ("UCR", name, "", "mean_alpha_quantile"): mean
            for name, mean in {"CrossAD": 0.01, "MIXAD": 0.5, "DualSTF": 0.3}.items()
        },
        **{
            ("TSB-AD-U", name, "", "VUS-PR"): mean
            for name, mean in {"CrossAD": 0.3, "DualSTF": 0.7, "Sub_PCA": 0.5}.items()
        },
    }
    assert {key: rows[key].mean for key in means} == means
    assert {key[:2] for key in rows} == {key[:2] for key in means}
    assert all(row.runs == (1, 1) for row in rows.values())
    compared = {key[1] for key, row in rows.items() if row.published is not None}
    assert compared == {"CrossAD"}


@pytest.mark.parametrize("below", ["", "UCR", "UCR/MIXAD"])
def test_a_sweep_has_the_same_names_from_every_folder(tmp_path, below):
    add_sweep(tmp_path / "UCR" / "MIXAD", "ucr.csv", UCR_HEADER + "a,9,100,0.5,False,False\n", model="MIXAD")
    assert {key[:2] for key in rows_by_model(tmp_path / below)} == {("UCR", "MIXAD")}


def test_configurations_are_not_averaged_and_seeds_are(tmp_path):
    """Two seeds of one configuration and one of another, in a sweep and as runs."""
    for place, topk, seed, value in (("a", 3, 1, 0.1), ("a", 3, 2, 0.3), ("b", 5, 1, 0.9)):
        config = {"model": {"name": "CrossAD", "topk": topk}, "train": {"seed": seed}, "evaluation": {"window": 100}}
        info = {"dataset": "MSL", "model": "CrossAD", "seed": seed, "config": config}
        add_run(tmp_path / "runs" / place / f"seed_{seed}", f"{value},{value}", **info)
        table = UCR_HEADER + f"a,9,100,{value},False,False\n"
        add_sweep(tmp_path / place / "UCR" / f"seed_{seed}", "ucr.csv", table, model="CrossAD", seed=seed, topk=topk)
    rows = rows_by_model(tmp_path)
    for dataset, metric in (("MSL", "AUC_ROC"), ("UCR", "mean_alpha_quantile")):
        found = {key[2]: row for key, row in rows.items() if key[0] == dataset and key[3] == metric}
        assert {name: row.mean for name, row in found.items()} == pytest.approx(
            {"model.topk=3": 0.2, "model.topk=5": 0.9}
        )
        assert [row.runs for row in found.values()] == [(2, 2), (1, 1)]
    text = run_command(tmp_path).stdout
    assert "configuration" in text.splitlines()[0]
    assert "model.topk=5" in text


@pytest.mark.parametrize("kind", ["text", "csv", "markdown"])
def test_long_configurations_stand_below_the_table(kind):
    texts = ["a.b=1", f"a.b={list(range(30))}", "", f"a.c={list(range(30))}"]
    rows = [Row("TOY", "CrossAD", text, "AUC_PR", 0.5, None, (1, 1), None, None) for text in texts]
    text = format_summary(rows, {}, kind)
    table, _, below = text.partition("configuration (1)")
    if kind == "csv":
        assert below == ""
        assert [row["configuration"] for row in csv.DictReader(io.StringIO(text))] == texts
        return
    assert max(map(len, table.splitlines())) < 120
    assert "a.b=1 " in table
    assert f"{texts[1]}\n" in below
    assert f"configuration (2): {texts[3]}\n" in below
    assert [line.count("(1)") + 2 * line.count("(2)") for line in table.splitlines()[2:6]] == [0, 1, 0, 2]


def test_the_window_of_a_measure_is_a_configuration(tmp_path):
    for window in (30, 100):
        add_run(tmp_path / str(window), dataset="MSL", model="CrossAD", config={"evaluation": {"window": window}})
    assert {key[2] for key in rows_by_model(tmp_path)} == {"evaluation.window=30", "evaluation.window=100"}


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
        (["absent", "--format", "text"], "error: absent"),
        ([], "the following arguments are required: FOLDER"),
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
