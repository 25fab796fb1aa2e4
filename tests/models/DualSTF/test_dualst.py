import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from models.DualSTF.dualst import Attention, DualSTBlock, FeedForward, TokenConvolution
from tests.support.dualstf_cases import noisy, small


def tokens(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_attention_is_pytorchs():
    ours, theirs = noisy(Attention(small())), nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
            "in_proj_bias": torch.zeros(24),
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    x, context = tokens(3, 6, 8), tokens(3, 5, 8, seed=1)
    torch.testing.assert_close(ours(x, context), theirs(x, context, context)[0])


@settings(max_examples=30)
@given(count=st.integers(1, 20), others=st.integers(1, 20), size=st.integers(1, 8))
def test_patches_attend_as_wholes(count, others, size):
    """Against the definition: a loop over heads and patches, with ends padded with the last token."""
    attention = noisy(Attention(small(), size))
    x, context = tokens(2, count, 8), tokens(2, others, 8, seed=1)

    def patches(mapped):
        last = mapped[-1:].expand(-len(mapped) % size, -1)
        return torch.cat([mapped, last]).split(size)

    expected = torch.zeros(2, count, 8)
    for window in range(2):
        keys, values = attention.key_value(context[window]).chunk(2, dim=-1)
        for head in (slice(0, 4), slice(4, 8)):
            rows = []
            for query in patches(attention.query(x[window])[:, head]):
                likeness = torch.stack([(query * key).sum() for key in patches(keys[:, head])])
                weights = (likeness / (size * 4) ** 0.5).softmax(0)
                rows.append(sum(w * value for w, value in zip(weights, patches(values[:, head]), strict=True)))
            expected[window, :, head] = torch.cat(rows)[:count]
    torch.testing.assert_close(attention(x, context), attention.output(expected), rtol=1e-4, atol=1e-5)


def test_swapping_patches_swaps_what_comes_of_them():
    attention, x = noisy(Attention(small(), 4)), tokens(2, 12, 8)
    order = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11])
    swapped = x[:, order]
    torch.testing.assert_close(attention(swapped, swapped), attention(x, x)[:, order])
    order = torch.arange(11, -1, -1)  # within patches, too
    swapped = x[:, order]
    assert not torch.allclose(attention(swapped, x), attention(x, x)[:, order])


@pytest.mark.parametrize("count", [1, 2, 9])
def test_token_convolution_is_conv1d(count):
    convolution, x = noisy(TokenConvolution(6)), tokens(2, count, 6)
    expected = F.conv1d(x.transpose(1, 2), convolution.weight, convolution.bias, padding=1, groups=6)
    torch.testing.assert_close(convolution(x), expected.transpose(1, 2))


def test_token_convolution_by_hand():
    convolution = TokenConvolution(1)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([[[1.0, 10.0, 100.0]]]))
        convolution.bias.fill_(0.5)
    result = convolution(torch.tensor([[[1.0], [2.0], [3.0]]]))
    assert result.flatten().tolist() == [210.5, 321.5, 32.5]


def test_feed_forward():
    x = tokens(2, 5, 8)
    mlp, ffn = (noisy(FeedForward(small(d_ff=3), mixes_tokens=mixes)) for mixes in (False, True))
    torch.testing.assert_close(mlp(x), mlp.contract(F.gelu(mlp.expand(x))))
    torch.testing.assert_close(ffn(x), ffn.contract(F.gelu(ffn.convolution(ffn.expand(x)))))
    assert mlp.expand.out_features == ffn.contract.in_features == 3
    moved = x.clone()
    moved[:, 2] += 1
    assert [bool(row.any()) for row in (mlp(moved) != mlp(x))[0]] == [False, False, True, False, False]
    assert [bool(row.any()) for row in (ffn(moved) != ffn(x))[0]] == [False, True, True, True, False]


def test_without_gamma_a_block_returns_what_it_is_given():
    block = noisy(DualSTBlock(small()))
    with torch.no_grad():
        block.gammas.zero_()
    x, s = tokens(3, 6, 8), tokens(3, 4, 8, seed=1)
    refined, semantics = block(x, s)
    assert torch.equal(refined, x)
    assert torch.equal(semantics, s)


def test_a_new_block_all_but_returns_what_it_is_given():
    block = DualSTBlock(small())
    assert block.gammas.shape == (5, 8)
    assert (block.gammas == 1e-6).all()
    x, s = tokens(3, 6, 8), tokens(3, 4, 8, seed=1)
    refined, semantics = block(x, s)
    assert 0 < (refined - x).abs().max() < 1e-4
    assert 0 < (semantics - s).abs().max() < 1e-4


@pytest.mark.parametrize("step", range(5))
def test_each_gamma_weighs_its_own_step(step):
    """With a single γ, the block adds that step's part and nothing else."""
    block = noisy(DualSTBlock(small()))
    gamma = tokens(8, seed=2)
    with torch.no_grad():
        block.gammas.zero_()
        block.gammas[step] = gamma
    x, s = tokens(3, 6, 8), tokens(3, 4, 8, seed=1)
    read = block.tokens_norm1(x)
    part = [
        lambda: block.self_attention(s, s),
        lambda: block.to_semantics(block.semantics_norm1(s), read),
        lambda: block.semantics_mlp(block.semantics_norm2(s)),
        lambda: block.to_tokens(read, block.semantics_norm3(s)),
        lambda: block.tokens_ffn(block.tokens_norm2(x)),
    ][step]()
    refined, semantics = block(x, s)
    torch.testing.assert_close(refined, x + gamma * part if step > 2 else x)
    torch.testing.assert_close(semantics, s if step > 2 else s + gamma * part)
    assert part.abs().max() > 0.01


def test_steps_build_on_each_other():
    block = noisy(DualSTBlock(small()))
    x, s = tokens(3, 6, 8), tokens(3, 4, 8, seed=1)
    with torch.no_grad():
        whole = block(x, s)
        expected, gammas = (x, s), block.gammas.clone()
        for step in range(5):
            block.gammas.zero_()
            block.gammas[step] = gammas[step]
            expected = block(*expected)
    torch.testing.assert_close(whole, expected)


def test_semantic_tokens_for_all_windows_are_those_of_each():
    block = noisy(DualSTBlock(small()))
    x, s = tokens(3, 6, 8), tokens(1, 4, 8, seed=1)
    torch.testing.assert_close(block(x, s), block(x, s.repeat(3, 1, 1)))


def test_the_order_of_semantic_tokens_does_not_matter():
    block = noisy(DualSTBlock(small()))
    x, s = tokens(3, 6, 8), tokens(3, 4, 8, seed=1)
    order = torch.tensor([2, 0, 3, 1])
    refined, semantics = block(x, s)
    torch.testing.assert_close(block(x, s[:, order]), (refined, semantics[:, order]))


def test_gradients_of_a_block():
    block = noisy(DualSTBlock(small(d_model=4, d_ff=3, n_prototypes=1))).double()
    x, s = (torch.randn(2, n, 4, dtype=torch.float64, requires_grad=True) for n in (3, 2))
    assert torch.autograd.gradcheck(block, (x, s))
