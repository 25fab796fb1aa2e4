import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.MIXAD import MIXAD, MIXADConfig
from models.settings import ConfigError
from tests.support.mixad_cases import configs, small


def test_published_defaults():
    config = MIXADConfig.from_dict({})
    assert (config.seq_len, config.rnn_units, config.num_rnn_layers, config.max_diffusion_step) == (30, 64, 1, 3)
    assert (config.mem_num, config.mem_dim, config.graph) == (5, 64, "mode")
    assert (config.use_curriculum_learning, config.cl_decay_steps) == (True, 2000)
    assert (config.lamb_cont, config.lamb_cons, config.lamb_kl, config.margin) == (0.01, 0.1, 0.0001, 1.0)


@given(configs())
def test_configurations_come_back_from_plain_values(config):
    assert MIXADConfig.from_dict(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("key", ["seq_len", "rnn_units", "num_rnn_layers", "mem_dim", "cl_decay_steps"])
@given(value=st.integers(max_value=0) | st.floats() | st.text() | st.none() | st.booleans())
def test_sizes_are_positive_whole_numbers(key, value):
    with pytest.raises(ConfigError, match=key):
        small(**{key: value})


@pytest.mark.parametrize("key", ["mem_num", "max_diffusion_step"])
def test_one_slot_or_term_is_too_few(key):
    with pytest.raises(ConfigError, match=f"{key}: input should be greater than or equal to 2, got 1"):
        small(**{key: 1})
    assert getattr(small(**{key: 2}), key) == 2


@pytest.mark.parametrize("key", ["lamb_cont", "lamb_cons", "lamb_kl", "margin"])
def test_weights_are_not_negative(key):
    for value in (-0.1, float("nan"), float("inf"), "1"):
        with pytest.raises(ConfigError, match=key):
            small(**{key: value})
    assert getattr(small(**{key: 0}), key) == 0


def test_graphs_by_name():
    with pytest.raises(ConfigError, match="graph: 'random' is not one of 'mode', 'sample'"):
        small(graph="random")


def test_the_decay_of_no_curriculum():
    with pytest.raises(ConfigError, match="cl_decay_steps has no effect without use_curriculum_learning: remove it"):
        small(use_curriculum_learning=False, cl_decay_steps=5)


def test_the_nodes_come_with_the_data():
    with pytest.raises(ConfigError, match="unknown key 'num_nodes'"):
        small(num_nodes=4)


@pytest.mark.parametrize("channels", [0, 1])
def test_a_graph_needs_two_channels(channels):
    with pytest.raises(ConfigError, match=f"two channels or more, but the data has {channels}$"):
        MIXAD(small(), channels)
    assert MIXAD(small(), 2).memory.source.shape == (2, 3)
