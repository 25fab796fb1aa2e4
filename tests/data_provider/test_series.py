import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from data_provider import DataError, Series, split_series


@pytest.fixture
def series():
    random = np.random.default_rng(0)
    train, test = (random.normal([5, -3, 0], [2, 0.1, 1], (points, 3)) for points in (103, 40))
    train[:, 2] = test[:, 2] = 0.1  # a constant whose mean is not exact
    return Series("toy", train, test, (random.random(40) < 0.1).astype(np.uint8), ("a", "b", "c"))


@pytest.mark.parametrize("order", ["C", "F"])
def test_train_mode_equals_standard_scaler(series, order):
    train, test = (np.asarray(part, order=order) for part in (series.train, series.test))
    parts = split_series(Series("toy", train, test, series.test_label, series.channels))
    scaler = StandardScaler().fit(series.train)
    np.testing.assert_allclose(parts.offset, scaler.mean_, rtol=1e-13)
    np.testing.assert_allclose(parts.scale, scaler.scale_, rtol=1e-13)
    np.testing.assert_allclose(parts.train_full, scaler.transform(series.train), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(parts.test, scaler.transform(series.test), rtol=1e-6, atol=1e-7)
    assert parts.scale[2] == 1
    assert {part.dtype for part in (parts.train_full, parts.test)} == {np.dtype(np.float32)}


def test_train_and_validation_are_views_of_the_training_part(series):
    parts = split_series(series)
    assert (len(parts.train), len(parts.validation)) == (82, 21)
    assert np.shares_memory(parts.train, parts.train_full)
    np.testing.assert_array_equal(np.concatenate([parts.train, parts.validation]), parts.train_full)
    assert parts.train_full.flags.c_contiguous


def test_each_mode_takes_every_part_by_its_own_figures(series):
    parts = split_series(series, standardise="each")
    train = series.train
    raw = {"train": train[:82], "validation": train[82:], "train_full": train, "test": series.test}
    for name, values in raw.items():
        expected = StandardScaler().fit_transform(values)
        np.testing.assert_allclose(getattr(parts, name), expected, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("points", "share", "cut"), [(1200, 0.2, 960), (10, 0.3, 7), (11, 0.2, 8)])
def test_the_split(points, share, cut):
    values = np.arange(float(points))[:, None]
    series = Series("line", values, values, np.zeros(points, np.uint8), ("a",))
    assert len(split_series(series, validation_share=share).train) == cut


def test_a_training_part_too_short_to_split(series):
    short = Series("short", series.train[:1], series.test, series.test_label, series.channels)
    with pytest.raises(DataError, match="short: a training part of 1 points cannot be split"):
        split_series(short)


def test_unknown_rule(series):
    with pytest.raises(ValueError, match="'train' or 'each', got 'test'"):
        split_series(series, standardise="test")


def test_select(series):
    dropped = series.select(drop=[1])
    assert dropped.channels == ("a", "c")
    np.testing.assert_array_equal(dropped.train, series.train[:, [0, 2]])
    np.testing.assert_array_equal(dropped.test, series.test[:, [0, 2]])
    assert dropped.test_label is series.test_label
    assert series.select(drop=[]) is series


@pytest.mark.parametrize("index", [3, -1])
def test_select_beyond_the_channels(series, index):
    with pytest.raises(DataError, match=f"toy: there is no channel {index} to drop; the channels are 0 to 2: correct"):
        series.select(drop=[0, index])


def test_select_nothing(series):
    with pytest.raises(DataError, match="toy: none of its 3 channels is left: shorten drop_channels"):
        series.select(drop=range(3))


def test_min_max_scaling_equals_the_min_max_scaler(series):
    parts = split_series(series, scaling="min-max")
    scaler = MinMaxScaler().fit(series.train)
    np.testing.assert_allclose(parts.train_full, scaler.transform(series.train), atol=1e-6)
    np.testing.assert_allclose(parts.test, scaler.transform(series.test), rtol=1e-5, atol=1e-6)
    assert parts.train_full.min() == 0
    assert parts.train_full.max() == 1
    assert parts.scale[2] == 1


def one_channel(train, test=None, **options):
    """Return the parts of a series with one channel; the test part equals the training part unless given."""
    train = np.asarray(train, float)[:, None]
    test = train if test is None else np.asarray(test, float)[:, None]
    return split_series(Series("toy", train, test, np.zeros(len(test), np.uint8), ("heat",)), **options)


WAVE = np.round(50 * np.sin(np.arange(1000) / 7)) + 50  # whole numbers, so that a large offset leaves them exact


@pytest.mark.parametrize("offset", [1e12, -1e14, 1e15, 5e15])
@pytest.mark.parametrize("standardise", ["train", "each"])
def test_a_large_offset_makes_no_difference(offset, standardise):
    plain, far = (one_channel(WAVE + shift, standardise=standardise) for shift in (0, offset))
    assert far.scale[0] == pytest.approx(plain.scale[0], rel=1e-12)
    for name in ("train", "validation", "train_full", "test"):
        np.testing.assert_allclose(getattr(far, name), getattr(plain, name), atol=0.04)  # half a unit of the offset


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e-12, 1e100, 1e148])
def test_the_unit_makes_no_difference(factor):
    np.testing.assert_allclose(one_channel(WAVE * factor).train_full, one_channel(WAVE).train_full, rtol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1e15 / 3, 1e99 / 7, -7e-310])
