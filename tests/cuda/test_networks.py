"""The networks on a device: golden numbers, and agreement with the CPU."""

import copy
import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from exp.training.devices import mixed_precision
from models import DETECTORS
from tests.models.CrossAD.test_golden import CASES, FOLDER, build, walk
from tests.support.network_cases import BY_STEPS, CHANNELS, SMALL_NETWORKS, small_network

# Largest difference from the golden numbers, relative to the largest of them: different order of sums, and products
# with eight bits.
TOLERANCE = {"fp32": 1e-4, "bf16": 0.05}


@pytest.fixture(params=CASES)
def case(request):
    index = json.loads((FOLDER / "index.json").read_text())[request.param]
    with np.load(FOLDER / f"{request.param}.npz") as golden:
        return index, dict(golden)


def close(actual, expected, tolerance):
    actual = actual.detach().double().cpu().numpy()
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("precision", TOLERANCE)
def test_golden_scores(device, case, precision):
    index, golden = case
    model, x = build(index).to(device).eval(), torch.from_numpy(golden["x"]).to(device)
    with torch.no_grad(), mixed_precision(x.device, precision):
        output, score = model(x), model.score(x)
    for actual, name in ((output.loss, "eval_loss"), (output.reconstruction, "recon"), (score, "score")):
        close(actual, golden[name], TOLERANCE[precision])


def drawn_on_the_cpu(logits, tau, hard):
    """The Gumbel choice with noise drawn on the CPU, so that devices can be compared."""
    noise = -torch.empty(logits.shape).exponential_().log().to(logits.device)
    soft = ((logits + noise) / tau).softmax(-1)
    choice = functional.one_hot(soft.argmax(-1), logits.shape[-1]).to(soft)
    return choice - soft.detach() + soft if hard else soft


def test_golden_training(device, case, monkeypatch):
    index, golden = case
    monkeypatch.setattr(functional, "gumbel_softmax", drawn_on_the_cpu)
    model = build(index, attn_dropout=0.0, proj_dropout=0.0, ff_dropout=0.0).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    losses = []
    for step in range(5):
        batch = walk(100 + step, model.config, golden["x"].shape[-1]).to(device)
        torch.manual_seed(1000 + step)
        loss = model(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, golden["train_loss"], rtol=1e-3)


@pytest.mark.parametrize("name", BY_STEPS)
def test_loss_gradient_and_score_are_those_of_the_cpu(device, name):
    """In evaluation mode nothing is drawn, but gradients still flow."""
    model, x = small_network(name)
    results = []
    for place in ("cpu", device):
        network, windows = copy.deepcopy(model).to(place).eval(), x.to(place)
        loss = network(windows).loss
        loss.backward()
        look = network.represent if hasattr(network, "represent") else network.score
        gradients = [weight.grad.cpu() for weight in network.parameters() if weight.grad is not None]
        results.append([loss.detach().cpu(), *gradients, look(windows).cpu()])
    assert len(results[0]) > 5
    for own, expected in zip(*results[::-1], strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("name", BY_STEPS)
def test_training_steps_lower_the_loss(device, name, precision):
    model, x = small_network(name)
    model, x = model.to(device).train(), x.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    losses = []
    for _ in range(30):
        with mixed_precision(x.device, precision):
            loss = model(x).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert model.score(x).isfinite().all() if hasattr(model, "score") else model.represent(x).isfinite().all()


def test_every_registered_model_is_here():
    assert set(SMALL_NETWORKS) == set(DETECTORS)
    assert CHANNELS > 1
