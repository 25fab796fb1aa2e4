import pytest
import torch

from models.MIXAD import MIXAD
from models.settings import ConfigError
from tests.support.mixad_cases import network, small

SHAPES = {
    "memory.Memory": (3, 4),
    "memory.Wq": (5, 4),
    "memory.We1": (4, 3),
    "memory.We2": (4, 3),
    "encoder.strgc_cells.0.gate.weights": (36, 10),
    "encoder.strgc_cells.0.gate.bias": (10,),
    "encoder.strgc_cells.0.update.weights": (36, 5),
    "encoder.strgc_cells.0.update.bias": (5,),
    "encoder.strgc_cells.1.gate.weights": (60, 10),
    "encoder.strgc_cells.1.gate.bias": (10,),
    "encoder.strgc_cells.1.update.weights": (60, 5),
    "encoder.strgc_cells.1.update.bias": (5,),
    "decoder.strgc_cells.0.gate.weights": (60, 18),
    "decoder.strgc_cells.0.gate.bias": (18,),
    "decoder.strgc_cells.0.update.weights": (60, 9),
    "decoder.strgc_cells.0.update.bias": (9,),
    "decoder.strgc_cells.1.gate.weights": (108, 18),
    "decoder.strgc_cells.1.gate.bias": (18,),
    "decoder.strgc_cells.1.update.weights": (108, 9),
    "decoder.strgc_cells.1.update.bias": (9,),
    "proj.0.weight": (1, 9),
    "proj.0.bias": (1,),
}
TWO_LAYERS = small(num_rnn_layers=2)


def checkpoint():
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def test_two_layers_are_taken_over():
    model, official = network(TWO_LAYERS), checkpoint()
    model.batches.fill_(7)
    model.load_official(official)
    assert torch.equal(model.memory.target, official["memory.We2"])
    assert torch.equal(model.decoder.projection.weight, official["proj.0.weight"])
    weights = official["decoder.strgc_cells.1.update.weights"]  # six terms of 18 features
    own = model.decoder.cells[1].candidate.weight
    torch.testing.assert_close(own[:, :18].T, weights[:18] + weights[54:72])
    assert torch.equal(own[:, 18:54].T, weights[18:54])
    assert torch.equal(own[:, 54:].T, weights[72:])
    assert int(model.batches) == 0


def test_weights_are_taken_over_not_shared():
    model, official = network(TWO_LAYERS), checkpoint()
    model.load_official(official)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for tensor in official.values():
        tensor.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("config", "channels", "message"),
    [
        (small(num_rnn_layers=3), 4, "has no 'encoder.strgc_cells.2.gate.weights'"),
        (small(), 4, "'decoder.strgc_cells.1.gate.bias' is unknown"),
        (small(num_rnn_layers=2, max_diffusion_step=4), 4, r"shape \(36, 10\), .* require \(48, 10\)"),
        (TWO_LAYERS, 5, r"'memory.We1' has shape \(4, 3\), configuration and data require \(5, 3\)"),
    ],
)
def test_checkpoints_of_another_configuration(config, channels, message):
    model = MIXAD(config, channels)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        model.load_official(checkpoint())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
