import copy
import functools
import hashlib
import io
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import exp.streaming.state
import exp.streaming.stream
import exp.streaming.thresholds
from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from exp.streaming.stream import StreamingDetector, StreamScores
from exp.streaming.thresholds import MAX_EXCESSES
from tests.support.detector_cases import CONFIG, STRIDE, WINDOW, fitted, fitted_to_names, unfitted, waves
from tests.support.paths import SHARED
from ts_ad_evaluation import SPOT, EvaluationError

SMD = SHARED / "data" / "SMD"


def equal_bits(first, second):
    np.testing.assert_array_equal(first, second, strict=True)


def joined(parts):
    """Return the scores of several updates as one; points are the second-to-last dimension, before channels."""
    axes = {name: -2 if name == "channel_scores" else -1 for name in StreamScores._fields}
    return StreamScores(*(np.concatenate([getattr(part, name) for part in parts], axes[name]) for name in axes))


def restarted(stream, path):
    """Return another stream that continues from the state of this one."""
    stream.save_state(path)
    drift_window = stream.drift_window
    other = StreamingDetector(stream.detector, mode=stream.mode, series=stream.series, drift_window=drift_window)
    other.load_state(path)
    return other


def run(stream, points, cuts=(), restarts=(), path=None):
    """Return all scores of points (…, n, C) that arrive in pieces; after some of them the stream is restarted."""
    parts, ends = [], [*sorted(cuts), points.shape[-2]]
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        one = stream.series is None and end - start == 1
        parts.append(stream.update(points[start] if one else points[..., start:end, :]))
        if number in restarts:
            stream = restarted(stream, path)
    assert stream.seen == points.shape[-2]
    return joined([*parts, stream.finish()])


def equal_streams(first, second):
    for name in StreamScores._fields:
        equal_bits(getattr(first, name), getattr(second, name))


def spot(scores, **options):
    return SPOT(scores, risk=1e-3, rule="likelihood", max_excesses=MAX_EXCESSES, **options)


@st.composite
def cuttings(draw, least=WINDOW):
    """Draw a number of points, where they are cut, and after which pieces the stream is restarted."""
    rows = draw(st.integers(least, 5 * WINDOW))
    single = draw(st.booleans())
    cuts = list(range(1, rows)) if single else draw(st.lists(st.integers(0, rows), max_size=8))
    return rows, cuts, draw(st.sets(st.integers(0, len(cuts)), max_size=3))


light = hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(cutting=cuttings(), channels=st.sampled_from([1, 2, 9]), seed=st.integers(0, 99))
@light
def test_whole_windows_give_the_bits_of_the_batch(tmp_path, cutting, channels, seed):
    rows, cuts, restarts = cutting
    detector, x = fitted(channels), waves(rows, channels, seed)
    scores = run(StreamingDetector(detector), x, cuts, restarts, tmp_path / "state")
    equal_bits(scores.rows, np.arange(rows))
    equal_bits(scores.channel_scores, detector.channel_scores(x))
    equal_bits(scores.score, detector.decision_function(x))
    alarm, threshold = spot(detector.decision_scores_).update_many(scores.score)
    equal_bits(scores.alarm, alarm)
    equal_bits(scores.threshold, threshold)


@given(cutting=cuttings(least=1), channels=st.sampled_from([1, 2, 9]), seed=st.integers(0, 99))
@light
def test_each_point_at_once_has_the_last_score_of_its_window(tmp_path, cutting, channels, seed):
    rows, cuts, restarts = cutting
    detector, x = fitted(channels), waves(rows, channels, seed)
    scores = run(StreamingDetector(detector, mode="causal"), x, cuts, restarts, tmp_path / "state")
    ends = range(WINDOW, rows + 1)
    equal_bits(scores.rows, np.arange(WINDOW - 1, max(rows, WINDOW - 1)))
    if not ends:
        return
    last = [detector.look(x[None, end - WINDOW : end], in_blocks=False)[0, -1] for end in ends]
    equal_bits(scores.channel_scores, np.array(last))
    equal_bits(scores.score, detector.causal_aggregation_(np.array(last)))
    alarm, threshold = spot(detector.causal_scores_).update_many(scores.score)
    equal_bits(scores.alarm, alarm)
    equal_bits(scores.threshold, threshold)


