import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.DualSTF.spectrum import to_frequencies, to_series
from models.DualSTF.structural import CircularEmbedding, FeatureBlock, Merge, Prototypes, StructuralPath, cosines
from tests.support.dualstf_cases import noisy, small, windows


def test_embedding_goes_around_the_window():
    embedding, x = noisy(CircularEmbedding(small(), 2)), windows()
    torch.testing.assert_close(embedding(x.roll(5, dims=1)), embedding(x).roll(5, dims=1))


def test_embedding_averages_over_kernel_sizes():
    embedding, x = noisy(CircularEmbedding(small(kernel_sizes=[1, 3]), 2)), windows()
    one, three = embedding.convolutions
    mapped = x @ one.weight[..., 0].T + one.bias
    around = sum(x.roll(1 - k, dims=1) @ three.weight[..., k].T for k in range(3)) + three.bias
    torch.testing.assert_close(embedding(x), embedding.norm((mapped + around) / 2), rtol=1e-4, atol=1e-5)


def test_feature_block_takes_spectra_of_features_as_tokens():
    block, x = noisy(FeatureBlock(small())), windows(channels=8)
    features = block.from_frequencies(to_frequencies(x).mT)
    assert features.shape == (6, 8, 8)
    refined = block.to_frequencies(block.block(features, block.semantics)[0])
    torch.testing.assert_close(block(x), to_series(refined.mT, 24))


def test_feature_block_of_maps_that_undo_each_other_and_no_gamma_returns_its_points():
    block, x = FeatureBlock(small(d_model=16)), windows(channels=16)
    with torch.no_grad():
        block.block.gammas.zero_()
        for layer in (block.from_frequencies, block.to_frequencies):  # 13 frequencies
            layer.weight.copy_(torch.eye(*layer.weight.shape))
            layer.bias.zero_()
    torch.testing.assert_close(block(x), x, rtol=1e-4, atol=1e-5)


def test_merge():
    merge, x, s = noisy(Merge(small())), windows(channels=8), windows(channels=8, length=4, seed=2)
    points, tokens = merge(x, s)
    joint = torch.cat([x, s], dim=1)
    attended = joint + merge.attention(merge.norm(joint), merge.norm(joint))
    expected = attended[:, :24]
    torch.testing.assert_close(points, expected + merge.points_ffn(merge.points_norm(expected)))
    expected = attended[:, 24:]
    torch.testing.assert_close(tokens, expected + merge.semantics_mlp(merge.semantics_norm(expected)))


def test_values_of_the_prototypes():
    expected = torch.tensor([[1, 1, 1, 1], [1, 0, -1, 0], [1, -1, 1, -1.0]])
    torch.testing.assert_close(cosines(3, 4), expected, rtol=0, atol=1e-6)
    assert cosines(10, 128)[7, 100] == pytest.approx(math.cos(2 * math.pi * 100 * 7 / 128), abs=1e-6)


