import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.AxonAD import AxonAD, AxonADConfig
from models.AxonAD.axonad import draw_mask
from tests.support.axonad_cases import SCORES, configs, network, small, windows


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def unchanged(model, before):
    return all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def optimise(model, x, steps, rate=1e-2):
    """Return the output of every step."""
    model.train()
    optimizer, outputs = torch.optim.AdamW(model.parameters(), lr=rate), []
    for _ in range(steps):
        outputs.append(model(x))
        optimizer.zero_grad()
        outputs[-1].loss.backward()
        optimizer.step()
        model.after_step()
    return outputs


@hypothesis_settings(max_examples=40)
@given(config=configs(), channels=st.integers(1, 4), count=st.integers(1, 3))
def test_shapes_of_every_configuration(config, channels, count):
    model, x = network(config, channels), windows(count, channels, config.seq_len)
    output = model.train()(x)
    assert output.reconstruction.shape == x.shape
    output.loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("target."), name
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    represented = model.represent(x)
    model.calibrate(x.split(2))
    assert model.score_sequence(represented).shape == (count, channels if "error" in config.terms else 1)
    assert torch.isfinite(model.score_sequence(represented)).all()


def test_number_of_parameters_as_published():
    model = AxonAD(AxonADConfig(), 19)
    trained, frozen = (
        sum(p.numel() for p in model.parameters() if p.requires_grad is trains) for trains in (True, False)
    )
    assert (trained + 1, frozen) == (363_542, 32_000)  # one more, which is never trained, is not a parameter here


def test_the_target_begins_as_a_copy_and_follows_what_has_been_learned():
    torch.manual_seed(0)
    model = AxonAD(small(momentum=0.75), 3)
    pairs = list(zip(model.target.parameters(), model.encoder.parameters(), strict=True))
    assert len(pairs) == 6
    for own, online in pairs:
        assert torch.equal(own, online)
        assert own.data_ptr() != online.data_ptr()
    before = [own.clone() for own, _ in pairs]
    optimise(model, windows(), 1)
    for (own, online), begin in zip(pairs, before, strict=True):
        assert not torch.equal(online, begin)
        torch.testing.assert_close(own, 0.75 * begin + 0.25 * online)


def test_the_query_loss_trains_what_the_predictor_sees():
    model = network().train()
    model(windows()).query_loss.backward()
    reached = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[0] for name in reached} == {"encoder", "predictor"}
    assert {name for name in reached if name.startswith("encoder")} == {
        "encoder.embedding.weight",
        "encoder.embedding.bias",
        "encoder.position",
        "encoder.norm.weight",
        "encoder.norm.bias",
    }


def test_every_trainable_weight_gets_a_gradient():
    model = network(small(dropout=0.1)).train()
    model(windows(16)).loss.backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("horizon", [1, 3])
def test_a_predicted_query_is_of_the_points_up_to_the_horizon(horizon):
    model = network(small(seq_len=48, horizon=horizon))
    n = windows(1, 8, 48).requires_grad_()
    for point in (0, horizon - 1, horizon, 20, 47):
        (gradient,) = torch.autograd.grad(model.predict(n, 0)[0, point].sum(), n, allow_unused=True)
        reached = gradient[0].abs().sum(1).nonzero().flatten().tolist()
        assert all(point - horizon - 30 <= other <= point - horizon for other in reached)
        assert (point - horizon in reached) == (point >= horizon)


def test_a_true_query_is_of_its_point_alone():
    model, x = network(), windows()
    changed = x.clone()
    changed[:, 5] += 1
    moved = (model.true_queries(changed, 0) - model.true_queries(x, 0)).abs().sum((0, 2, 3)) > 1e-5
    assert moved.tolist() == [point == 5 for point in range(12)]


