"""The evaluator against golden tables; its files, its log and its errors."""

import logging

import numpy as np
import pandas as pd
import pytest

from tests.support.evaluation_cases import GOLDEN, UNDEFINED, golden_case
from ts_ad_evaluation import EvaluationError, Evaluator, vus

PLAIN = ["auc", "r_auc", "vus", "best_f1", "pate", "accomplish_UCR"]
THRESHOLDED = ["f1_raw", "f1_pa", "f1_r", "f1_event", "affiliation"]

LABEL = [0, 0, 1, 1, 0, 0, 0, 1]
SCORE = [0.1, 0.4, 0.35, 0.8, 0.2, 0.1, 0.3, 0.5]


@pytest.fixture
def case():
    return golden_case("close_events_buffers_overlap")


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_tables(name, tmp_path):
    label, score, expected = golden_case(name)
    thresholds = dict.fromkeys(THRESHOLDED, expected["thresholds"])
    tables = Evaluator(label, score, tmp_path).evaluate(PLAIN + THRESHOLDED, **thresholds)
    assert list(tables) == PLAIN + THRESHOLDED
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"_{metric}.csv" for metric in tables)
    for metric, table in tables.items():
        # The published file misspells one column.
        want = pd.DataFrame(expected[metric][metric]).rename(columns={"aplha_quantile": "alpha_quantile"})
        pd.testing.assert_frame_equal(table, want, rtol=1e-9, atol=0, check_dtype=False)
        written = pd.read_csv(tmp_path / f"_{metric}.csv", float_precision="round_trip")
        pd.testing.assert_frame_equal(written, table, rtol=0, atol=0)


def test_window_and_thresholds_of_the_surface(case):
    label, score, expected = case
    tables = Evaluator(label, score, None).evaluate(["vus", "vus_2022"], slidingWindow=30, thre=100)
    want = pd.DataFrame(expected["vus_window_30_thre_100"]["vus"])
    pd.testing.assert_frame_equal(tables["vus"], want, rtol=1e-9, atol=0)
    want = vus(label, score, window=30, n_thresholds=100, rule="2022")
    assert tables["vus_2022"].iloc[0].to_dict() == {"VUS_2022_ROC": want.roc, "VUS_2022_PR": want.pr}


def test_merged_tables_share_a_file(tmp_path):
    tables = Evaluator(LABEL, SCORE, tmp_path / "new").evaluate(["auc", "f1_raw"], merge=True, f1_raw=[0.2, 0.5])
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == "_results.csv"
    written = pd.read_csv(path)
    assert list(written) == [*tables["auc"], *tables["f1_raw"]]
    assert written["AUC_ROC"].isna().tolist() == [False, True]
    assert written["thre_raw"].tolist() == [0.2, 0.5]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluator = Evaluator(LABEL, SCORE, None)
    evaluator.evaluate(["auc"])
    evaluator.find_thres("prior_anomaly_rate", pAR=[0.1])
    assert list(tmp_path.iterdir()) == []


