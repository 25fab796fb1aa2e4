import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from models.CrossAD.crossad import FeedForward
from models.CrossAD.fast import CrossAttention, SelfAttention, attend
from models.CrossAD.norms import TokenBatchNorm, make_norm
from models.CrossAD.scales import ScaleLayout
from tests.support.crossad_cases import configs, network, small


def influences(module, tokens, *others):
    """Return whether each output token (row) depends on each input token (column), from gradients: (P, P) booleans."""
    tokens = tokens.clone().requires_grad_()
    output = module(tokens, *others)
    rows = []
    for index in range(output.shape[1]):
        # Not a plain sum, on which a normalised token has no gradient.
        (gradient,) = torch.autograd.grad(output[:, index].pow(3).sum(), tokens, retain_graph=True)
        rows.append(gradient.abs().sum((0, 2)) > 0)
    return torch.stack(rows)


@hypothesis_settings(max_examples=20)
@given(configs(norm="layernorm", activation="gelu"))
def test_an_encoder_token_sees_its_own_scale_alone(config):
    model, layout = network(config).eval(), ScaleLayout(config)
    tokens = torch.randn(2, len(layout.same_scale), config.d_model)
    assert torch.equal(influences(model.encoder, tokens), layout.same_scale)


@hypothesis_settings(max_examples=20)
@given(configs(norm="layernorm", activation="gelu"))
def test_a_decoder_token_sees_its_own_and_coarser_scales(config):
    model, layout = network(config).eval(), ScaleLayout(config)
    tokens = torch.randn(2, len(layout.own_or_coarser), config.d_model)
    context = torch.randn(1, 5, config.d_model)
    assert torch.equal(influences(model.decoder, tokens, context), layout.own_or_coarser)


@given(queries=st.sampled_from([1, 3, 512, 513, 1100]), keys=st.integers(1, 9), masked=st.booleans())
def test_attention_is_that_of_the_definition(queries, keys, masked):
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 3, queries, 4), torch.randn(2, 3, keys, 4), torch.randn(2, 3, keys, 4)
    hidden = torch.rand(queries, keys) < 0.5
    hidden[:, 0] = False  # a query must see something
    bias = torch.zeros(queries, keys).masked_fill(hidden, -torch.inf) if masked else None
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    torch.testing.assert_close(attend(query, key, value, bias, 0.0), expected, rtol=1e-4, atol=1e-5)


def test_attention_drops_weights_while_training():
    attention = SelfAttention(small(attn_dropout=0.5))
    x, bias = torch.randn(2, 6, 16), torch.zeros(6, 6)
    assert torch.equal(attention.eval()(x, bias), attention(x, bias))
    assert not torch.equal(attention.train()(x, bias), attention(x, bias))
    torch.manual_seed(0)
    mean = torch.stack([attention(x, bias) for _ in range(3000)]).mean(0)
    torch.testing.assert_close(mean, attention.eval()(x, bias), rtol=0, atol=0.05)


def test_one_context_for_all_windows_is_the_same_context_for_each():
    attention = CrossAttention(small()).eval()
    x, context = torch.randn(3, 6, 16), torch.randn(1, 5, 16)
    torch.testing.assert_close(attention(x, context), attention(x, context.expand(3, -1, -1)))


def test_cross_attention_does_not_see_other_windows():
    attention = CrossAttention(small()).eval()
    x, context = torch.randn(3, 6, 16), torch.randn(3, 5, 16)
    before = attention(x, context)
    context[1] += 1
    after = attention(x, context)
    assert not torch.allclose(after[1], before[1])
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]])


def test_self_attention_is_pytorchs():
    ours, theirs = SelfAttention(small()).eval(), nn.MultiheadAttention(16, 2, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.qkv.weight,
            "in_proj_bias": ours.qkv.bias,
            "out_proj.weight": ours.output.weight,
            "out_proj.bias": ours.output.bias,
        }
    )
    x, hidden = torch.randn(3, 6, 16), torch.ones(6, 6).triu(1).bool()
    bias = torch.zeros(6, 6).masked_fill(hidden, -torch.inf)
    torch.testing.assert_close(ours(x, bias), theirs(x, x, x, attn_mask=hidden)[0])


@pytest.mark.parametrize(("name", "activation"), [("relu", F.relu), ("gelu", F.gelu)])
def test_feed_forward(name, activation):
    part = FeedForward(small(activation=name, d_ff=7, ff_dropout=0.5)).eval()
    x = torch.randn(2, 3, 16)
    expected = F.linear(activation(part.expand(x)), part.contract.weight, part.contract.bias)
    torch.testing.assert_close(part(x), expected)
    assert part.expand.out_features == 7
    assert FeedForward(small()).expand.out_features == 4 * 16


@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_gradients_of_a_feed_forward_part_with_dropout(name):
    """One of its tensors is changed in place, which must not reach the gradient."""
    part = FeedForward(small(activation=name, ff_dropout=0.5)).double()
    x = torch.randn(2, 3, 16, dtype=torch.float64, requires_grad=True)

    def drawn(x):
        torch.manual_seed(0)
        return part(x)

    assert torch.autograd.gradcheck(drawn, x)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("layernorm", nn.LayerNorm),
        ("LayerNorm", nn.LayerNorm),
        ("batchnorm", TokenBatchNorm),
        ("BatchNorm1d", TokenBatchNorm),
        ("batch_norm", TokenBatchNorm),
        ("batch", TokenBatchNorm),
    ],
)
def test_names_of_norms(name, kind):
    assert type(make_norm(small(norm=name))) is kind


def test_batch_norm_is_over_all_tokens():
    norm = TokenBatchNorm(16).train()
    x = 3 + 2 * torch.randn(4, 5, 16)
    flat = x.reshape(-1, 16)
    torch.testing.assert_close(
        norm(x), ((x - flat.mean(0)) / (flat.var(0, correction=0) + norm.eps).sqrt()), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(norm.running_mean, 0.1 * flat.mean(0))
