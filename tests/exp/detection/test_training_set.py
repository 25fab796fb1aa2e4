import numpy as np
import pandas as pd
import pytest

from data_provider import DataError
from data_provider.windows import Windows
from exp.detection.automatic import suggest
from exp.detection.estimator import AnomalyDetector
from exp.detection.training_set import MOST_FOLDS, Folds, TrainingSet, as_several
from models import DETECTORS
from tests.support.detector_cases import WINDOW, fitted, frame, unfitted, waves

ALL_WINDOWS = [f"model.seq_len={WINDOW}", "model.parts=1", "train.epoch_windows=1000"]


def equal_bits(first, second):
    np.testing.assert_array_equal(first, second, strict=True)


class TestWindows:
    @pytest.mark.parametrize(
        ("lengths", "stride", "starts"),
        [
            ([10], 1, [0, 1, 2, 3, 4, 5, 6]),
            ([5, 5], 1, [0, 1, 5, 6]),
            ([3, 4, 3], 1, [3]),
            ([6, 0, 4], 2, [0, 2, 6]),
            ([9, 1], 4, [0, 4]),
        ],
    )
    def test_none_crosses_a_border(self, lengths, stride, starts):
        windows = Windows(np.arange(10.0)[:, None], 4, stride=stride, lengths=lengths)
        assert windows.starts.tolist() == starts
        assert windows.to("cpu").starts.tolist() == starts
        borders = np.cumsum(lengths)
        for window in windows.gather(next(windows.batches(99))).squeeze(-1).long().numpy():
            assert len(set(np.searchsorted(borders, window, side="right"))) == 1

    def test_each_is_too_short(self):
        with pytest.raises(DataError, match="has 3 points, fewer than a window of 4"):
            Windows(np.zeros((6, 1)), 4, lengths=[3, 3])

    @pytest.mark.parametrize("options", [{"lengths": [3]}, {"lengths": [6], "cover_tail": True}])
    def test_lengths_that_do_not_fit(self, options):
        with pytest.raises(ValueError, match="lengths must add up to 6"):
            Windows(np.zeros((6, 1)), 2, **options)


class TestSeries:
    @pytest.mark.parametrize(
        "one",
        [
            [1.0, 2.0],
            [[1.0, 2.0], [3.0, 4.0]],
            np.zeros((4, 2)),
            frame(4),
            [],
            {},
            {"cpu": np.zeros(5), "disk": np.zeros(5)},
            [np.float64(1), np.float64(2)],
        ],
    )
    def test_a_single_one(self, one):
        assert as_several(one) is None

    def test_several(self):
        assert list(as_several((np.zeros(5), np.zeros(3)))) == ["X[0]", "X[1]"]
        assert list(as_several([frame(4)])) == ["X[0]"]
        assert list(as_several([pd.Series([1.0])])) == ["X[0]"]
        assert list(as_several({"a.csv": frame(4)})) == ["a.csv"]

    def test_the_last_share_of_each_validates_where_it_holds_a_window(self):
        series = {"a": waves(100), "b": waves(30), "c": waves(50)}
        training, validation = TrainingSet(series).split(np.concatenate(list(series.values())), 0.2, 8)
        assert training.lengths == [80, 30, 40]
        assert validation.lengths == [20, 0, 10]
        equal_bits(training.values, np.concatenate([waves(100)[:80], waves(30), waves(50)[:40]]))
        equal_bits(validation.values, np.concatenate([waves(100)[80:], waves(50)[40:]]))

    def test_places(self):
        series = TrainingSet({"a": waves(3), "b": waves(4)})
        assert [series.place(row) for row in (2, 3, 6)] == [
            "row 2 of a, counted from 0",
            "row 0 of b, counted from 0",
            "row 3 of b, counted from 0",
        ]