@pytest.mark.parametrize("mode", ["window", "causal"])
def test_scores_come_as_early_as_they_can(mode):
    stream, x = StreamingDetector(fitted(), mode=mode), waves(40)
    first = WINDOW - 1  # the point whose arrival gives the first channel scores
    waiting = 0
    for row, point in enumerate(x):
        scores = stream.update(point)
        if row < first:
            expected = 0
        elif mode == "causal":
            expected = 1
        else:
            waiting += STRIDE if (row - first) % STRIDE == 0 else 0
            expected = max(0, waiting - fitted().aggregation_.ahead)
            waiting -= expected
        assert len(scores.rows) == len(scores.score) == len(scores.alarm) == expected
        assert scores.channel_scores.shape == (expected, 2)
        assert stream.seen == row + 1


@pytest.mark.parametrize("mode", ["window", "causal"])
def test_a_point_out_of_place_is_an_alarm(mode):
    x = waves(200, seed=2)
    x[100, 1] += 40
    scores = run(StreamingDetector(fitted(), mode=mode), x)
    row = int(np.flatnonzero(scores.rows == 100)[0])
    assert scores.alarm[row]
    assert scores.score[row] > scores.threshold[row]
    assert scores.score.argmax() == row
    assert scores.channel_scores[row].argmax() == 1
    assert not scores.alarm[: row - WINDOW].any()


@pytest.mark.parametrize("mode", ["window", "causal"])
@pytest.mark.parametrize("threshold", ["spot", 3.0])
def test_series_side_by_side(tmp_path, mode, threshold):
    detector = fitted(threshold=threshold)
    x = np.stack([waves(61, seed=seed) for seed in range(3)])
    x[1, 40] += 30
    together = StreamingDetector(detector, mode=mode, series=3)
    scores = run(together, x, [5, 6, 7, 30, 45], {1, 4}, tmp_path / "state")
    count = 61 if mode == "window" else 61 - WINDOW + 1
    assert scores.rows.shape == (count,)
    assert scores.channel_scores.shape == (3, count, 2)
    assert scores.alarm[1].any()
    for index in range(3):
        own = run(StreamingDetector(detector, mode=mode), x[index])
        equal_bits(scores.rows, own.rows)
        np.testing.assert_allclose(scores.score[index], own.score, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores.channel_scores[index], own.channel_scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores.threshold[index], own.threshold, rtol=1e-3)
        equal_bits(scores.alarm[index], own.alarm)


def test_one_series_beside_no_others():
    x = waves(40)
    alone, beside = run(StreamingDetector(fitted()), x), run(StreamingDetector(fitted(), series=1), x[None])
    for name, array in beside._asdict().items():
        equal_bits(array if name == "rows" else array[0], getattr(alone, name))
    with pytest.raises(ValueError, match=r"shape \(1, k, 2\), got \(40, 2\)"):
        StreamingDetector(fitted(), series=1).update(x)
    with pytest.raises(ValueError, match=r"shape \(k, 2\), got \(1, 40, 2\)"):
        StreamingDetector(fitted()).update(x[None])


