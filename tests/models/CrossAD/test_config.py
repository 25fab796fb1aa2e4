import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.CrossAD import CrossADConfig
from models.settings import ConfigError
from tests.support.crossad_cases import SMALL, configs, small


def refuse(message, **changes):
    with pytest.raises(ConfigError, match=message) as caught:
        small(**changes)
    assert len(str(caught.value).splitlines()) == 1


def test_published_defaults():
    config = CrossADConfig.from_dict({"seq_len": 96, "patch_len": 6, "ms_kernels": [16, 8, 4, 2]})
    assert config.ms_kernels == (16, 8, 4, 2)
    assert config.kernels == (16, 8, 4, 2, 1)
    assert (config.topk, config.n_query, config.query_len, config.bank_size) == (10, 5, 5, 32)
    assert (config.decay, config.epsilon, config.d_model, config.n_heads) == (0.95, 1e-5, 128, 4)
    assert (config.attn_dropout, config.proj_dropout, config.ff_dropout) == (0.1, 0.1, 0.1)
    assert (config.norm, config.activation, config.ms_method) == ("layernorm", "gelu", "average_pooling")
    assert config.feed_forward_width == 512
    assert small(d_ff=3).feed_forward_width == 3


@given(configs())
def test_configurations_come_back_from_plain_values(config):
    assert CrossADConfig.from_dict(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("kernels", [(2, 4), (4, 4), (8, 2, 4), (16, 8, 8)])
def test_kernels_must_fall(kernels):
    refuse("ms_kernels must be strictly decreasing, coarsest first", ms_kernels=kernels)


def test_kernels_within_the_window():
    refuse("ms_kernels .25, 2. must not exceed the window, seq_len 24", ms_kernels=(25, 2))
    refuse("ms_kernels must be at least 2", ms_kernels=(4, 1))
    refuse("ms_kernels", ms_kernels=())
    refuse(r"ms_kernels\.1.*greater than 0, got 0", ms_kernels=(4, 0))
    assert small(ms_kernels=(24,)).kernels == (24, 1)


def test_other_shapes_that_cannot_be():
    refuse("patch_len 25 must not exceed seq_len 24", patch_len=25)
    refuse("n_heads 3 must divide d_model 16", n_heads=3)
    refuse("d_model 15 must be even", d_model=15, n_heads=3)
    refuse("topk 14 exceeds the 13 frequencies of a window of 24", topk=14)
    assert small(topk=13).topk == 13
    refuse("topk 13 exceeds the 12 frequencies of a window of 23", topk=13, seq_len=23)


@pytest.mark.parametrize(
    "key", ["seq_len", "patch_len", "topk", "n_query", "query_len", "bank_size", "e_layers", "d_layers", "m_layers"]
)
@given(value=st.integers(max_value=0) | st.floats() | st.text() | st.none() | st.booleans())
def test_sizes_are_positive_whole_numbers(key, value):
    with pytest.raises(ConfigError, match=key):
        small(**{key: value})


@pytest.mark.parametrize("key", ["attn_dropout", "proj_dropout", "ff_dropout"])
@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan"), "0.1", None])
def test_dropouts_are_shares(key, value):
    refuse(key, **{key: value})
    assert getattr(small(**{key: 0}), key) == 0


def test_averages():
    for value in (-0.1, 1.1, float("nan")):
        refuse("decay", decay=value)
    for value in (-1e-5, float("inf")):
        refuse("epsilon", epsilon=value)


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("activation", "rleu", "'rleu' is not one of 'gelu', 'relu': did you mean 'relu'?"),
        ("activation", "ReLU", "'ReLU' is not one of 'gelu', 'relu': did you mean 'relu'?"),
        ("activation", None, "None is not one of 'gelu', 'relu'"),
        ("activation", "", "'' is not one of 'gelu', 'relu'"),
        ("norm", "layernrom", "'layernrom' is not one of 'layernorm', 'batchnorm': did you mean 'layernorm'?"),
        ("norm", "btachnorm", "'btachnorm' is not one of 'layernorm', 'batchnorm': did you mean 'batchnorm'?"),
        ("norm", 1, "1 is not one of 'layernorm', 'batchnorm'"),
        (
            "ms_method",
            "average",
            "'average' is not one of 'average_pooling', 'interval_sampling': did you mean 'average_pooling'?",
        ),
    ],
)
def test_choices_are_closed(key, value, remedy):
    refuse(re.escape(f"{key}: {remedy}"), **{key: value})


@pytest.mark.parametrize(
    ("typed", "nearest"), [("d_modle", "d_model"), ("kernels", "ms_kernels"), ("n_head", "n_heads")]
)
def test_unknown_keys_name_the_nearest(typed, nearest):
    refuse(f"unknown key '{typed}': did you mean '{nearest}'", **{typed: 3})


def test_unknown_keys_near_to_nothing_list_all():
    refuse("unknown key 'zzz': valid are seq_len, patch_len", zzz=3)


def test_missing_keys():
    for key in ("seq_len", "patch_len", "ms_kernels"):
        left = {name: value for name, value in SMALL.items() if name != key}
        with pytest.raises(ConfigError, match=f"key 'model.{key}' is missing"):
            CrossADConfig.from_dict(left, section="model")


def test_what_is_no_mapping():
    for value in (None, [], "text", 3):
        with pytest.raises(ConfigError, match="expected keys with values"):
            CrossADConfig.from_dict(value)


def test_a_configuration_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        small().seq_len = 3
