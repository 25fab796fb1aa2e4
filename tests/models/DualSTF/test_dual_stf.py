import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.DualSTF import DualSTF, DualSTFConfig
from tests.support.dualstf_cases import SCORES, configs, network, small, windows


def unchanged(model, before):
    return all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def optimise(model, x, steps, rate=2e-3):
    """Return the loss before every step."""
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate), []
    for _ in range(steps):
        loss = model(x).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@hypothesis_settings(max_examples=30)
@given(config=configs(), channels=st.integers(1, 4), count=st.integers(1, 3))
def test_shapes_of_every_configuration(config, channels, count):
    model, x = network(config, channels), windows(count, channels, config.seq_len)
    output = model(x)
    assert output.reconstruction.shape == x.shape
    assert output.td.shape == output.rd.shape == (count, config.seq_len)
    score = model.score(x)
    assert score.shape == (count, config.seq_len, 1)
    assert torch.isfinite(score).all()
    output.loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("score", SCORES)
def test_loss_and_score_of_the_deviations(score):
    model, x = network(small(score=score, alpha=0.3)), windows()
    output = model(x)
    torch.testing.assert_close(output.td, (output.reconstruction - x).square().sum(2))
    torch.testing.assert_close(output.loss, output.td.mean() + 0.3 * output.rd.mean())
    torch.testing.assert_close(model.score(x)[..., 0], model.fusion(output.td, output.rd))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("score", SCORES)
def test_every_parameter_gets_a_gradient(score, channels):
    model = network(small(score=score), channels).train()
    model(windows(8, channels)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("score", SCORES)
def test_every_parameter_of_a_new_network_learns(score):
    """All except the attention between tokens that start at zero, which are identical."""
    torch.manual_seed(0)
    model = DualSTF(small(score=score), 3)
    before = state(model)
    optimise(model, windows(8, 3), steps=2)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        if not name.startswith("structural.times.self_attention"):
            assert parameter.grad.abs().sum() > 0, name
            assert not torch.equal(parameter, before[name]), name


@pytest.mark.parametrize("score", ["learnable_weight", "learnable_norm_weight"])
def test_learning_the_weight_leaves_the_paths_alone(score):
    gradients = []
    for name in (score, "product"):
        model = network(small())
        model.fusion = network(small(score=name)).fusion
        model(windows()).loss.backward()
        gradients.append({key: p.grad for key, p in model.named_parameters() if "fusion" not in key})
    assert all(torch.equal(gradient, gradients[1][key]) for key, gradient in gradients[0].items())


def sine(count=8, channels=2, length=24):
    start = torch.arange(count)[:, None, None]
    time = torch.arange(length)[:, None]
    return torch.sin(2 * math.pi * (time + start) / 8 + torch.arange(channels))


@pytest.mark.parametrize("channels", [1, 2])
def test_training_on_a_sine_lowers_both_deviations(channels):
    torch.manual_seed(0)
    model, x = DualSTF(small(d_model=16), channels), sine(channels=channels)
    before = model(x)
    optimise(model, x, steps=40, rate=1e-2)
    after = model(x)
    assert after.loss < 0.3 * before.loss
    assert after.td.mean() < 0.3 * before.td.mean()
    assert after.rd.mean() < 0.3 * before.rd.mean()


def test_what_a_trained_network_does_not_know_scores_higher():
    torch.manual_seed(0)
    model, x = DualSTF(small(d_model=16), 2), sine()
    optimise(model, x, steps=40, rate=1e-2)
    odd = x.clone()
    odd[:, 10:14] = -odd[:, 10:14]
    score = model.score(odd)[:, :, 0].mean(0)
    assert score[10:14].min() > 2 * model.score(x).mean()
    assert score[10:14].mean() > 2 * torch.cat([score[:10], score[14:]]).mean()


def test_windows_are_independent():
    model, x = network(), windows(5)
    score = model.score(x)
    torch.testing.assert_close(model.score(x.flip(0)), score.flip(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(torch.cat([model.score(part) for part in x.split(2)]), score, rtol=1e-5, atol=1e-5)
    changed = x.clone()
    changed[1, 3] += 1
    moved = (model.score(changed) - score).abs().amax((1, 2)) > 1e-4
    assert moved.tolist() == [False, True, False, False, False]


@pytest.mark.parametrize("mode", [True, False])
def test_scoring_leaves_no_trace(mode):
    model, x = network().train(mode), windows()
    before, given = state(model), x.clone()
    random, modes = torch.get_rng_state(), []
    hook = model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    score = model.score(x)
    hook.remove()
    assert modes == [False]
    assert [module.training for module in model.modules()] == [mode] * len(list(model.modules()))
    assert not score.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert unchanged(model, before)
    assert torch.equal(x, given)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model.score(x), score)


def test_the_seed_decides_all():
    first, second, other = network(seed=4), network(seed=4), network(seed=5)
    assert unchanged(first, state(second))
    assert not unchanged(first, state(other))
    assert optimise(first, windows(), steps=3) == optimise(second, windows(), steps=3)
    assert unchanged(first, state(second))


def test_training_draws_nothing():
    model = network().train()
    random = torch.get_rng_state()
    loss = model(windows()).loss
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model.eval()(windows()).loss, loss)


def test_no_value_is_needed_to_know_shapes():
    with torch.device("meta"):
        model = DualSTF(small(score="learnable_weight"), 3)
        x = torch.empty(5, 24, 3)
    output = model(x)
    output.loss.backward()
    assert output.td.shape == output.rd.shape == (5, 24)
    assert output.reconstruction.is_meta
    assert model.score(x).shape == (5, 24, 1)


@pytest.mark.parametrize("score", SCORES)
def test_mixed_precision_stays_close_and_scores_in_full(score):
    model, x = network(small(score=score)), windows(8)
    full = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, result = model(x), model.score(x)
    assert result.dtype == mixed.loss.dtype == mixed.td.dtype == mixed.rd.dtype == torch.float32
    assert torch.isfinite(result).all()
    torch.testing.assert_close(mixed.td, full.td, rtol=0.1, atol=0.1)
    torch.testing.assert_close(mixed.loss, full.loss, rtol=0.05, atol=0)
    mixed.loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_a_copy_is_its_own_network():
    model, x = network(), windows()
    before = model.score(x)
    twin = copy.deepcopy(model)
    optimise(twin, x, steps=1)
    assert not torch.equal(twin.score(x), before)
    assert torch.equal(model.score(x), before)
    again = DualSTF(model.config, 2)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.score(x), before)


def test_the_default_network_runs():
    model, x = DualSTF(DualSTFConfig(), 1), windows(2, 1, 100)
    losses = optimise(model, x, steps=3)
    assert losses[-1] < losses[0]
    assert model.score(x).shape == (2, 100, 1)