class TestAlarms:
    @pytest.mark.parametrize("threshold", [3.0, "quantile"])
    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_a_fixed_threshold(self, tmp_path, threshold, mode):
        detector, x = fitted(threshold=threshold), waves(100, seed=8)
        x[60] += 30
        scores = run(StreamingDetector(detector, mode=mode), x, [50, 61], {0, 1}, tmp_path / "state")
        assert set(scores.threshold) == {detector.threshold_}
        equal_bits(scores.alarm, scores.score > detector.threshold_)
        if mode == "window":
            equal_bits(scores.alarm.astype(int), detector.predict(x))
        assert 0 < scores.alarm.sum() < len(scores.alarm)

    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_a_drift_window(self, tmp_path, mode):
        detector, x = fitted(), waves(100, seed=8)
        stream = StreamingDetector(detector, mode=mode, drift_window=20)
        scores = run(stream, x, [13, 14, 50], {0, 2}, tmp_path / "state")
        initial = detector.decision_scores_ if mode == "window" else detector.causal_scores_
        alarm, threshold = spot(initial, drift_window=20).update_many(scores.score)
        equal_bits(scores.alarm, alarm)
        equal_bits(scores.threshold, threshold)
        assert len(set(scores.threshold)) > 50
        equal_bits(scores.score, run(StreamingDetector(detector, mode=mode), x).score)

    def test_the_threshold_is_the_fitted_one_whatever_the_parameters_are_now(self):
        detector = copy.deepcopy(fitted(threshold="quantile")).set_params(threshold="spot")
        assert set(run(StreamingDetector(detector), waves(40)).threshold) == {detector.threshold_}

    def test_the_risk(self):
        x = waves(40)
        often, seldom = (run(StreamingDetector(fitted(risk=risk)), x).threshold for risk in (1e-2, 1e-3))
        assert (often < seldom).all()

    @pytest.mark.parametrize("threshold", [3.0, "quantile"])
    def test_a_fixed_threshold_cannot_drift(self, threshold):
        with pytest.raises(UserError, match="threshold is fixed, so a drift window cannot move it"):
            StreamingDetector(fitted(threshold=threshold), drift_window=20)

    @pytest.mark.parametrize("drift_window", [0, -3, 2.5, 400])
    def test_wrong_drift_windows(self, drift_window):
        with pytest.raises(EvaluationError, match=r"drift.window"):
            StreamingDetector(fitted(), drift_window=drift_window)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "batch"}, "mode is 'batch': use 'window' or 'causal'"),
        ({"mode": None}, "mode is None: use"),
        ({"series": 0}, "series is 0: use a number of at least 1, or None"),
        ({"series": -2}, "series is -2: use"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(UserError, match=message):
        StreamingDetector(fitted(), **options)


def test_a_detector_without_fit():
    with pytest.raises(NotFittedError):
        StreamingDetector(unfitted())


class TestPoints:
    WRONG = (
        (np.zeros((1, 2, 3)), "shape"),
        (np.zeros((3, 1)), "shape"),
        (np.zeros((1, 3)), "shape"),
        (np.zeros(3), "shape"),
        (np.zeros((2, 0)), "shape"),
        ([], "shape"),
        (1.0, "shape"),
        ([[1.0, 2.0], [3.0]], "inhomogeneous"),
        (["a", "b"], "could not convert"),
        ([[0.0, 1.0], [0.0, np.nan]], "points must be finite"),
        ([np.inf, 0.0], "points must be finite"),
        ([None, 0.0], "points must be finite"),
        (np.ma.array([0.0, 1.0], mask=[True, False]), "some values are masked"),
        (np.array([0, 1], "M8[s]"), "the values are times"),
        ([[0.0, 1.0], [1e30, 0.0]], "too far from the training values"),
        ([0.0, -1.7e308], "too far from the training values"),
    )

    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_what_is_refused_is_not_taken(self, mode):
        x = waves(40, seed=9)
        disturbed, parts = StreamingDetector(fitted(), mode=mode), []
        for row, point in enumerate(x):
            wrong, message = self.WRONG[row % len(self.WRONG)]
            with pytest.raises(ValueError, match=message) as caught:
                disturbed.update(wrong)
            assert "\n" not in str(caught.value)
            assert disturbed.seen == row
            parts.append(disturbed.update(point))
        parts.append(disturbed.finish())
        equal_streams(joined(parts), run(StreamingDetector(fitted(), mode=mode), x))

    @pytest.mark.parametrize("share", [0.99, -0.99])
    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_the_farthest_values_have_scores(self, mode, share):
        detector, x = fitted(), waves(60, seed=9)
        for row, channel in ((3, 0), (20, 1), (21, 0), (59, 1)):
            x[row, channel] = (
                detector.offset_[channel] + share * exp.streaming.stream.FARTHEST * detector.scale_[channel]
            )
        scores = run(StreamingDetector(detector, mode=mode), x)
        assert np.isfinite(scores.channel_scores).all()
        assert scores.alarm[scores.rows >= 20].any()

    def test_names_are_those_of_the_fit_in_their_order(self):
        x = pd.DataFrame(waves(40), columns=["cpu", "disk"])
        stream = StreamingDetector(fitted_to_names("cpu", "disk"))
        for wrong in (x[["disk", "cpu"]], x[["disk", "cpu"]].iloc[0], x.rename(columns={"cpu": "heat"})):
            with pytest.raises(ValueError, match="in the order of the fit: 'cpu', 'disk'"):
                stream.update(wrong)
        parts = [stream.update(x.iloc[0]), stream.update(x[1:]), stream.finish()]
        equal_streams(joined(parts), run(StreamingDetector(fitted_to_names("cpu", "disk")), x.to_numpy()))

    def test_no_points(self):
        stream = StreamingDetector(fitted())
        assert len(stream.update(np.empty((0, 2))).rows) == 0
        assert stream.seen == 0

    def test_what_is_taken_is_not_written_to(self):
        x = waves(40)
        before = x.copy()
        run(StreamingDetector(fitted()), x, range(1, 40))
        equal_bits(x, before)

    def test_what_was_taken_may_be_written_to(self):
        """A caller may read every block into the same memory."""
        x, block, parts = waves(60), np.empty((5, 2)), []
        stream = StreamingDetector(fitted())
        for start in range(0, 60, 5):
            block[:] = x[start : start + 5]
            parts.append(stream.update(block))
        equal_streams(joined([*parts, stream.finish()]), run(StreamingDetector(fitted()), x))


class TestEnd:
    @pytest.mark.parametrize("rows", [0, 1, WINDOW - 1])
    def test_a_short_stream(self, rows):
        stream = StreamingDetector(fitted())
        stream.update(waves(rows))
        with pytest.raises(UserError, match=f"the stream has {rows} points, fewer than a window of {WINDOW}"):
            stream.finish()
        early = stream.update(waves(WINDOW))  # it is still open
        assert len(early.rows) == max(0, STRIDE * (1 + rows // STRIDE) - fitted().aggregation_.ahead)
        assert len(stream.finish().rows) == rows + WINDOW - len(early.rows)

    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_nothing_follows(self, tmp_path, mode):
        stream = StreamingDetector(fitted(), mode=mode)
        stream.update(waves(30))
        stream.finish()
        for call in (stream.finish, lambda: stream.update([0.0, 0.0]), lambda: stream.save_state(tmp_path / "state")):
            with pytest.raises(ValueError, match="the stream has ended: start another"):
                call()
        assert not list(tmp_path.iterdir())

    def test_nothing_waits_in_causal_mode(self):
        stream = StreamingDetector(fitted(), mode="causal")
        stream.update(waves(5))
        assert len(stream.finish().rows) == 0


def held(thing):
    """Return how many numbers and strings an object holds, at any depth."""
    if isinstance(thing, np.ndarray):
        return thing.size
    if isinstance(thing, dict):
        return sum(map(held, thing.values()))
    if isinstance(thing, (list, tuple)):
        return sum(map(held, thing))
    if isinstance(thing, CrossADDetector):
        return 0
    return held(vars(thing)) if hasattr(thing, "__dict__") else 1


@pytest.mark.parametrize("mode", ["window", "causal"])
@pytest.mark.parametrize(("series", "drift_window"), [(None, None), (3, 30)])
def test_memory_does_not_grow(tmp_path, monkeypatch, mode, series, drift_window):
    random = np.random.default_rng(0)
    detector = copy.copy(fitted())
    monkeypatch.setattr(exp.streaming.thresholds, "MAX_EXCESSES", 16)
    monkeypatch.setattr(
        CrossADDetector, "look", lambda _, windows, **options: random.exponential(size=windows.shape).astype(np.float32)
    )
    detector.decision_scores_ = detector.causal_scores_ = random.gamma(8, 1 / 8, 400)
    stream = StreamingDetector(detector, mode=mode, series=series, drift_window=drift_window)
    sizes = []
    for _ in range(30):
        for _ in range(100):
            stream.update(np.zeros(2) if series is None else np.zeros((series, 1, 2)))
        stream.save_state(tmp_path / "state")
        sizes.append((held(stream), (tmp_path / "state").stat().st_size))
    # One of the two distributions of the tail has fewer values, so a single state may be small: the largest counts.
    (early, early_file), (late, late_file) = np.max(sizes[5:15], axis=0), np.max(sizes[15:], axis=0)
    assert sizes[0][0] < 500 * (series or 1)
    assert late <= early
    assert late_file < 1.05 * early_file


class TestState:
    @pytest.fixture(scope="class")
    def stream(self):
        """A stream halfway through; read-only."""
        stream = StreamingDetector(fitted())
        stream.update(waves(31))
        stream.kept["places"] = ["é", 1.5, None]
        return stream

    @pytest.fixture
    def state(self, stream, tmp_path):
        stream.save_state(tmp_path / "state")
        return tmp_path / "state"

    def test_what_is_kept_with_it(self, stream, state):
        other = StreamingDetector(fitted())
        other.load_state(state)
        assert other.kept == {"places": ["é", 1.5, None]}
        assert other.seen == 31
        other.save_state(state.with_name("again"))
        assert state.with_name("again").read_bytes() == state.read_bytes()

    def test_a_saved_detector(self, stream, state, tmp_path):
        fitted().save(tmp_path / "detector")
        x = waves(31 + 20)[31:]
        other = StreamingDetector.load(tmp_path / "detector", state=state, device="cpu")
        equal_streams(joined([other.update(x), other.finish()]), joined([*copied_updates(stream, x)]))
        fresh = StreamingDetector.load(tmp_path / "detector", mode="causal", device="cpu", series=2)
        assert (fresh.seen, fresh.mode, fresh.series) == (0, "causal", 2)

    @pytest.mark.parametrize(
        ("parameters", "options", "message"),
        [
            ({}, {"mode": "causal"}, "mode 'window' vs. 'causal'"),
            ({}, {"series": 1}, "series None vs. 1"),
            ({}, {"drift_window": 5}, "drift_window None vs. 5"),
            ({}, {"drift_window": 5, "mode": "causal"}, "drift_window None vs. 5, mode 'window' vs. 'causal'"),
            ({"seed": 3}, {}, "another detector"),
            ({"risk": 1e-2}, {}, "another detector"),
            ({"threshold": 3.0}, {}, "another detector"),
            ({"channels": 1}, {}, "another detector"),
        ],
    )
    def test_another_stream(self, state, parameters, options, message):
        refused(StreamingDetector(fitted(**parameters), **options), state, message)

    def test_the_other_way_round(self, tmp_path):
        """A state without SPOT's tail for a stream that has one, and a state with another number of series."""
        StreamingDetector(fitted(threshold=3.0), series=2).save_state(tmp_path / "state")
        refused(StreamingDetector(fitted()), tmp_path / "state", "another detector")
        refused(StreamingDetector(fitted(threshold=3.0), series=3), tmp_path / "state", "series 2 vs. 3")

    def test_another_format(self, state, monkeypatch):
        monkeypatch.setattr(exp.streaming.state, "FORMAT", exp.streaming.state.FORMAT + 1)
        refused(StreamingDetector(fitted()), state, "has the format 6, but this version reads 7: start without it")

    def test_no_state(self, tmp_path):
        for path in (tmp_path / "none", tmp_path):
            refused(StreamingDetector(fitted()), path, "no such stream state: name another file")

    @pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 0.999])
    def test_cut_short(self, state, share):
        state.write_bytes(state.read_bytes()[: int(share * state.stat().st_size)])
        refused(StreamingDetector(fitted()), state, "damaged, or not a stream state")

    @given(data=st.data())
    @hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_a_flipped_bit(self, stream, state, data):
        stream.save_state(state)
        stored = bytearray(state.read_bytes())
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        state.write_bytes(stored)
        refused(StreamingDetector(fitted()), state, "damaged, or not a stream state")

    @given(start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x04"]), junk=st.binary(max_size=200))
    @hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_bytes(self, tmp_path, start, junk):
        (tmp_path / "state").write_bytes(start + junk)
        refused(StreamingDetector(fitted()), tmp_path / "state", "damaged, or not a stream state")

    @pytest.mark.parametrize("sealed", [False, True])
    def test_arrays_of_others(self, tmp_path, sealed):
        write_npz(tmp_path / "state", sealed, a=np.zeros(3))
        refused(StreamingDetector(fitted()), tmp_path / "state", "damaged, or not a stream state")

    @pytest.mark.parametrize("sealed", [False, True])
    def test_a_pickle_inside_is_not_read(self, tmp_path, sealed):
        trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
        write_npz(tmp_path / "state", sealed, recent=trap, sums=trap, counts=trap, note=trap)
        refused(StreamingDetector(fitted()), tmp_path / "state", "damaged, or not a stream state")
        assert not (tmp_path / "sprung").exists()

    def test_it_holds_no_pickle(self, state):
        with np.load(state, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype.kind in "fU" for name in arrays)
            json.loads(str(arrays["note"]))

    def test_a_save_that_breaks_off_leaves_the_old_one(self, state, monkeypatch):
        before = state.read_bytes()
        other = StreamingDetector(fitted())
        other.update(waves(5))

        def fail(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", fail)
            with pytest.raises(OSError, match="No space"):
                other.save_state(state)
        assert state.read_bytes() == before
        assert list(state.parent.iterdir()) == [state]
        assert len(other.update(waves(2 * WINDOW)).rows) > 0  # the stream itself continues


def copied_updates(stream, points):
    """Return the results of a copy of the stream for further points."""
    other = copy.deepcopy(stream)
    return other.update(points), other.finish()


def refused(stream, path, message):
    """Assert that the stream refuses the state in one line and is unchanged."""
    before = held(stream), stream.seen
    with pytest.raises(UserError, match=message) as caught:
        stream.load_state(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert (held(stream), stream.seen) == before


def write_npz(path, sealed, **arrays):
    """Write arrays to a file, sealed with the digest at the end of a state if requested."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    path.write_bytes(content + (hashlib.sha256(content).digest() if sealed else b""))


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@functools.cache
def server():
    if not (SMD / "machine-1-6.npz").exists():
        pytest.skip("needs SMD's servers in ../shared")
    with np.load(SMD / "machine-1-6.npz") as arrays:
        return arrays["train"][:800], arrays["test"][:2001]


def test_a_server_machine(tmp_path):
    """Random blocks, three restarts from a saved detector and a saved state: bit-identical to the batch."""
    train, test = server()
    model = CONFIG["model"] | {"seq_len": 96, "patch_len": 12}
    detector = unfitted(
        threshold="spot", config={"model": model, "train": {"train_epochs": 1, "epoch_windows": 64}}
    ).fit(train)
    detector.save(tmp_path / "detector")
    random, state, parts = np.random.default_rng(0), tmp_path / "state", []
    stream = StreamingDetector.load(tmp_path / "detector", device="cpu")
    starts = np.cumsum([0, *random.integers(0, 90, 100)])
    starts = [*starts[starts < len(test)].tolist(), len(test)]
    restarts = set(random.choice(len(starts) - 1, 3, replace=False).tolist())
    for number, (start, end) in enumerate(itertools.pairwise(starts)):
        parts.append(stream.update(test[start:end]))
        if number in restarts:
            stream.save_state(state)
            stream = StreamingDetector.load(tmp_path / "detector", state=state, device="cpu")
    scores = joined([*parts, stream.finish()])
    equal_bits(scores.rows, np.arange(len(test)))
    equal_bits(scores.channel_scores, detector.channel_scores(test))
    equal_bits(scores.score, detector.decision_function(test))
    equal_bits(scores.alarm, spot(detector.decision_scores_).update_many(scores.score)[0])