@given(width=st.integers(1, 200))
def test_prototypes_are_orthogonal(width):
    prototypes = cosines(width // 2 + 1, width).double()
    expected = torch.full((width // 2 + 1,), width / 2, dtype=torch.float64)
    expected[0] = width
    if width % 2 == 0:
        expected[-1] = width
    torch.testing.assert_close(prototypes @ prototypes.T, expected.diag(), rtol=1e-4, atol=1e-4)


def test_a_prototype_is_at_no_distance_from_itself():
    match, zero = Prototypes(small()), torch.zeros(1, 4, 8)
    assert torch.equal(match(cosines(4, 8)[None], zero), torch.zeros(1, 4))
    torch.testing.assert_close(match(cosines(4, 8)[None] * 3, zero), 4 * torch.tensor([[8.0, 4, 4, 4]]))


def test_semantic_tokens_take_part_in_the_choice():
    match, prototypes = Prototypes(small()), cosines(4, 8)
    point = prototypes[1:2, None]  # (1, 1, d)
    away = (prototypes[1] - prototypes[2]).square().sum()
    for strength, distance in ((0.4, 0.0), (0.6, 0.0), (1.4, away)):
        # The mean over the tokens counts: two of four at twice the strength.
        tokens = torch.zeros(1, 4, 8)
        tokens[:, :2] = 2 * strength * prototypes[2]
        torch.testing.assert_close(match(point, tokens), torch.full((1, 1), float(distance)))


@given(seed=st.integers(0, 1000), scale=st.sampled_from([0.01, 1.0, 100.0]))
def test_the_choice_is_that_of_the_largest_product_of_softmaxes(seed, scale):
    torch.manual_seed(seed)
    match = Prototypes(small())
    x, s = scale * torch.randn(2, 5, 8), scale * torch.randn(2, 4, 8)
    # In logarithms and double precision: the products themselves underflow.
    prototypes = cosines(4, 8).double()
    points = (x.double() @ prototypes.T / 0.1).log_softmax(-1)
    tokens = (s.double().mean(1, keepdim=True) @ prototypes.T / 0.1).log_softmax(-1)
    taken = prototypes[(points + tokens).argmax(-1)]
    torch.testing.assert_close(match(x, s), (x - taken).square().sum(-1).float(), rtol=1e-4, atol=1e-5)


def test_the_temperature_changes_gradients_alone():
    x, distances, gradients = windows(channels=8), [], []
    for temperature in (0.1, 10.0):
        s = windows(channels=8, length=4, seed=2).requires_grad_()
        distance = Prototypes(small(temperature=temperature))(x, s)
        distance.sum().backward()
        distances.append(distance.detach())
        gradients.append(s.grad)
    assert torch.equal(*distances)
    assert not torch.allclose(*gradients)


def test_the_choice_passes_the_gradient_of_the_soft_one():
    match, prototypes = Prototypes(small(temperature=5.0)), cosines(4, 8)
    x, s = windows(channels=8), windows(channels=8, length=4, seed=2).requires_grad_()
    match(x, s).sum().backward()
    hard = prototypes[((x + s.mean(1, keepdim=True)) @ prototypes.T).argmax(-1)].detach()
    twin = s.detach().clone().requires_grad_()
    points, tokens = ((value @ prototypes.T / 5).softmax(-1) for value in (x, twin.mean(1, keepdim=True)))
    soft = points * tokens / (points * tokens).sum(-1, keepdim=True) @ prototypes
    (-2 * (x - hard) * soft).sum().backward()
    torch.testing.assert_close(s.grad, twin.grad, rtol=1e-4, atol=1e-5)
    assert s.grad.abs().max() > 0


def test_share_of_the_temporal_semantics():
    x, semantics = windows(), windows(channels=8, seed=2)
    path = noisy(StructuralPath(small(structural_share=1), 2))
    assert torch.equal(path(x, semantics), path(x, semantics + 1))
    path = noisy(StructuralPath(small(structural_share=0), 2))
    points, tokens = path.merge(*path.times(path.features(path.embedding(x)), path.semantics))
    torch.testing.assert_close(path(x, semantics), path.prototypes(semantics, tokens))
    path = noisy(StructuralPath(small(), 2))
    points, tokens = path.merge(*path.times(path.features(path.embedding(x)), path.semantics))
    torch.testing.assert_close(path(x, semantics), path.prototypes(0.7 * points + 0.3 * semantics, tokens))


def test_tokens_over_time_start_at_zero_and_alike():
    path = StructuralPath(small(), 2)
    assert path.semantics.shape == (1, 4, 8)
    assert not path.semantics.any()
    path(windows(), windows(channels=8, seed=2)).sum().backward()
    gradient = path.semantics.grad
    assert gradient.abs().max() > 0
    torch.testing.assert_close(gradient, gradient[:, :1].expand_as(gradient))
