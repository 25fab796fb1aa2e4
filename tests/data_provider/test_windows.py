import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_provider import DataError, Windows


@st.composite
def windows_without_gaps(draw):
    length = draw(st.integers(1, 12))
    points = draw(st.integers(length, 60))
    channels = draw(st.integers(1, 3))
    values = np.arange(points * channels, dtype=np.float32).reshape(points, channels)
    stride = draw(st.integers(1, length))
    return Windows(values, length, stride=stride, cover_tail=draw(st.booleans()))


@settings(deadline=None)
@given(windows_without_gaps())
def test_coverage(windows):
    points = len(windows.values)
    if windows.cover_tail:
        assert windows.covered_points == points
    else:
        assert points - windows.stride < windows.covered_points <= points


@settings(deadline=None)
@given(windows_without_gaps(), st.data())
def test_gather_equals_slicing(windows, data):
    indices = data.draw(st.lists(st.integers(0, len(windows) - 1), min_size=1, max_size=8))
    batch = windows.gather(torch.tensor(indices))
    slices = [windows.values[start : start + windows.length] for start in windows.starts[indices].tolist()]
    assert torch.equal(batch, torch.stack(slices))
    assert batch.is_contiguous()
    assert batch.dtype == torch.float32


@settings(deadline=None)
@given(windows_without_gaps(), st.integers(1, 20), st.integers(0, 2**32))
def test_batches_hold_every_index_once(windows, batch_size, seed):
    in_order = list(windows.batches(batch_size))
    assert torch.equal(torch.cat(in_order), torch.arange(len(windows)))
    shuffled = list(windows.batches(batch_size, generator=torch.Generator().manual_seed(seed)))
    again = list(windows.batches(batch_size, generator=torch.Generator().manual_seed(seed)))
    assert torch.equal(torch.cat(shuffled).sort().values, torch.arange(len(windows)))
    assert torch.equal(torch.cat(shuffled), torch.cat(again))
    assert [len(batch) for batch in shuffled] == [len(batch) for batch in in_order]
    assert {len(batch) for batch in in_order[:-1]} <= {batch_size}


def test_a_generator_shuffles():
    windows = Windows(np.zeros((1000, 1), np.float32), 1)
    (order,) = windows.batches(1000, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(order, torch.arange(1000))


def test_tail_window_ends_at_the_last_point():
    assert Windows(np.zeros((10, 1)), 4, stride=4, cover_tail=True).starts.tolist() == [0, 4, 6]


def test_no_tail_window_where_the_last_one_reaches_the_end():
    assert Windows(np.zeros((8, 1)), 4, stride=4, cover_tail=True).starts.tolist() == [0, 4]


def test_float32_values_are_not_copied():
    values = np.zeros((100, 2), np.float32)
    windows = Windows(values, 10)
    assert windows.values.data_ptr() == values.ctypes.data
    assert windows.to("cpu").values.data_ptr() == values.ctypes.data


def test_to_keeps_the_windows():
    windows = Windows(np.arange(10.0)[:, None], 4, stride=4, cover_tail=True).to("cpu")
    assert windows.starts.tolist() == [0, 4, 6]


def test_read_only_and_float64_arrays_are_taken():
    values = np.arange(6.0)[:, None]
    values.flags.writeable = False
    assert Windows(values, 2).gather(torch.tensor([4])).flatten().tolist() == [4, 5]


def test_part_shorter_than_a_window():
    with pytest.raises(DataError, match=r"^test part of MSL has 5 points, fewer than a window of 96 \(seq_len\)"):
        Windows(np.zeros((5, 1)), 96, name="test part of MSL")


@pytest.mark.parametrize(("shape", "length", "stride"), [((9,), 2, 1), ((9, 1), 0, 1), ((9, 1), 2, 0)])
def test_wrong_calls(shape, length, stride):
    with pytest.raises(ValueError, match="must"):
        Windows(np.zeros(shape), length, stride=stride)


def test_a_limit_takes_the_first_of_the_order():
    windows = Windows(np.zeros((100, 1)), 1)
    whole = torch.cat(list(windows.batches(8, generator=torch.Generator().manual_seed(0))))
    some = list(windows.batches(8, generator=torch.Generator().manual_seed(0), limit=20))
    assert [len(batch) for batch in some] == [8, 8, 4]
    assert torch.equal(torch.cat(some), whole[:20])
