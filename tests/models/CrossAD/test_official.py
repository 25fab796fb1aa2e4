import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from models.CrossAD import CrossAD
from models.CrossAD.official import official_names, to_official
from models.settings import ConfigError
from tests.support.crossad_cases import configs, network, small, windows


@hypothesis_settings(max_examples=25)
@given(configs())
def test_round_trip(config):
    model, x = network(config), windows(length=config.seq_len)
    model.train()(x)  # so that the norms have counted a batch
    official = model.official_state_dict()
    again = CrossAD(config)
    again.load_official(official)
    for (name, tensor), other in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(tensor, other), name
        assert tensor.dtype == other.dtype
    assert torch.equal(again.score(x), model.score(x))
    for name, tensor in again.official_state_dict().items():
        assert torch.equal(tensor, official[name]), name


@hypothesis_settings(max_examples=25)
@given(configs())
def test_every_published_name_comes_from_one_tensor(config):
    model = network(config)
    names = [name for key in model.state_dict() for name in official_names(key, config)]
    assert len(set(names)) == len(names)
    assert {*names, "pos_embedding.pe"} == model.official_state_dict().keys()
    published = sum(tensor.numel() for name, tensor in model.official_state_dict().items() if name in names)
    assert published == sum(tensor.numel() for tensor in model.state_dict().values())


def test_weights_are_taken_over_not_shared():
    model = network()
    official = {name: tensor.clone() for name, tensor in model.official_state_dict().items()}
    again = CrossAD(model.config)
    again.load_official(official)
    for tensor in official.values():
        tensor.zero_()
    assert torch.equal(again.score(windows()), model.score(windows()))


def test_gradients_get_published_names_too():
    model = network(small(bank_size=1)).train()
    model(windows()).loss.backward()
    gradients = to_official({name: parameter.grad for name, parameter in model.named_parameters()}, model.config)
    official = model.official_state_dict()
    assert {name: tensor.shape for name, tensor in gradients.items()}.items() <= {
        name: tensor.shape for name, tensor in official.items()
    }.items()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 32}, "shape"),
        ({"e_layers": 2}, "has no "),
        ({"d_layers": 1}, "is unknown"),
        ({"norm": "batchnorm"}, "has no "),
        ({"bank_size": 5}, "shape"),
        ({"seq_len": 26}, "shape"),
    ],
)
def test_checkpoints_of_another_configuration(changes, message):
    official = network().official_state_dict()
    model = network(small(**changes))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ConfigError, match=f"{message}.*another"):
        model.load_official(official)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
