import numpy as np
import pytest
from sklearn.base import clone

from exp.detection.estimator import AnomalyDetector
from exp.detection.events import rise
from exp.detection.thresholds import ThresholdRule
from exp.errors import UserError
from tests.support.detector_cases import fitted, unfitted, waves
from ts_ad_evaluation import SPOT, EvaluationError

SCORES = np.arange(1000.0)


@pytest.mark.parametrize(
    ("rule", "name", "threshold", "text"),
    [
        (
            ThresholdRule(),
            "auto",
            1248.75,
            "7 times as far above the median as 90% of the training scores, but at most 1.5 times as far as the "
            "highest, and no lower than 98% of them",
        ),
        (ThresholdRule("spot"), "spot", SPOT(SCORES, risk=1e-3, rule="likelihood").threshold, "SPOT with risk 0.001"),
        (ThresholdRule(risk=0.1), "spot", SPOT(SCORES, risk=0.1, rule="likelihood").threshold, "SPOT with risk 0.1"),
        (ThresholdRule(quantile=0.5), "quantile", 499.5, "quantile 0.5 of the training scores"),
        (ThresholdRule("quantile"), "quantile", 989.01, "quantile 0.99 of the training scores"),
        (ThresholdRule(2), "number", 2.0, "given"),
        (ThresholdRule(contamination=0.25), "contamination", 749.25, "contamination 0.25"),
        (ThresholdRule(contamination=0.5), "contamination", 499.5, "contamination 0.5"),
        (ThresholdRule(contamination=np.float32(0.25)), "contamination", 749.25, "contamination 0.25"),
    ],
)
def test_rules(rule, name, threshold, text):
    rule.check()
    assert rule.name == name
    assert rule.find(SCORES) == pytest.approx(threshold)
    assert str(rule) == text


@pytest.mark.parametrize(
    "rule",
    [
        {"threshold": "quantile", "risk": 0.1},
        {"threshold": "spot", "quantile": 0.9},
        {"threshold": 3.0, "risk": 0.1},
        {"risk": 0.1, "quantile": 0.9},
    ],
)
def test_numbers_of_another_rule(rule):
    with pytest.raises(UserError, match=r"(risk|quantile) is .*, but the rule is .*: leave one of them out"):
        unfitted(**rule).fit(waves(100))


def test_the_automatic_threshold_of_scores_that_are_mostly_the_same():
    scores = np.r_[np.zeros(950), np.linspace(1, 2, 50)]
    assert ThresholdRule().find(scores) == np.quantile(scores, 0.98)


@pytest.mark.parametrize(
    ("highest", "threshold"),
    [(1.2, 1.8), (3.0, 4.5), (9.0, 7.0)],  # 1.5 times the highest; 7 times what 90 % reach
)
def test_the_automatic_threshold_is_not_far_above_the_highest_score(highest, threshold):
    scores = np.concatenate([np.zeros(600), np.ones(399), [highest]])
    assert ThresholdRule().find(scores) == pytest.approx(threshold)
    assert ThresholdRule().find(scores - 20) == pytest.approx(threshold - 20)


def test_a_few_anomalies_hardly_move_the_automatic_threshold():
    scores = np.random.default_rng(0).gamma(4, 0.1, 1000)
    clean = ThresholdRule().find(scores)
    scores[:15] = 50 + np.arange(15)
    assert scores[15:].max() < ThresholdRule().find(scores) < 2 * clean
    assert ThresholdRule("spot").find(scores) > 50


@pytest.mark.parametrize(("anomaly", "warned"), [(1, False), (1000, True)])
def test_a_threshold_of_spot_that_nothing_can_exceed_is_reported(anomaly, warned, caplog):
    scores = np.abs(np.random.default_rng(0).standard_normal(3000))
    scores[100:130] *= anomaly  # 1 % of the training part
    threshold = ThresholdRule("spot", risk=1e-5).find(scores)
    assert (threshold > 10 * scores.max()) == warned
    assert ("far above the highest training score" in caplog.text) == warned


@pytest.mark.parametrize("contamination", [0, 0.51, 1, -0.1, float("nan"), True, "0.1", [0.1], np.inf])
def test_shares_of_anomalies_that_there_are_not(contamination):
    with pytest.raises(UserError, match=r"contamination is .*: use the share of anomalies, a number in \(0, 0.5\]"):
        unfitted(contamination=contamination).fit(waves(100))