class TestFit:
    def test_a_list_of_one_is_that_one(self):
        equal_bits(unfitted().fit([waves(200)]).decision_scores_, unfitted().fit(waves(200)).decision_scores_)

    def test_each_series_is_scored_by_itself(self):
        parts = [waves(100), waves(60, seed=1), waves(90, seed=2)]
        detector = unfitted(threshold=1.0).fit(parts)
        equal_bits(detector.decision_scores_, np.concatenate([detector.decision_function(part) for part in parts]))
        whole = np.concatenate(parts)
        np.testing.assert_allclose(detector.offset_, whole.mean(axis=0))
        np.testing.assert_allclose(detector.scale_, whole.std(axis=0))
        missing = WINDOW - 1 + detector.causal_aggregation_.behind  # points before the first that a score needs
        assert len(detector.causal_scores_) == sum(len(part) - missing for part in parts)
        assert len(detector.labels_) == 250

    def test_no_window_across_a_border(self, monkeypatch):
        seen = []

        def fit(self, training, validation, **_):
            seen.extend([training, validation])
            raise KeyboardInterrupt

        monkeypatch.setattr("exp.detection.detector.Detector.fit", fit)
        parts = [np.full((100, 1), 0.0), np.full((100, 1), 5.0)]
        with pytest.raises(KeyboardInterrupt):
            unfitted(threshold=1.0).fit(parts)
        for windows in seen:
            every = windows.gather(next(windows.batches(9999))).numpy()
            assert (np.ptp(every, axis=1) == 0).all()
            assert len(np.unique(every)) == 2

    def test_frames_and_names(self, tmp_path):
        detector = unfitted(threshold=1.0).fit({"a.csv": frame(100), "b.csv": frame(60, seed=1)})
        assert list(detector.feature_names_in_) == ["cpu", "disk"]
        detector.save(tmp_path)
        loaded = AnomalyDetector.load(tmp_path, device="cpu")
        equal_bits(loaded.decision_scores_, detector.decision_scores_)

    def test_series_of_one_channel(self):
        parts = [waves(100, 1)[:, 0], waves(60, 1)[:, 0]]
        detector = unfitted(threshold=1.0).fit(parts)
        assert detector.n_features_in_ == 1
        equal_bits(detector.fit_predict([pd.Series(part) for part in parts]), detector.labels_)

    def test_none_of_them_has_room_for_a_window_that_validates(self):
        detector = unfitted(threshold=1.0).fit([waves(WINDOW + 4), waves(WINDOW + 2, seed=1)])
        assert len(detector.decision_scores_) == 2 * WINDOW + 6

    @pytest.mark.parametrize("name", sorted(DETECTORS))
    def test_every_model(self, name):
        changes = [] if DETECTORS[name].closed_form else ["train.train_epochs=1"]
        detector = AnomalyDetector(name, overrides=changes, threshold=1.0, device="cpu")
        detector.fit([waves(120), waves(60, seed=1)])
        assert len(detector.decision_scores_) == 180
        assert detector.window <= 30

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ([waves(100), waves(60, 3)], r"X\[1\]: X has 3 features, but .* expecting 2"),
            ([waves(100), waves(WINDOW - 1)], rf"X\[1\]: {WINDOW - 1} points .* fewer than a window of {WINDOW}"),
            ([frame(100), frame(100, ("cpu", "memory"))], r"X\[1\]: .*feature names should match.*memory"),
            ([waves(100), np.full((60, 2), np.nan)], r"X\[1\]: .*NaN"),
            ([waves(100), np.zeros((0, 2))], r"X\[1\]: .*sample"),
            ({"a": waves(100), "b.csv": 1e200 * waves(60)}, r"X: channel '0' holds .* row 0 of b.csv"),
            ([np.ones((60, 2)), np.ones((60, 2))], "every channel is constant"),
        ],
    )
    def test_series_that_are_refused(self, parts, message, monkeypatch):
        monkeypatch.setattr("exp.detection.estimator.Detector", None)
        with pytest.raises(ValueError, match=message) as caught:
            unfitted(threshold=1.0).fit(parts)
        assert "\n" not in str(caught.value)

    def test_a_list_is_not_scored(self):
        with pytest.raises(ValueError, match="one series at a time"):
            fitted().decision_function([waves(100), waves(60)])


