import numpy as np
import pytest
import torch

from exp.detection.estimator import AnomalyDetector
from exp.detection.explanation import check_explicable, expected_values
from exp.errors import UserError
from models import DETECTORS
from tests.support.detector_cases import frame, waves

ABLE = [name for name, model in sorted(DETECTORS.items()) if model.reconstructs]


@pytest.fixture(scope="module", params=ABLE)
def fitted(request):
    """A detector of each model that reconstructs, of two named channels."""
    changes = [] if DETECTORS[request.param].closed_form else ["train.train_epochs=2", "train.epoch_windows=64"]
    detector = AnomalyDetector(request.param, overrides=changes, threshold="quantile")
    return detector.fit(frame(400))


def plain(detector, x):
    """Return the expected values (n, C) by a loop over the windows that hold each point."""
    length, n = detector.window, len(x)
    sums, counts = np.zeros(x.shape), np.zeros((n, 1))
    for start in sorted({*range(0, n - length + 1, length // 4), n - length}):
        window = torch.from_numpy(detector.standardised(x[None, start : start + length]))
        sums[start : start + length] += detector.network_.reconstruct(window)[0].numpy()
        counts[start : start + length] += 1
    return sums / counts * detector.scale_ + detector.offset_


def test_expected_values_are_means_over_windows_in_units_of_the_series(fitted):
    x = waves(90, seed=3)
    starts, ends = np.array([20, 80]), np.array([23, 89])
    expected = expected_values(fitted, x, starts, ends)
    rows = np.r_[20:24, 80:90]
    np.testing.assert_allclose(expected[rows], plain(fitted, x)[rows], rtol=1e-4, atol=1e-4)
    assert np.isnan(np.delete(expected, rows, axis=0)).all()


@pytest.mark.parametrize("several", [False, True])
def test_in_the_training_part_detectors_of_other_folds_expect(several):
    x = waves(300)
    detector = AnomalyDetector("Nearest", overrides=["model.seq_len=16", "model.parts=1"], threshold=1.0)
    detector.fit({"a": x, "b": waves(100, seed=1)} if several else x)
    held_out = detector.held_out(*["a"] if several else [])
    assert [held.rows.start for held in held_out] == [0, *(held.rows.stop for held in held_out[:-1])]
    longer = np.concatenate([x, waves(50, seed=2)])
    starts, ends = np.array([100, 290]), np.array([199, 320])
    expected = expected_values(detector, longer, starts, ends, held_out)
    rows = np.r_[100:200, 290:321]
    assert np.isnan(np.delete(expected, rows, axis=0)).all()
    np.testing.assert_allclose(expected[300:321], plain(detector, longer)[300:321], rtol=1e-4, atol=1e-4)
    assert (np.abs(expected - longer)[np.r_[100:200, 290:300]] > 1e-3).mean() > 0.99
    errors = detector.channel_errors_of_training(longer, *["a"] if several else [])
    for held in held_out:  # what is expected and the errors are those of one detector
        own = held.scorer.score(detector.standardised(longer[held.rows]), stride=4)
        np.testing.assert_array_equal(own.astype(np.float32), errors[held.rows])


def test_nothing_is_held_out_where_a_detector_does_not_know_its_windows_by_heart():
    changes = ["train.train_epochs=1", "train.epoch_windows=32"]
    assert AnomalyDetector("CrossAD", overrides=changes, threshold=1.0).fit(waves(200)).held_out() == []


def test_events_of_the_training_part_are_explained_by_detectors_of_other_folds():
    x = frame(300)
    x.loc[150:152, "disk"] += 60
    detector = AnomalyDetector("Nearest", overrides=["model.seq_len=16"]).fit(x)
    assert not detector.predict(x)[150:153].any()  # it is remembered
    events = detector.find_events(x, series="X")
    assert events["start"][0] <= 150 <= 152 <= events["end"][0]
    told = detector.explain(x, events, series="X").iloc[0]
    assert told["channel"] == "disk"
    assert told["row"] in (150, 151, 152)
    assert told["expected"] < told["value"] - 30
    known = detector.explain(x, events).query("rank == 1 and channel == 'disk'").iloc[0]
    assert known["expected"] == pytest.approx(known["value"], abs=1e-3)


def test_what_is_held_out_is_not_saved(tmp_path):
    AnomalyDetector("PCA", threshold=1.0).fit(waves(200)).save(tmp_path)
    with pytest.raises(UserError, match="scores of its fit are unknown"):
        AnomalyDetector.load(tmp_path).held_out()


def test_a_reconstruction_has_the_shape_of_windows_and_no_gradient(fitted):
    network = fitted.network_.train()
    found = network.reconstruct(torch.randn(3, fitted.window, 2))
    assert found.shape == (3, fitted.window, 2)
    assert not found.requires_grad
    assert network.training
    network.eval()


def test_the_spike_and_what_was_expected_in_its_place(fitted):
    x = frame(200, seed=4)
    usual = x["disk"].mean()
    x.loc[100, "disk"] += 60
    events = fitted.find_events(x)
    told = fitted.explain(x, events)
    assert list(told.columns) == ["rank", "channel", "share", "row", "value", "expected"]
    assert set(told["rank"]) == set(events["rank"])
    first = events[(events["start"] <= 100) & (events["end"] >= 100)].iloc[0]
    own = told[(told["rank"] == first["rank"]) & (told["channel"] == "disk")].iloc[0]
    assert (own["row"], own["value"]) == (100, x["disk"][100])
    assert own["expected"] < own["value"]
    assert abs(own["expected"] - usual) < 60
    for row in told.itertuples():
        event = events[events["rank"] == row.rank].iloc[0]
        assert event["start"] <= row.row <= event["end"]
        assert row.value == x[row.channel][row.row]


def test_an_error_is_the_distance_to_the_expected_value():
    detector = AnomalyDetector("PCA", overrides=["model.seq_len=16"], threshold="quantile").fit(frame(400))
    windows = torch.randn(4, 16, 2)
    network = detector.network_
    torch.testing.assert_close(network.score(windows), (windows - network.reconstruct(windows)).square())


def test_the_shares_are_those_of_the_events():
    detector = AnomalyDetector("PCA", overrides=["model.seq_len=16"], threshold="quantile").fit(frame(400))
    x = frame(200, seed=4)
    x.loc[100, "disk"] += 60
    events = detector.find_events(x)
    told = detector.explain(x, events)
    for event in events.itertuples():
        own = told[told["rank"] == event.rank]
        named = ", ".join(f"{row.channel} {100 * row.share:.0f} %" for row in own.itertuples())
        assert named == event.channels


def test_no_event():
    detector = AnomalyDetector("PCA", overrides=["model.seq_len=16"], threshold=1e9).fit(frame(400))
    assert len(detector.explain(frame(100), detector.find_events(frame(100)))) == 0


def test_models_that_do_not_reconstruct():
    (name,) = set(DETECTORS) - set(ABLE)
    with pytest.raises(UserError, match=f"--explain: {name} does not score by a reconstruction: .*{', '.join(ABLE)}"):
        check_explicable(name)
    overrides = ["train.train_epochs=1", "train.epoch_windows=32"]
    detector = AnomalyDetector(name, overrides=overrides, threshold="quantile").fit(frame(200))
    with pytest.raises(UserError, match=f"{name} does not score by a reconstruction"):
        detector.explain(frame(200), detector.find_events(frame(200)))
