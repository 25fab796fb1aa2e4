"""The network against the published implementation's outputs."""

import json
import zlib

import numpy as np
import pytest
import torch

from models.MIXAD import MIXAD, MIXADConfig
from tests.support.paths import GOLDEN

FOLDER = GOLDEN / "mixad"
# What the published configuration names and this one does not: these follow from the data, or are always 1.
IMPLIED = {"num_nodes", "input_dim", "output_dim"}


@pytest.fixture(params=["SMD", "MSDS", "small_two_layers"])
def case(request):
    index = json.loads((FOLDER / "index.json").read_text())[request.param]
    with np.load(FOLDER / f"{request.param}.npz") as golden:
        return index, dict(golden)


def fill(shapes):
    """Return the official state dict that the golden numbers start from."""
    state = {}
    for key, shape in shapes.items():
        z = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
        state[key] = torch.from_numpy(z * np.float32(0.3 if key.startswith("memory") else 0.1))
    return state


def build(index):
    published = {key: value for key, value in index["config"].items() if key not in IMPLIED}
    network = MIXAD(MIXADConfig.from_dict(published | {"graph": "sample"}), index["config"]["num_nodes"])
    network.load_official(fill(index["parameters"]))
    return network.eval()


def close(actual, expected):
    assert actual.shape == expected.shape
    assert np.abs(actual.detach().numpy() - expected).max() <= 1e-5


def test_evaluation(case):
    index, golden = case
    network, x = build(index), torch.from_numpy(golden["x"][..., 0])
    torch.manual_seed(42)
    output = network(x)
    close(output.reconstruction, golden["reconstruction"][..., 0])
    close(output.query, golden["query"])
    close(output.attention, golden["attention"])
    close(output.value, golden["memory_value"])
    close(output.positive, golden["positive"])
    close(output.negative, golden["negative"])
    for own, published in zip(output.adjacency.detach(), (golden["adjacency_1"], golden["adjacency_2"]), strict=True):
        np.testing.assert_array_equal(own, published.round())
    torch.manual_seed(42)
    close(network.represent(x), golden["attention"])
