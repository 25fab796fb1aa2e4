import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.DualSTF.spectrum import to_frequencies
from models.DualSTF.temporal import FrequencyBlock, FrequencyEmbedding, SemanticGate, TemporalPath, stretching
from tests.support.dualstf_cases import noisy, small, windows


def test_stretching_by_hand():
    expected = torch.tensor([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    torch.testing.assert_close(stretching(2, 4), expected)
    assert torch.equal(stretching(1, 3), torch.ones(3, 1))
    assert torch.equal(stretching(5, 5), torch.eye(5))


@given(tokens=st.integers(1, 12), each=st.integers(1, 12))
def test_stretching_keeps_means_and_straight_lines(tokens, each):
    matrix = stretching(tokens, tokens * each)
    torch.testing.assert_close(matrix.sum(1), torch.ones(tokens * each))
    line = matrix @ torch.arange(tokens).float()
    points = (torch.arange(tokens * each) + 0.5) / each - 0.5
    torch.testing.assert_close(line, points.clamp(0, tokens - 1), rtol=1e-4, atol=1e-5)


def test_embedding_with_one_map_for_both_parts_maps_every_point():
    embedding, x = noisy(FrequencyEmbedding(small(), 3)), windows(channels=3)
    with torch.no_grad():
        embedding.imaginary.weight.copy_(embedding.real.weight)
    torch.testing.assert_close(embedding(x), embedding.norm(embedding.real(x)), rtol=1e-4, atol=1e-4)


def test_embedding_maps_real_and_imaginary_parts_by_their_own():
    """The real part is the series' even part around its first point, the imaginary one its odd part."""
    embedding, x = noisy(FrequencyEmbedding(small(), 3)), windows(channels=3)
    mirrored = x.flip(1).roll(1, dims=1)
    mapped = embedding.real((x + mirrored) / 2) + embedding.imaginary((x - mirrored) / 2)
    torch.testing.assert_close(embedding(x), embedding.norm(mapped), rtol=1e-4, atol=1e-4)


def test_frequency_block_averages_the_semantics_of_both_parts():
    block, x = noisy(FrequencyBlock(small())), windows(channels=8)
    points, semantics = block(x)
    assert points.shape == x.shape
    assert semantics.shape == (3, 4, 8)
    real, imaginary = to_frequencies(x).chunk(2)
    expected = (block.block(real, block.semantics)[1] + block.block(imaginary, block.semantics)[1]) / 2
    torch.testing.assert_close(semantics, expected)


def test_frequency_block_without_gamma_returns_points_and_its_own_tokens():
    block, x = noisy(FrequencyBlock(small())), windows(channels=8)
    with torch.no_grad():
        block.block.gammas.zero_()
    points, semantics = block(x)
    torch.testing.assert_close(points, x, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(semantics, block.semantics.expand(3, -1, -1))


@pytest.mark.parametrize(("bias", "share"), [(1e4, 1.0), (-1e4, 0.0), (0.0, 0.5)])
def test_limits_of_the_gate(bias, share):
    gate = noisy(SemanticGate(small()))
    with torch.no_grad():
        gate.gate.weight.zero_()
        gate.gate.bias.fill_(bias)
    x, s = windows(channels=8), windows(channels=8, seed=2)
    torch.testing.assert_close(gate(x, s), share * x + (1 - share) * s)


def test_the_gate_is_that_of_the_definition():
    gate = noisy(SemanticGate(small()))
    x, s = windows(channels=8), windows(channels=8, seed=2)
    mixed = gate.norm(x @ gate.points.weight.T + s @ gate.semantics.weight.T)
    g = 1 / (1 + (-(mixed @ gate.gate.weight.T + gate.gate.bias)).exp())
    torch.testing.assert_close(gate(x, s), g * x + (1 - g) * s)


def test_path_averages_over_patch_sizes():
    path, x = noisy(TemporalPath(small(), 2)), windows()
    reconstruction, semantics = path(x)
    assert reconstruction.shape == x.shape
    points, tokens = path.frequencies(path.embedding(x))
    torch.testing.assert_close(semantics, stretching(4, 24) @ tokens)
    points = path.gate(points, semantics)
    mixed = (path.patches[0](points, points) + path.patches[1](points, points)) / 2
    torch.testing.assert_close(reconstruction, path.projection(mixed))
    assert [attention.patch_size for attention in path.patches] == [4, 7]