@pytest.mark.parametrize("units", [0, 1, 4])
def test_a_channel_that_is_constant_up_to_rounding_is_not_blown_up(value, units):
    values = np.full(1000, value)
    values[::2] += units * np.spacing(abs(value))
    parts = one_channel(values)
    assert parts.scale[0] == pytest.approx(max(1, 1e-12 * value))
    assert np.ptp(parts.train_full) <= 1


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("train", 1e200, "beyond 1e.150"),
        ("train", -1e308, "beyond 1e.150"),
        ("test", 1e200, "beyond 1e.150"),
        ("train", 1e39, "the other values of the channel look identical"),
        ("test", 1e30, "too far from the training values"),
        ("test", -1e21, "too far from the training values"),
    ],
)
@pytest.mark.parametrize("scaling", ["standard", "min-max"])
def test_values_beyond_the_range_are_refused_in_one_line(part, value, says, scaling):
    arrays = {"train": WAVE.copy(), "test": WAVE.copy()}
    arrays[part][60] = value
    with pytest.raises(DataError, match=says) as caught:
        one_channel(**arrays, scaling=scaling)
    place = {"train": "training", "test": "test"}[part]
    assert str(caught.value).startswith(f"toy: the {place} part: channel 'heat' holds {value:g} at row 60, counted ")
    assert "\n" not in str(caught.value)


def test_values_that_are_large_but_within_the_range():
    spike = np.where(np.arange(1000) == 60, 1e12, WAVE)
    assert np.isfinite(one_channel(spike).train_full).all()
    assert np.isfinite(one_channel(WAVE, spike).test).all()
    actuator = np.where(np.arange(1000) < 990, 1e-17 * np.sin(np.arange(1000)), 1.0)  # noise about 0, then on
    assert np.isfinite(one_channel(actuator).train_full).all()
    assert np.isfinite(one_channel(np.full(1000, 20.1), WAVE).test).all()


@pytest.mark.parametrize("base", [10**13, 10**15, -(10**15)])
def test_small_differences_of_large_whole_numbers_are_standardised(base):
    values = (base + np.arange(1000) % 53)[:, None].astype(np.float64)
    parts = split_series(Series("X", values, values, np.zeros(1000, np.uint8), ("a",)))
    np.testing.assert_allclose(parts.train_full.std(), 1, rtol=1e-3)
    assert len(np.unique(parts.train_full)) == 53