@pytest.mark.parametrize("other", [{"threshold": "quantile"}, {"threshold": 3.0}, {"risk": 0.1}, {"quantile": 0.9}])
def test_the_share_of_anomalies_and_another_rule(other):
    (name,) = other
    with pytest.raises(UserError, match=f"contamination is 0.1 and {name} is .*: leave one of them out"):
        unfitted(contamination=0.1, **other).fit(waves(100))


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.5])
def test_so_many_points_of_training_are_flagged(contamination, tmp_path):
    detector = unfitted(contamination=contamination).fit(waves(400))
    assert detector.labels_.mean() == pytest.approx(contamination, abs=1 / 400)
    detector.save(tmp_path)
    loaded = AnomalyDetector.load(tmp_path, device="cpu")
    assert (loaded.threshold_, loaded.contamination) == (detector.threshold_, contamination)
    assert clone(loaded).contamination == contamination


def test_few_points_are_enough_for_it():
    assert unfitted(contamination=0.1).fit(waves(40)).labels_.sum() == 4


def test_a_parameter_that_changes_after_the_fit_waits_for_the_next(tmp_path):
    detector = unfitted(threshold="quantile").fit(waves(200)).set_params(threshold="spot")
    detector.save(tmp_path)
    loaded = AnomalyDetector.load(tmp_path, device="cpu")
    assert detector.threshold_rule_ == loaded.threshold_rule_ == loaded.threshold_rule == ThresholdRule("quantile")
    assert detector.threshold_ == loaded.threshold_ == detector.threshold_rule_.find(detector.decision_scores_)
    assert detector.fit(waves(200)).threshold_rule_ == ThresholdRule("spot")


RULES = [
    {},
    {"threshold": "spot"},
    {"risk": 1e-2},
    {"threshold": "quantile", "quantile": 0.9},
    {"threshold": 2.5},
    {"contamination": 0.2},
]


@pytest.mark.parametrize("rule", RULES)
def test_another_threshold_is_that_of_a_training_with_it(rule, tmp_path):
    expected = unfitted(**rule).fit(waves(200))
    detector = unfitted(contamination=0.3).fit(waves(200))
    assert detector.set_threshold(**rule) is detector
    assert detector.threshold_ == expected.threshold_
    assert detector.get_params() == expected.get_params()
    np.testing.assert_array_equal(detector.labels_, expected.labels_)
    detector.save(tmp_path)
    assert AnomalyDetector.load(tmp_path, device="cpu").threshold_ == expected.threshold_


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"threshold": "mean"}, UserError),
        ({"risk": 2}, UserError),
        ({"contamination": 0.1, "risk": 0.1}, UserError),
        ({"threshold": "spot"}, EvaluationError),  # SPOT needs more scores than there are
    ],
)
def test_a_wrong_rule_changes_nothing(rule, error):
    detector = unfitted(threshold=2.0).fit(waves(40))
    parameters, threshold = detector.get_params(), detector.threshold_
    with pytest.raises(error) as caught:
        detector.set_threshold(**rule)
    assert "\n" not in str(caught.value)
    assert (detector.get_params(), detector.threshold_) == (parameters, threshold)


def test_events_of_an_array():
    detector, x = fitted(), waves(200, seed=2)
    x[100:103, 1] += 40
    score = detector.decision_function(x)
    every = detector.find_events(x, merge_gap=0)
    assert every["peak"][0] in range(100, 103)
    for event in every.itertuples():
        assert min(score[event.start], score[event.end]) >= rise(event.peak_score, detector.threshold_)
    long = detector.find_events(x, merge_gap=0, min_length=3)
    assert (long["end"] - long["start"] + 1 >= 3).all()
    assert len(long) == (every["end"] - every["start"] + 1 >= 3).sum()
    assert detector.merge_gap == detector.window // 4
    assert detector.find_events(x).equals(detector.find_events(x, merge_gap=detector.window // 4, min_length=1))


@pytest.mark.parametrize("wrong", [{"merge_gap": -1}, {"merge_gap": 1.5}, {"min_length": 0}, {"min_length": True}])
def test_events_that_there_are_not(wrong):
    (name,) = wrong
    with pytest.raises(UserError, match=f"{name} .*: give a whole number of points"):
        fitted().find_events(waves(100), **wrong)
