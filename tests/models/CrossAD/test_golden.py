"""The network against the published implementation's outputs."""

import json
import zlib

import numpy as np
import pytest
import torch

from models.CrossAD import CrossAD, CrossADConfig
from models.CrossAD.official import to_official
from tests.support.paths import GOLDEN

FOLDER = GOLDEN / "crossad"
CASES = [
    "GECCO",
    "MSL",
    "PSM",
    "SMAP",
    "SMD",
    "SWAN",
    "SWAT",
    "UCR_1",
    "UCR_2",
    "odd_layernorm",
    "odd_batchnorm",
]


def fill(shapes, width):
    """Return the official state dict that the golden numbers start from."""
    state = {}
    for key, shape in shapes.items():
        z = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
        if key.endswith(("ema_count", "running_var")):
            z = 1 + np.abs(z)
        elif "norm" in key and key.endswith("weight"):
            z = 1 + 0.1 * z
        elif not key.endswith(("querys", "context", "ema_dw")):
            z = 0.05 * z
        state[key] = torch.from_numpy(np.asarray(z, dtype=np.float32))
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
    state["pos_embedding.pe"] = to_official(
        {}, CrossADConfig(seq_len=8, patch_len=1, ms_kernels=(2,), topk=1, d_model=width)
    )["pos_embedding.pe"]
    return state


def walk(seed, config, channels):
    steps = np.random.RandomState(seed).standard_normal((4, config.seq_len, channels)).astype(np.float32)
    return torch.from_numpy(steps.cumsum(1) * np.float32(0.2))


@pytest.fixture(params=CASES)
def case(request):
    index = json.loads((FOLDER / "index.json").read_text())[request.param]
    with np.load(FOLDER / f"{request.param}.npz") as golden:
        return index, dict(golden)


def build(index, **changes):
    config = CrossADConfig.from_dict({**index["config"], **changes})
    model = CrossAD(config)
    model.load_official(fill(index["parameters"], config.d_model))
    return model


def close(actual, expected, relative):
    actual = np.asarray(actual, dtype=np.float64)
    assert np.abs(actual - expected).max() <= relative * np.abs(expected).max()


def test_evaluation(case):
    index, golden = case
    model = build(index).eval()
    x = torch.from_numpy(golden["x"])
    with torch.no_grad():
        output = model(x)
    close(output.loss, golden["eval_loss"], 1e-5)
    close(output.target, golden["target"], 1e-5)
    close(output.reconstruction, golden["recon"], 1e-5)
    close(model.score(x), golden["score"], 1e-5)
    assert output.query_distance is None


def test_training(case):
    index, golden = case
    model = build(index, attn_dropout=0.0, proj_dropout=0.0, ff_dropout=0.0).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    channels = golden["x"].shape[-1]
    losses, distances = [], []
    for step in range(5):
        batch = walk(100 + step, model.config, channels)
        torch.manual_seed(1000 + step)
        output = model(batch)
        optimizer.zero_grad()
        output.loss.backward()
        if step == 0:
            gradients = to_official({name: p.grad for name, p in model.named_parameters()}, model.config)
            norms = [float(gradients[name].norm()) for name in index["parameter_order"]]
        optimizer.step()
        losses.append(float(output.loss.detach()))
        distances.append(float(output.query_distance))
    np.testing.assert_allclose(losses, golden["train_loss"], rtol=1e-4)
    np.testing.assert_allclose(distances, golden["train_query_distance"], rtol=1e-4)
    np.testing.assert_allclose(norms, golden["grad_norm_step1"], rtol=1e-3, atol=1e-7)
    close(model.score(torch.from_numpy(golden["x"])), golden["score_after_training"], 1e-3)
    close(model.context.bank.prototypes, golden["context_after_training"], 1e-3)
    close(model.context.bank.counts, golden["ema_count_after_training"], 1e-3)


def test_round_trip(case):
    index, _ = case
    model = build(index)
    official = model.official_state_dict()
    assert {key: list(value.shape) for key, value in official.items()} == index["parameters"]
    again = CrossAD(model.config)
    again.load_official(official)
    for key, value in again.official_state_dict().items():
        assert torch.equal(value, official[key]), key
    assert sum(p.numel() for p in model.parameters()) == index["n_parameters"]
