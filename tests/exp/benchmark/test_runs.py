import json

import pytest

from exp.benchmark.runs import Value, find_runs
from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.evaluator import Evaluator

LABEL = [0, 0, 1, 1, 0, 0, 1, 0]
SCORE = [0.1, 0.4, 0.5, 0.8, 0.2, 0.3, 0.25, 0.0]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def only_run(root):
    (run,) = find_runs(root)
    return run


def test_run_json_names_the_run(tmp_path):
    folder = tmp_path / "anything" / "results_0"
    write(folder / "run.json", json.dumps({"dataset": "MSL", "model": "CrossAD", "seed": 7, "status": "done"}))
    write(folder / "_auc.csv", "AUC_ROC,AUC_PR\n0.75,0.5\n")
    run = only_run(tmp_path)
    assert (run.dataset, run.model, run.seed) == ("MSL", "CrossAD", "7")
    assert run.values == {"AUC_ROC": Value(0.75), "AUC_PR": Value(0.5)}
    assert run.problems == ()
    assert run.label() == "anything/results_0 (seed 7)"


def test_without_run_json_the_folder_names_the_dataset(tmp_path):
    write(tmp_path / "MSL" / "results_0" / "_auc.csv", "AUC_ROC,AUC_PR\n0.75,0.5\n")
    run = only_run(tmp_path)
    assert (run.dataset, run.model, run.seed) == ("MSL", "", "")
    assert only_run(tmp_path / "MSL" / "results_0").dataset == "results_0"


@pytest.mark.parametrize("merge", [False, True])
def test_reads_what_the_evaluator_writes(tmp_path, merge):
    evaluator = Evaluator(LABEL, SCORE, tmp_path / "MSL")
    metrics = ["auc", "best_f1", "best_f1_pa", "f1_raw", "accomplish_UCR"]
    tables = evaluator.evaluate(metrics, merge=merge, verbose=False, f1_raw=[0.2, 0.45])
    run = only_run(tmp_path)
    assert run.problems == ()
    assert run.values["AUC_PR"].number == pytest.approx(tables["auc"]["AUC_PR"].iloc[0])
    assert run.values["F1_best"].number == pytest.approx(tables["best_f1"]["F1_best"].iloc[0])
    assert run.values["F1_raw at 0.45"].number == pytest.approx(tables["f1_raw"]["F1_raw"].iloc[1])
    assert run.values["accuracy_at_10_percent"] == Value(0.0)
    assert not {"thre_best", "thre_best_PA", "thre_raw at 0.2", "topk", "total_len"} & set(run.values)


def test_thresholds_found_without_labels_are_called_by_their_parameter(tmp_path):
    write(tmp_path / "MSL" / "_spot_thres_info.csv", "hyper-parameter,threshold\n0.01,0.45\n")
    Evaluator(LABEL, SCORE, tmp_path / "MSL").evaluate(["f1_raw"], verbose=False, f1_raw=[0.2, 0.45])
    assert {"F1_raw at 0.2", "F1_raw at spot 0.01"} <= set(only_run(tmp_path).values)


def test_a_run_of_a_detector_on_own_series(tmp_path):
    """It is called by its model, whatever the folder's name, and its threshold is that of any other detector."""
    write(tmp_path / "first" / "run.json", '{"threshold": 0.45, "config": {"model": {"name": "PCA"}}}')
    Evaluator(LABEL, SCORE, tmp_path / "first").evaluate(["f1_raw"], verbose=False, f1_raw=[0.45])
    run = only_run(tmp_path)
    assert (run.dataset, run.model) == ("first", "PCA")
    assert "F1_raw at own threshold" in run.values


def test_failed_run_gives_no_figures_even_with_files_left(tmp_path):
    write(tmp_path / "MSL" / "run.json", '{"dataset": "MSL", "status": "failed", "error": "out of memory"}')
    write(tmp_path / "MSL" / "_auc.csv", "AUC_ROC,AUC_PR\n0.75,0.5\n")
    run = only_run(tmp_path)
    assert run.values == {}
    assert run.problems == ("failed: out of memory",)


def test_unfinished_run_is_no_result(tmp_path):
    write(tmp_path / "MSL" / "run.json", '{"dataset": "MSL", "status": "running"}')
    assert only_run(tmp_path).problems == ("no results, status running",)