@given(configs(), st.integers(0, 2**31))
def test_masks(config, seed):
    torch.manual_seed(seed)
    mask = draw_mask(config, 5, torch.device("cpu"))
    assert not mask[:, : config.first_maskable].any()
    counts = mask.sum(1)
    assert (counts >= config.block).all()
    assert (counts <= config.block * config.blocks).all()


def test_dropout_acts_on_the_predictor_while_training_alone():
    model, x = network(small(dropout=0.5)), windows()
    _, n = model.encoder.embed(x)
    assert torch.equal(model.eval().predict(n, 0), model.predict(n, 0))
    assert not torch.equal(model.train().predict(n, 0), model.predict(n, 0))
    assert torch.equal(model(x).reconstruction, model(x).reconstruction)


def test_in_evaluation_the_loss_is_that_of_the_reconstruction_and_nothing_is_drawn():
    model, x = network(small(dropout=0.5)).eval(), windows()
    random = torch.get_rng_state()
    output = model(x)
    torch.testing.assert_close(output.loss, (output.reconstruction - x).square().mean())
    assert output.query_loss is None
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("score", SCORES)
def test_looking_leaves_no_trace(mode, score):
    model, x = network(small(score=score, dropout=0.5)).train(mode), windows()
    before, random = state(model), torch.get_rng_state()
    represented = model.represent(x)
    assert all(module.training is mode for module in model.modules())
    assert not represented.requires_grad
    assert unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model.represent(x), represented)
    parts = torch.cat([model.represent(part) for part in x.split(1)])
    torch.testing.assert_close(parts, represented, rtol=1e-5, atol=1e-5)


def test_training_lowers_both_losses():
    torch.manual_seed(0)
    start = torch.arange(16)[:, None, None]
    x = torch.sin(2 * math.pi * (torch.arange(24)[:, None] + start) / 8 + torch.arange(3))
    outputs = optimise(AxonAD(small(seq_len=24, d_model=16), 3), x, 60)
    for name in ("reconstruction_loss", "query_loss"):
        first, last = (float(getattr(outputs[place], name).detach()) for place in (0, -1))
        assert last < 0.5 * first, name


def test_what_cannot_be_predicted_scores_higher():
    torch.manual_seed(0)
    x = torch.sin(2 * math.pi * (torch.arange(24)[:, None] + torch.arange(64)[:, None, None]) / 8 + torch.arange(3))
    model = AxonAD(small(seq_len=24, d_model=16), 3)
    optimise(model, x, 60)
    model.calibrate([x])
    odd = x.clone()
    odd[:, 22:] = -odd[:, 22:]
    assert model.score_sequence(model.represent(odd)).min() > model.score_sequence(model.represent(x)).max()


def test_the_seed_decides_all():
    config = small(dropout=0.1)
    first, second, other = network(config, seed=4), network(config, seed=4), network(config, seed=5)
    assert unchanged(first, state(second))
    assert not unchanged(first, state(other))
    for model in (first, second):
        torch.manual_seed(7)
        optimise(model, windows(), steps=3)
    assert unchanged(first, state(second))


def test_no_value_is_needed_to_know_shapes():
    with torch.device("meta"):
        model = AxonAD(small(score=SCORES[-1], dropout=0.1), 3)
        x = torch.empty(5, 12, 3)
    model.train()(x).loss.backward()
    assert model.represent(x).shape == (5, 5)


def test_mixed_precision_stays_close_and_is_scored_in_full():
    model, x = network(small(score=SCORES[-1])), windows(8)
    full = model.represent(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, loss = model.represent(x), model.train()(x).loss
    assert mixed.dtype == loss.dtype == torch.float32
    torch.testing.assert_close(mixed, full, rtol=0.1, atol=0.1)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_copy_is_its_own_network():
    model, x = network(), windows()
    before = model.represent(x)
    twin = copy.deepcopy(model)
    optimise(twin, x, steps=1)
    assert not torch.equal(twin.represent(x), before)
    assert torch.equal(model.represent(x), before)
    again = AxonAD(model.config, 3)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.represent(x), before)