class TestFolds:
    @pytest.mark.parametrize(
        ("lengths", "number"),
        [
            ([100 * MOST_FOLDS], MOST_FOLDS),
            ([100 * MOST_FOLDS, 30], MOST_FOLDS),
            ([129], 3),
            ([45], 2),
            ([30], 2),
            ([20], 2),
            ([21, 10], 2),
            ([19, 10], 2),
            ([10] * (MOST_FOLDS + 1), MOST_FOLDS),
        ],
    )
    def test_each_row_is_held_out_once(self, lengths, number):
        series = list(np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1]))
        folds = Folds(lengths, 10)
        assert folds.number == number
        held = [[] for _ in range(number)]
        for values, stretches in zip(series, folds.stretches, strict=True):
            assert [stretch.rows.start for stretch in stretches[1:]] == [end.rows.stop for end in stretches[:-1]]
            for rows, fold in stretches:
                held[fold] += values[rows].tolist()
                assert len(values[rows]) >= 10
        assert sorted(np.concatenate(held)) == list(range(sum(lengths)))
        for fold in range(number):
            others = np.concatenate(folds.others(series, fold))
            assert sorted([*others, *held[fold]]) == list(range(sum(lengths)))

    def test_a_stretch_of_many_has_four_windows(self):
        assert [stretch.rows for stretch in Folds([129], 10).stretches[0]] == [
            slice(0, 43),
            slice(43, 86),
            slice(86, 129),
        ]

    def test_what_is_shorter_than_a_window_is_left_out(self):
        others = Folds([100, 9], 10).others([np.zeros(100), np.zeros(9)], 0)
        assert [len(part) for part in others] == [50]


@pytest.mark.parametrize("several", [False, True])
def test_a_model_in_closed_form_learns_the_validation_part_too(several):
    x = waves(200)
    detector = AnomalyDetector("Nearest", overrides=ALL_WINDOWS).fit([x, waves(WINDOW, seed=1)] if several else x)
    assert detector.channel_errors(x).max() < 1e-9  # every window has been seen
    assert detector.decision_scores_[: len(x)].min() > 0  # by the detectors of the other folds


def test_all_that_a_model_in_closed_form_learns_is_on_its_device(monkeypatch):
    placed, learned = [], []
    monkeypatch.setattr(Windows, "to", lambda windows, device: placed.append(windows) or windows)
    monkeypatch.setattr("exp.training.trainer.Trainer.refit", lambda trainer, windows: learned.append(windows))
    AnomalyDetector("Nearest", overrides=ALL_WINDOWS, threshold=1.0).fit(waves(200))
    assert len(learned) == 1 + 3  # the whole training part, and all but each of three folds
    assert all(any(windows is one for one in placed) for windows in learned)


@pytest.mark.parametrize("windows", [2, 3, 4])
def test_no_point_is_scored_by_a_detector_that_knows_it(windows):
    x = waves(windows * WINDOW)
    detector = AnomalyDetector("Nearest", overrides=ALL_WINDOWS).fit(x)
    assert detector.decision_scores_.min() > 0.01
    assert (detector.decision_function(waves(200, seed=1)) > detector.threshold_).mean() < 0.1


def test_several_series_are_scored_by_detectors_of_each_other():
    x = waves(200)
    detector = AnomalyDetector("Nearest", overrides=ALL_WINDOWS).fit({"a": x, "b": x})
    for name in "ab":
        assert detector.channel_errors_of_training(x, name).max() < 1e-9  # the other has the same windows


def test_windows_fit_into_the_shortest():
    train = waves(2000)
    assert suggest("CrossAD", train).sections["model"]["seq_len"] > 25
    sections, reasons = suggest("CrossAD", train, shortest=50)
    assert sections["model"]["seq_len"] <= 25
    assert "shortest of the series, 50 points" in reasons["model"][1]


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_short_series_does_not_shorten_the_learning_from_all(name):
    train = waves(20_000)
    alone, together = suggest(name, train), suggest(name, train, shortest=50)
    assert together.sections["train"] == alone.sections["train"]
    assert together.sections["model"]["seq_len"] < alone.sections["model"]["seq_len"]
    assert together.reasons["train"] == alone.reasons["train"]
    assert together.reasons["model"] != alone.reasons["model"]
