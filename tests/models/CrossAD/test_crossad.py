import copy

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from torch.nn import functional as F

from models.CrossAD import CrossAD
from models.CrossAD.fast import SCORE_CHUNK
from models.CrossAD.scales import downsample
from tests.support.crossad_cases import configs, network, small, windows


def buffers(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def unchanged(model, before):
    return all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@hypothesis_settings(max_examples=25)
@given(configs())
def test_shapes_of_every_configuration(config):
    x = windows(2, 3, config.seq_len)
    lengths = [-(-config.seq_len // kernel) for kernel in (*config.ms_kernels[1:], 1)]
    model = network(config)
    for mode in (True, False):
        output = model.train(mode)(x)
        assert output.target.shape == output.reconstruction.shape == (2, sum(lengths), 3)
        assert output.loss.shape == ()
        torch.testing.assert_close(output.loss, F.mse_loss(output.reconstruction, output.target))
        assert (output.query_distance is None) is not mode
        assert torch.equal(output.target[:, -config.seq_len :], x)
        assert model.score(x).shape == x.shape


@hypothesis_settings(max_examples=25)
@given(configs())
def test_the_score_adds_up_the_stretched_errors_of_all_scales(config):
    model, x = network(config).eval(), windows(2, 3, config.seq_len)
    with torch.no_grad():
        output = model(x)
    errors = (output.reconstruction - output.target).square().transpose(1, 2)
    lengths = [-(-config.seq_len // kernel) for kernel in (*config.ms_kernels[1:], 1)]
    parts = [F.interpolate(part, size=config.seq_len, mode="linear") for part in errors.split(lengths, dim=-1)]
    torch.testing.assert_close(model.score(x), sum(parts).transpose(1, 2), rtol=1e-4, atol=1e-5)
    start = 0
    for kernel, length in zip(config.ms_kernels[1:], lengths, strict=False):
        target = downsample(x.transpose(1, 2), kernel, config.ms_method).transpose(1, 2)
        torch.testing.assert_close(output.target[:, start : start + length], target)
        start += length


@pytest.mark.parametrize("norm", ["layernorm", "batchnorm"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_every_parameter_gets_a_gradient(norm, activation):
    model = network(small(norm=norm, activation=activation, bank_size=2, e_layers=2, m_layers=2)).train()
    torch.manual_seed(0)
    model(windows(40)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # Adding a constant to all keys of an attention changes no weight, so the keys' biases have no gradient.
        if not name.endswith(("qkv.bias", "key_value.bias")):
            assert parameter.grad.abs().sum() > 0, name


def test_training_lowers_the_loss():
    model, x = network().train(), windows(16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    torch.manual_seed(0)
    losses = []
    for _ in range(60):
        output = model(x)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(float(output.loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("norm", ["layernorm", "batchnorm"])
def test_channels_and_windows_are_independent(norm):
    model, x = network(small(norm=norm)).eval(), windows(5, 4)
    score = model.score(x)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model.score(x[:, :, order]), score[:, :, order], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.score(x.flip(0)), score.flip(0), rtol=1e-6, atol=1e-6)
    changed = x.clone()
    changed[1, :, 2] += 1
    same = torch.ones(5, 4, dtype=torch.bool)
    same[1, 2] = False
    moved = (model.score(changed) - score).abs().amax(1)
    assert (moved[same] < 1e-5).all()
    assert moved[1, 2] > 1e-3


def test_the_score_does_not_depend_on_the_batch():
    model, x = network().eval(), windows(70, 4)
    whole = model.score(x)
    assert whole.shape[0] * whole.shape[2] > 2 * SCORE_CHUNK
    for size in (1, 7, 33):
        parts = torch.cat([model.score(part) for part in x.split(size)])
        torch.testing.assert_close(parts, whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", [True, False])
def test_scoring_leaves_no_trace(mode):
    model, x = network(small(norm="batchnorm")).train(mode), windows()
    before, given = buffers(model), x.clone()
    random = torch.get_rng_state()
    score = model.score(x)
    assert [module.training for module in model.modules()] == [mode] * len(list(model.modules()))
    assert not score.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert unchanged(model, before)
    assert torch.equal(x, given)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model.score(x), score)
    assert torch.equal(model.train(not mode).score(x), score)


def test_evaluation_leaves_the_prototypes_alone_and_training_moves_them():
    model, x = network(), windows()
    before = buffers(model)
    model.eval()(x)
    assert unchanged(model, before)
    model.train()(x)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"context.bank.prototypes", "context.bank.counts", "context.bank.sums"}


def test_evaluation_uses_neither_router_library_nor_extractor():
    model, x = network().eval(), windows()
    before = model.score(x)
    with torch.no_grad():
        model.context.queries.fill_(torch.nan)
        for parameter in [*model.context.router.parameters(), *model.context.extractor.parameters()]:
            parameter.fill_(torch.nan)
    assert torch.equal(model.score(x), before)


def test_the_seed_decides_weights_dropout_and_routing():
    first, second, other = network(seed=4), network(seed=4), network(seed=5)
    assert unchanged(first, buffers(second))
    assert not unchanged(first, buffers(other))
    for model in (first, second):
        torch.manual_seed(9)
        model.train()(windows()).loss.backward()
    assert unchanged(first, buffers(second))
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(one.grad, two.grad) for one, two in pairs)
    torch.manual_seed(9)
    loss = first(windows()).loss
    torch.manual_seed(10)
    assert first(windows()).loss != loss


def test_a_scale_is_reconstructed_from_coarser_ones_alone():
    """With every fourth, then every second value: points that a scale omits cannot affect its reconstruction."""
    model, x = network(small(ms_method="interval_sampling")).eval(), windows(1, 1)

    def moved_by(point):
        changed = x.clone()
        changed[:, point] += 1
        difference = (model(changed).reconstruction - model(x).reconstruction).abs()[0, :, 0]
        return bool((difference[:12] > 1e-6).any()), bool((difference[12:] > 1e-6).any())

    with torch.no_grad():
        assert moved_by(8) == (True, True)
        assert moved_by(6) == (False, True)
        assert moved_by(7) == (False, False)


def test_mixed_precision_stays_close_and_scores_in_full():
    model, x = network().eval(), windows(8)
    full = model.score(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.score(x)
        output = model.train()(x)
    assert mixed.dtype == output.loss.dtype == torch.float32
    assert (mixed - full).abs().max() < 0.1 * full.max()
    output.loss.backward()


def test_a_copy_is_its_own_network():
    model, x = network(), windows()
    before = model.score(x)
    twin = copy.deepcopy(model)
    twin.train()(x)
    assert torch.equal(model.score(x), before)
    again = CrossAD(model.config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.score(x), before)
