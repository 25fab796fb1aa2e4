import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import nn

from models.MIXAD import MIXAD
from models.MIXAD.loss import consistency, contrast, masked_absolute_error, unequal_use
from tests.support.mixad_cases import configs, network, small, windows


def same(model, before):
    return all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def copy(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@hypothesis_settings(max_examples=25)
@given(configs(), st.integers(2, 5))
def test_shapes_of_every_configuration(config, channels):
    model, x = network(config, channels), windows(3, channels, config.seq_len)
    for mode in (True, False):
        output = model.train(mode)(x)
        assert output.loss.shape == ()
        assert torch.isfinite(output.loss)
        assert output.reconstruction.shape == x.shape
        assert output.attention.shape == (3, channels, config.mem_num)
        for tensor in (output.query, output.value, output.positive, output.negative):
            assert tensor.shape == (3, channels, config.mem_dim)
        assert output.adjacency.shape == (2, channels, channels)
        torch.testing.assert_close(output.attention.sum(-1), torch.ones(3, channels))
    representation = model.represent(x)
    assert representation.shape == (3, channels, config.mem_num)
    scores = model.score_sequence(representation)
    assert scores.shape == (3, channels)


def test_the_loss_is_the_weighted_sum_of_its_parts():
    weights = {"lamb_cont": 0.5, "lamb_cons": 0.25, "lamb_kl": 2.0, "margin": 3.0}
    model, x = network(small(**weights)).eval(), windows()
    x[0, 2] = 0
    output = model(x)
    parts = [
        masked_absolute_error(output.reconstruction, x),
        0.5 * contrast(output.query, output.positive, output.negative, 3.0),
        0.25 * consistency(output.query, output.positive),
        2.0 * unequal_use(output.attention),
    ]
    assert all(part > 0 for part in parts)
    torch.testing.assert_close(output.loss, sum(parts))


@pytest.mark.parametrize("layers", [1, 2])
def test_every_parameter_gets_a_gradient(layers):
    model = network(small(num_rnn_layers=layers)).train()
    torch.manual_seed(0)
    model(windows(20)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_training_lowers_the_loss():
    model, x = network(small(rnn_units=8, mem_dim=8)).train(), windows(32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(60):
        loss = model(x).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@hypothesis_settings(max_examples=20)
@given(st.integers(1, 40), st.integers(2, 6))
def test_evaluation_does_not_depend_on_the_batch(size, channels):
    model, x = network(channels=channels).eval(), windows(40, channels)
    whole, representation = model(x), model.represent(x)
    parts = [model(part) for part in x.split(size)]
    for name in ("reconstruction", "query", "attention", "value"):
        together = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(together, getattr(whole, name), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(representation, whole.attention, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", [True, False])
def test_parts_of_a_batch_make_no_difference(monkeypatch, mode):
    model, x = network().train(mode), windows(30)
    results = []
    for chunk in (1, 44, 10_000):
        monkeypatch.setattr(MIXAD, "chunk", chunk)
        model.load_state_dict(copy(network()))
        model.zero_grad()
        torch.manual_seed(0)
        output = model(x)
        output.loss.backward()
        results.append((output.loss.detach(), output.reconstruction.detach(), model.encoder.cells[0].gates.weight.grad))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-4, atol=1e-6)


def test_the_representation_draws_nothing_and_leaves_no_trace():
    for mode in (True, False):
        model, x = network().train(mode), windows()
        before, random = copy(model), torch.get_rng_state()
        first = model.represent(x)
        assert torch.equal(torch.get_rng_state(), random)
        assert torch.equal(model.represent(x), first)
        assert not first.requires_grad
        assert same(model, before)
        assert [module.training for module in model.modules()] == [mode] * len(list(model.modules()))


def test_sampled_graphs_differ_from_call_to_call():
    model, x = network(small(graph="sample"), channels=8).eval(), windows(channels=8)
    torch.manual_seed(0)
    first, second = model(x), model(x)
    assert not torch.equal(first.adjacency, second.adjacency)
    torch.manual_seed(0)
    assert torch.equal(model(x).adjacency, first.adjacency)


def test_the_likelier_graph_is_that_of_the_embeddings():
    model = network(channels=7).eval()
    first, second = model.memory.embeddings()
    cosines = torch.stack([first @ second.T, second @ first.T])
    expected = (cosines > 0) & ~torch.eye(7, dtype=torch.bool)
    assert torch.equal(model(windows(channels=7)).adjacency, expected.float())


def test_a_graph_without_edges():
    model, x = network().eval(), windows()
    with torch.no_grad():
        model.memory.target.copy_(-model.memory.source[:1])
        model.memory.source.copy_(model.memory.source[:1].expand(4, -1))
    output = model(x)
    assert not output.adjacency.any()
    assert torch.isfinite(output.loss)


def test_neighbours_matter():
    model, x = network().eval(), windows()
    assert model(x).adjacency.any()
    changed = x.clone()
    changed[:, :, 0] += 1
    assert (model.represent(changed) - model.represent(x))[:, 1:].abs().max() > 1e-4


def test_the_seed_decides_weights_graphs_and_curriculum():
    first, second, other = network(seed=4), network(seed=4), network(seed=5)
    assert same(first, copy(second))
    assert not same(first, copy(other))
    config = small(cl_decay_steps=1)
    first, second = network(config, seed=4).train(), network(config, seed=4).train()
    for model in (first, second):
        torch.manual_seed(9)
        model(windows()).loss.backward()
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(one.grad, two.grad) for one, two in pairs)


def reconstruct(model, *, seed=0):
    torch.manual_seed(seed)
    return model(windows()).reconstruction


def test_the_curriculum_ends():
    plain = network(small(use_curriculum_learning=False)).train()
    guided = network().train()
    assert not torch.allclose(reconstruct(guided), reconstruct(plain))
    guided.batches.fill_(10**6)
    torch.testing.assert_close(reconstruct(guided), reconstruct(plain))
    # In evaluation nothing is ever fed.
    guided.batches.zero_()
    torch.testing.assert_close(reconstruct(guided.eval()), reconstruct(plain.eval()))


def test_batches_are_counted_in_training_and_kept():
    model, x = network(), windows()
    for _ in range(3):
        model.train()(x)
    model.eval()(x)
    model.represent(x)
    assert int(model.state_dict()["batches"]) == 3
    again = network()
    again.load_state_dict(model.state_dict())
    assert int(again.batches) == 3
    assert torch.equal(reconstruct(again.train()), reconstruct(model.train()))


def test_no_layer_is_made_in_the_forward_pass(monkeypatch):
    model, x = network(small(num_rnn_layers=2)), windows()
    modules, names = list(model.modules()), set(model.state_dict())

    def refuse(*_, **__):
        raise AssertionError("a module was made in a forward pass")

    monkeypatch.setattr(nn.Module, "__init__", refuse)
    for mode in (True, False):
        model.train(mode)(x)
        model.represent(x)
    assert all(one is other for one, other in zip(model.modules(), modules, strict=True))
    assert set(model.state_dict()) == names


@pytest.mark.parametrize("mode", [True, False])
def test_shapes_alone_are_enough(mode):
    with torch.device("meta"):
        model = MIXAD(small(), 4).train(mode)
    x = torch.empty(3, 6, 4, device="meta")
    output = model(x)
    assert output.reconstruction.shape == x.shape
    assert all(tensor.is_meta for tensor in output)
    output.loss.backward()
    assert model.represent(x).shape == (3, 4, 3)


def test_mixed_precision():
    model, x = network().train(), windows(20)
    torch.manual_seed(0)
    exact = model(x).loss
    model.batches.zero_()
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(x)
    output.loss.backward()
    assert output.loss.dtype == torch.float32
    assert torch.isfinite(model.memory.slots.grad).all()
    torch.testing.assert_close(output.loss, exact, rtol=0.05, atol=0)
