import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from models.CrossAD.scales import ScaleLayout, cut, downsample, sinusoidal_positions, stretch
from tests.support.crossad_cases import configs, small

series = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=40)


def blocks(values, length):
    """Return blocks of `length` values, the last one filled up with copies of the last value."""
    padded = list(values) + [values[-1]] * (-len(values) % length)
    return [padded[begin : begin + length] for begin in range(0, len(padded), length)]


@given(values=series, kernel=st.integers(1, 45))
def test_downsampling_takes_means_or_first_values_of_blocks(values, kernel):
    x = torch.tensor(values)
    expected = blocks(values, kernel)
    means = [np.mean(block) for block in expected]
    np.testing.assert_allclose(downsample(x, kernel, "average_pooling"), means, rtol=1e-4, atol=1e-4)
    assert downsample(x, kernel, "interval_sampling").tolist() == [block[0] for block in expected]


@given(values=series, length=st.integers(1, 45))
def test_cutting(values, length):
    x = torch.tensor(values)
    assert cut(x, length).tolist() == blocks(values, length)
    assert torch.equal(cut(x, length).flatten()[: len(x)], x)
    assert torch.equal(cut(x.expand(2, 3, -1), length), cut(x, length).expand(2, 3, -1, -1))


@given(values=series, shift=st.floats(-10, 10), factor=st.floats(-3, 3), kernel=st.integers(1, 9))
def test_downsampling_is_linear(values, shift, factor, kernel):
    x = torch.tensor(values, dtype=torch.float64)
    for method in ("average_pooling", "interval_sampling"):
        expected = factor * downsample(x, kernel, method) + shift
        torch.testing.assert_close(downsample(factor * x + shift, kernel, method), expected)


def test_positions_are_waves_of_growing_length():
    rows, width = 50, 6
    table = sinusoidal_positions(rows, width)
    for column in range(width):
        angle = np.arange(rows) / 10000 ** (2 * (column // 2) / width)
        expected = np.cos(angle) if column % 2 else np.sin(angle)
        np.testing.assert_allclose(table[:, column], expected, atol=1e-5)


@given(values=series, length=st.integers(1, 80))
def test_stretching_is_linear_between_the_centres(values, length):
    x = torch.tensor(values, dtype=torch.float64)
    centres = (np.arange(length) + 0.5) * len(values) / length - 0.5
    expected = np.interp(centres, np.arange(len(values)), values)
    np.testing.assert_allclose(stretch(x[None], length)[0], expected, atol=1e-9)
    assert torch.equal(stretch(x[None], len(values))[0], x)


@given(configs())
def test_layout_of_scales(config):
    layout = ScaleLayout(config)
    kernels = [*config.ms_kernels, 1]
    x = torch.randn(config.seq_len)
    scales = [downsample(x, kernel, config.ms_method) for kernel in kernels]
    assert layout.lengths == [len(scale) for scale in scales]
    assert layout.patches == [len(cut(scale, config.patch_len)) for scale in scales]
    assert layout.lengths == sorted(layout.lengths)
    assert layout.lengths[-1] == config.seq_len


@given(configs())
def test_a_coarse_token_stands_where_the_fine_tokens_that_it_covers_stand(config):
    layout = ScaleLayout(config)
    finest = sinusoidal_positions(layout.patches[-1], config.d_model).numpy()
    parts = layout.positions.split(layout.patches[:-1]) if config.ms_kernels else []
    for kernel, part in zip(config.ms_kernels, parts, strict=True):
        for column in range(config.d_model):
            expected = blocks(list(finest[:, column]), kernel)
            row = [block[0] if config.ms_method == "interval_sampling" else np.mean(block) for block in expected]
            np.testing.assert_allclose(part[:, column], row, atol=1e-5)


@given(configs())
def test_upsampling_takes_the_nearest_token_of_the_next_coarser_scale(config):
    layout = ScaleLayout(config)
    coarse, fine = layout.patches[:-1], layout.patches[1:]
    tokens = torch.arange(sum(coarse), dtype=torch.float32)
    pairs = zip(tokens.split(coarse), fine, strict=True)
    expected = torch.cat([F.interpolate(part[None, None], size=size, mode="nearest")[0, 0] for part, size in pairs])
    assert torch.equal(tokens[layout.upsample], expected)


@given(configs())
def test_masks(config):
    layout = ScaleLayout(config)
    source = [scale for scale, count in enumerate(layout.patches[:-1]) for _ in range(count)]
    target = [scale for scale, count in enumerate(layout.patches[1:]) for _ in range(count)]
    assert layout.same_scale.tolist() == [[a == b for b in source] for a in source]
    assert layout.own_or_coarser.tolist() == [[b <= a for b in target] for a in target]


@given(configs())
def test_kept_points_undo_the_cutting(config):
    layout = ScaleLayout(config)
    scales = list(torch.randn(sum(layout.lengths[1:])).split(layout.lengths[1:]))
    patches = torch.cat([cut(scale, config.patch_len).flatten() for scale in scales])
    assert torch.equal(patches[layout.kept_points], torch.cat(scales))


def test_an_example():
    layout = ScaleLayout(small(seq_len=10, ms_kernels=(5, 2), patch_len=2))
    assert layout.lengths == [2, 5, 10]
    assert layout.patches == [1, 3, 5]
    assert layout.upsample.tolist() == [0, 0, 0, 1, 1, 2, 2, 3]
    assert layout.kept_points.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
