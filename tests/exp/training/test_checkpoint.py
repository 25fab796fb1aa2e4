import os

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exp.config import ExperimentConfig
from exp.errors import UserError
from exp.training import checkpoint
from models.CrossAD import CrossAD
from tests.support.command_line import settings

CONFIG = ExperimentConfig.from_dict(settings())


def network(seed):
    torch.manual_seed(seed)
    return CrossAD(CONFIG.model)


def equal(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("a.pth", "another_name.pth"):
        checkpoint.save_network(tmp_path / name, network(0), CONFIG)
    checkpoint.save_network(tmp_path / "b.pth", network(1), CONFIG)
    first, second, other = (tmp_path / name for name in ("a.pth", "another_name.pth", "b.pth"))
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()


def test_weights_and_their_settings_come_back(tmp_path):
    file = tmp_path / "a.pth"
    checkpoint.save_network(file, network(0), CONFIG)
    filled = network(1)
    assert not equal(filled, network(0))
    checkpoint.load_network(file, filled, CONFIG)
    assert equal(filled, network(0))
    content = torch.load(file, weights_only=True)
    assert content["data"] == "TOY"
    assert content["model"] == CONFIG.to_dict()["model"]


def test_published_checkpoints(tmp_path):
    file = tmp_path / "published.pth"
    torch.save(network(0).official_state_dict(), file)
    filled = network(1)
    checkpoint.load_network(file, filled, CONFIG)
    assert equal(filled, network(0))


def test_a_checkpoint_serves_other_data_and_training(tmp_path):
    file = tmp_path / "a.pth"
    checkpoint.save_network(file, network(0), CONFIG)
    other = settings(data__name="OTHER", train__seed=1, evaluation__window=7)
    checkpoint.load_network(file, network(1), ExperimentConfig.from_dict(other))


def test_another_configuration_is_refused_by_its_keys(tmp_path):
    file = tmp_path / "a.pth"
    checkpoint.save_network(file, network(0), CONFIG)
    other = ExperimentConfig.from_dict(settings(model__topk=2, model__decay=0.5))
    with pytest.raises(UserError, match=r"a\.pth.*model\.decay 0\.95 vs\. 0\.5, model\.topk 3 vs\. 2"):
        checkpoint.load_network(file, network(1), other)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "a.pth"
    checkpoint.save_network(file, network(0), CONFIG)
    before = file.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save_network(file, network(1), CONFIG)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    file = tmp_path_factory.mktemp("content") / "a.pth"
    checkpoint.save_network(file, network(0), CONFIG)
    return file.read_bytes()


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_load_whole_or_are_refused(content, tmp_path, data):
    """Truncated, or with some bytes changed: in the worst case a weight differs, which no checksum detects."""
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert_loaded_or_refused(tmp_path / "damaged.pth", bytes(damaged))


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    junk=st.binary(max_size=200)
    | st.builds(bytes.__add__, st.sampled_from([b"\x80\x02", b"\x80\x04\x95", b"PK\x03\x04"]), st.binary())
)
def test_any_bytes_are_refused(tmp_path, junk):
    assert_loaded_or_refused(tmp_path / "junk.pth", junk)


def assert_loaded_or_refused(file, content):
    file.write_bytes(content)
    text = f"{file}: "
    try:
        checkpoint.load_network(file, network(1), CONFIG)
    except UserError as error:
        text = str(error)
    assert text.startswith(f"{file}: ")
    assert len(text.splitlines()) == 1


PREFIXES = [
    "module.",
    "_orig_mod.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "module.module.",
    "_fsdp_wrapped_module.",
]
ATTRIBUTES = ["model.", "net.", "module.network.", "network._orig_mod."]


def wrapped(weights, prefix):
    return {prefix + name: tensor for name, tensor in weights.items()}


def own_file(network, prefix):
    weights = wrapped(network.state_dict(), prefix)
    return {"data": "TOY", "model": CONFIG.to_dict()["model"], "weights": weights}


def bare_file(network, prefix):
    return wrapped(network.state_dict(), prefix)


def published_file(network, prefix):
    return wrapped(network.official_state_dict(), prefix)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("content", [own_file, bare_file, published_file])
def test_weights_of_a_wrapped_network(tmp_path, caplog, content, prefix):
    caplog.set_level("INFO")
    file = tmp_path / "wrapped.pth"
    torch.save(content(network(0), prefix), file)
    filled = network(1)
    checkpoint.load_network(file, filled, CONFIG)
    assert equal(filled, network(0))
    (line,) = caplog.messages
    assert all(text in line for text in (str(file), "wrapped", *prefix.strip(".").split(".")))


@pytest.mark.parametrize("prefix", ATTRIBUTES)
@pytest.mark.parametrize("container", ["state_dict", "model_state_dict", "model", None])
def test_weights_of_a_network_that_is_a_part_of_a_larger_module(tmp_path, caplog, container, prefix):
    caplog.set_level("INFO")
    weights = wrapped(network(0).state_dict(), prefix)
    torch.save({container: weights, "epoch": 3} if container else weights, tmp_path / "a.pth")
    filled = network(1)
    checkpoint.load_network(tmp_path / "a.pth", filled, CONFIG)
    assert equal(filled, network(0))
    assert all(text in caplog.text for text in [*prefix.strip(".").split("."), container or "a.pth"])


def test_a_part_of_the_network_that_is_wrapped(tmp_path):
    weights = {name.replace("encoder.", "encoder._orig_mod.", 1): w for name, w in network(0).state_dict().items()}
    torch.save(weights, tmp_path / "a.pth")
    filled = network(1)
    checkpoint.load_network(tmp_path / "a.pth", filled, CONFIG)
    assert equal(filled, network(0))


def test_weights_of_an_averaged_network(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(network(0))
    averaged.update_parameters(network(0))
    torch.save(averaged.state_dict(), tmp_path / "a.pth")
    filled = network(1)
    checkpoint.load_network(tmp_path / "a.pth", filled, CONFIG)
    assert equal(filled, network(0))


def test_bare_weights_without_a_prefix(tmp_path, caplog):
    caplog.set_level("INFO")
    torch.save(network(0).state_dict(), tmp_path / "a.pth")
    filled = network(1)
    checkpoint.load_network(tmp_path / "a.pth", filled, CONFIG)
    assert equal(filled, network(0))
    assert not caplog.messages


def test_names_that_collide_without_the_prefix_are_refused(tmp_path):
    weights = network(0).state_dict()
    torch.save(weights | wrapped(weights, "module."), tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: "):
        checkpoint.load_network(tmp_path / "a.pth", network(1), CONFIG)


def test_weights_of_another_shape_name_the_first(tmp_path):
    content = own_file(network(0), "")
    content["weights"]["decoder.projection.weight"] = torch.zeros(3, 16)
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: .*'decoder\.projection\.weight' has shape \(3, 16\).*need \(4, 16\)"):
        checkpoint.load_network(tmp_path / "a.pth", network(1), CONFIG)
