"""The results of one series under the rules of its benchmark, and their means."""

import numpy as np
import pandas as pd
import pytest

from data_provider import Series
from exp.benchmark.suites import TSB_AD_U, UCR, summarise
from ts_ad_evaluation import EvaluationError, tsb_ad_metrics

LABEL = np.repeat([0, 1, 0], [150, 10, 140])
RANDOM = np.random.default_rng(0)
SCORE = RANDOM.random(300) + 0.5 * LABEL
WAVE = np.sin(2 * np.pi * np.arange(300) / 25)[:, None]
SERIES = Series("wave", WAVE, WAVE, LABEL.astype(np.uint8), ("value",))


def test_ucr_by_definition():
    figures = UCR.measure(SERIES, SCORE, LABEL)
    best = SCORE[LABEL == 1].max()
    topk = 1 + np.count_nonzero(best < SCORE)
    assert list(figures) == UCR.columns[1:]
    assert list(figures.values()) == [topk, 300, topk / 300, topk / 300 < 0.03, topk / 300 < 0.1]


def test_tsb_ad_scales_the_score_and_takes_the_series_period():
    figures = TSB_AD_U.measure(SERIES, SCORE, LABEL)
    scaled = (SCORE - SCORE.min()) / (SCORE.max() - SCORE.min())
    assert figures == tsb_ad_metrics(scaled, LABEL, window=25)
    assert figures == pytest.approx(TSB_AD_U.measure(SERIES, 7 * SCORE - 3, LABEL))
    assert [*TSB_AD_U.columns[2:]] == list(figures)


def test_tsb_ad_of_a_constant_score():
    assert TSB_AD_U.measure(SERIES, np.full(300, 4.0), LABEL)["AUC-ROC"] == 0.5


@pytest.mark.parametrize("benchmark", [UCR, TSB_AD_U])
def test_without_an_anomaly_it_is_undefined(benchmark):
    with pytest.raises(EvaluationError, match="no anomalous point"):
        benchmark.measure(SERIES, SCORE, np.zeros(300, int))


def test_means_say_of_how_many():
    names = [f"00{k}_{source}_x.csv" for k, source in enumerate(["NAB", "NAB", "YAHOO", "UCR"])]
    rows = [dict.fromkeys(TSB_AD_U.columns, 0.25), dict.fromkeys(TSB_AD_U.columns, 0.75)]
    rows[0]["file"], rows[1]["file"] = names[1:3]
    summary = summarise(TSB_AD_U, pd.DataFrame(rows), names)
    assert list(summary["series"]) == ["all", "NAB", "YAHOO"]
    assert list(summary["n"]) == ["2 of 4", "1 of 2", "1 of 1"]
    assert list(summary["VUS-PR"]) == [0.5, 0.25, 0.75]


def test_means_of_nothing():
    summary = summarise(UCR, pd.DataFrame(columns=UCR.columns), ["a", "b"])
    assert summary.loc[0, "n"] == "0 of 2"
    assert np.isnan(summary.loc[0, "mean alpha"])
