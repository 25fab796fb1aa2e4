import pytest
import torch

from models.AxonAD.official import official_name
from models.settings import ConfigError
from tests.support.axonad_cases import network, small, windows


def checkpoint(model):
    """Return weights with the shapes and names of the published implementation."""
    own = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith("scale.")}
    official = {official_name(key): torch.randn(tensor.shape) for key, tensor in own.items()}
    name = "attn.q_pred_net.net.12.weight"
    return official | {name: official[name][..., None]}


def test_weights_are_taken_over_not_shared():
    model = network()
    official = checkpoint(model)
    model.load_official(official)
    assert torch.equal(model.target.query.weight, official["t_wq.weight"])
    assert torch.equal(model.encoder.query.weight, official["attn.wq.weight"])
    assert torch.equal(model.predictor.convolutions[3].weight, official["attn.q_pred_net.net.9.conv.weight"])
    assert torch.equal(model.predictor.output.weight, official["attn.q_pred_net.net.12.weight"][..., 0])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for tensor in official.values():
        tensor.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_they_bring_no_statistics_of_training_windows():
    model, x = network(), windows()
    model.calibrate([x])
    model.load_official(checkpoint(model))
    with pytest.raises(ConfigError, match="are published ones; they lack the statistics of the training windows"):
        model.score_sequence(model.represent(x))


@pytest.mark.parametrize(
    ("config", "channels", "change", "message"),
    [
        (small(), 3, lambda weights: weights.pop("t_pos"), "has no 't_pos'"),
        (small(), 3, lambda weights: weights.update(head2=torch.zeros(())), "'head2' is unknown"),
        (small(seq_len=13), 3, lambda _: None, r"'pos' has shape \(1, 12, 8\), configuration and data require \(1, 13"),
        (small(), 2, lambda _: None, r"'embed.weight' has shape \(8, 3\), .* require \(8, 2\)"),
    ],
)
def test_checkpoints_of_another_configuration(config, channels, change, message):
    model, weights = network(config, channels), checkpoint(network())
    change(weights)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        model.load_official(weights)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