def test_results_of_own_series_point_to_their_page(tmp_path):
    write(tmp_path / "mine" / "run.json", '{"config": {}}')
    write(tmp_path / "mine" / "events.csv", "rank,start,end\n")
    assert only_run(tmp_path).problems == ("no measures, as exp.detect had no labels: see its report.html",)


def test_undefined_figure_is_none(tmp_path):
    write(tmp_path / "MSL" / "_auc.csv", "AUC_ROC,AUC_PR\nnan,\n")
    assert only_run(tmp_path).values == {"AUC_ROC": Value(None), "AUC_PR": Value(None)}


def test_series_are_averaged_over_the_defined_ones(tmp_path):
    header = "name,topk,total_len,alpha_quantile,3_alpha,10_alpha\n"
    rows = "a,1,100,0.01,True,True\nb,5,100,0.05,False,True\nc,,,,,\n"
    write(tmp_path / "UCR" / "ucr.csv", header + rows)
    write(
        tmp_path / "UCR" / "not_counted.csv",
        "name,status,reason\nd,failed,file is empty\ne,undefined,no anomaly\nf,not run,\n"
        + "".join(f"{name},missing,not in X\n" for name in "ghijk"),
    )
    run = only_run(tmp_path)
    assert run.values == {
        "accuracy_at_3_percent": Value(0.5, 2, 11),
        "accuracy_at_10_percent": Value(1.0, 2, 11),
        "mean_alpha_quantile": Value(pytest.approx(0.03), 2, 11),
    }
    assert run.problems == (
        "c: undefined: 3_alpha, 10_alpha, alpha_quantile",
        "d: failed: file is empty",
        "e: undefined: no anomaly",
        "g, h, i and 2 more: missing: not in X",
        "1 series not finished",
    )


def test_table_without_any_figure_lists_its_series(tmp_path):
    write(tmp_path / "UCR" / "ucr.csv", "name,alpha_quantile\n")
    write(tmp_path / "UCR" / "not_counted.csv", "name,status,reason\na,failed,file is empty\n")
    run = only_run(tmp_path)
    assert run.values == {}
    assert run.problems == ("a: failed: file is empty",)


def test_table_of_series_stands_for_their_runs(tmp_path):
    table = "file,Time,AUC-PR,PA-F1\nx.csv,1,0.25,0.5\n"
    for seed in (1, 2):
        write(tmp_path / "TSB-AD-U" / f"seed_{seed}" / "CrossAD.csv", table)
        write(tmp_path / "TSB-AD-U" / "series" / "x" / f"seed_{seed}" / "run.json", "{}")
        write(tmp_path / "TSB-AD-U" / "series" / "x" / f"seed_{seed}" / "result.json", "{}")
    runs = find_runs(tmp_path)
    assert [(run.folder, run.dataset, run.seed) for run in runs] == [
        ("TSB-AD-U/seed_1", "TSB-AD-U", "1"),
        ("TSB-AD-U/seed_2", "TSB-AD-U", "2"),
    ]
    assert runs[0].values == {"AUC-PR": Value(0.25), "PA-F1": Value(0.5)}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("run.json", "{", "run.json is not valid JSON"),
        ("run.json", "[]", "run.json must hold an object"),
        ("_auc.csv", "", "_auc.csv has no rows"),
        ("_auc.csv", "AUC_ROC,AUC_PR\n1,2,3\n", "_auc.csv has rows with more cells"),
        ("_auc.csv", "AUC_ROC,AUC_PR\n1,high\n", "_auc.csv: AUC_PR holds 'high', which is not a number"),
        ("_auc.csv", b"\xff\xfe\x00", "_auc.csv is not a CSV file"),
        ("ucr.csv", "series,alpha_quantile\na,0.1\n", "ucr.csv needs the column name"),
        ("ucr.csv", "name,topk\na,1\n", "ucr.csv needs the column name and at least one measure"),
    ],
)
def test_what_cannot_be_read_is_a_problem_of_its_run(tmp_path, name, content, problem):
    (tmp_path / "MSL").mkdir()
    (tmp_path / "MSL" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    write(tmp_path / "SMD" / "_auc.csv", "AUC_ROC,AUC_PR\n0.75,0.5\n")
    broken, sound = find_runs(tmp_path)
    assert len(broken.problems) == 1
    assert problem in broken.problems[0]
    assert sound.problems == ()


def test_no_run_is_an_error(tmp_path):
    with pytest.raises(EvaluationError, match="no run below"):
        find_runs(tmp_path)
    with pytest.raises(EvaluationError, match="is not a folder"):
        find_runs(tmp_path / "absent")