def test_the_log_says_which_rule_and_what_is_an_oracle(caplog):
    evaluator = Evaluator(LABEL, SCORE, None)
    with caplog.at_level(logging.INFO):
        evaluator.evaluate(["auc", "vus", "vus_2022", "best_f1"])
    assert [record.message.splitlines()[0] for record in caplog.records] == [
        "auc",
        "vus (rule of 2024)",
        "vus_2022 (rule of 2022)",
        "best_f1 (oracle: threshold chosen with the labels)",
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        evaluator.evaluate(["auc"], verbose=False)
    assert caplog.records == []


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_prior_anomaly_rate(name, tmp_path):
    label, score, expected = golden_case(name)
    rates = {float(rate): threshold for rate, threshold in expected["prior_anomaly_rate"].items()}
    got = Evaluator(label, score, tmp_path).find_thres("prior_anomaly_rate", pAR=list(rates))
    assert got == pytest.approx(list(rates.values()), rel=1e-9, abs=0)
    written = pd.read_csv(tmp_path / "_prior_anomaly_rate_thres_info.csv", float_precision="round_trip")
    assert written.to_dict("list") == {"hyper-parameter": list(rates), "threshold": got}


def test_prior_anomaly_rate_of_the_training_score():
    init_score = np.arange(101)
    got = Evaluator(LABEL, SCORE, None).find_thres("prior_anomaly_rate", init_score=init_score, pAR=[0.1])
    assert got == pytest.approx([90])


def test_spot_thresholds_serve_the_thresholded_measures(tmp_path):
    random = np.random.default_rng(0)
    init_score, score = random.exponential(size=2000), random.exponential(size=1000)
    label = np.arange(1000) % 100 < 5
    evaluator = Evaluator(label, score + 3 * label, tmp_path)
    thresholds = evaluator.find_thres(method="spot", init_score=init_score, q=[0.001, 0.01])
    assert thresholds[0] > thresholds[1]
    written = pd.read_csv(tmp_path / "_spot_thres_info.csv", float_precision="round_trip")
    assert written.to_dict("list") == {"hyper-parameter": [0.001, 0.01], "threshold": thresholds}
    table = evaluator.evaluate(["affiliation"], affiliation=thresholds)["affiliation"]
    assert table["Affiliation_thre"].tolist() == thresholds


def test_the_published_call_of_find_thres_is_taken_by_position_and_by_name(tmp_path, caplog):
    random = np.random.default_rng(0)
    init_score, evaluator = random.exponential(size=2000), Evaluator(LABEL, SCORE, tmp_path)
    quiet = evaluator.find_thres("spot", False, init_score=init_score, q=[0.01])
    with caplog.at_level(logging.INFO, logger="ts_ad_evaluation"):
        assert evaluator.find_thres(method="spot", verbose=False, init_score=init_score, q=np.array([0.01])) == quiet
        assert evaluator.find_thres(init_score=init_score, q=0.01, verbose=False) == quiet
        assert not caplog.messages
        assert evaluator.find_thres("spot", init_score=init_score, q=[0.01]) == quiet
    assert len(caplog.messages) == 1
    assert "hyper-parameter" in caplog.messages[0]


def test_the_published_call_of_evaluate_is_taken_by_position(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="ts_ad_evaluation"):
        tables = Evaluator(gt=LABEL, anomaly_score=SCORE, save_path=str(tmp_path)).evaluate(["auc"], True, False)
    assert list(tables) == ["auc"]
    assert not caplog.messages
    assert [path.name for path in tmp_path.iterdir()] == ["_results.csv"]


@pytest.mark.parametrize(
    ("metrics", "arguments", "text"),
    [
        ("auc", {}, "metrics must be a list of names, got 'auc'"),
        ([], {}, r"metrics must be a list of names, got \[\]"),
        (None, {}, "metrics must be a list of names, got None"),
        (["auc", None], {}, r"metrics must be a list of names, got \['auc', None\]"),
        (["aucc"], {}, "unknown metric 'aucc', did you mean 'auc'?"),
        (["xyz"], {}, "unknown metric 'xyz', choose from auc, r_auc, vus, "),
        (["f1_raw"], {}, r"f1_raw needs thresholds: pass f1_raw=\[...\]"),
        (["f1_raw"], {"f1_raw": []}, r"f1_raw needs thresholds: pass f1_raw=\[...\]"),
        (["auc"], {"slidingwindow": 5}, "unknown argument 'slidingwindow', did you mean 'slidingWindow'?"),
        (["auc"], {"auc": [0.5]}, "unknown argument 'auc', "),
        (["vus"], {"slidingWindow": -1}, "window must be an integer of at least 0, got -1"),
    ],
)
def test_names_and_arguments(metrics, arguments, text):
    with pytest.raises(EvaluationError, match=text):
        Evaluator(LABEL, SCORE, None).evaluate(metrics, **arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"method": "sport"}, "unknown method 'sport', choose from spot, prior_anomaly_rate"),
        ({"method": "spot", "q": [0.01]}, "spot needs the score of the training part: pass init_score=..."),
        ({"method": "spot", "init_score": SCORE}, r"spot needs at least one value: pass q=\[...\]"),
        ({"method": "spot", "pAR": [0.1]}, "pAR belongs to the method prior_anomaly_rate: leave it out for spot"),
        ({"method": "spot", "init_score": SCORE, "q": ["a"]}, r"q must be a list of numbers, got \['a'\]"),
        ({"method": "prior_anomaly_rate"}, r"prior_anomaly_rate needs at least one value: pass pAR=\[...\]"),
    ],
)
def test_arguments_of_find_thres(arguments, text):
    with pytest.raises(EvaluationError, match=text):
        Evaluator(LABEL, SCORE, None).find_thres(**arguments)


@pytest.mark.parametrize(("label", "score", "text"), UNDEFINED)
def test_undefined(label, score, text):
    with pytest.raises(EvaluationError, match=text):
        Evaluator(label, score, None).evaluate(["auc"])


def test_when_one_measure_is_undefined_no_file_is_written(tmp_path):
    evaluator = Evaluator(np.zeros(8), SCORE, tmp_path)
    with pytest.raises(EvaluationError, match="no anomalous point"):
        evaluator.evaluate(["auc", "vus"])
    assert list(tmp_path.iterdir()) == []
    assert len(evaluator.find_thres("prior_anomaly_rate", pAR=[0.1])) == 1
