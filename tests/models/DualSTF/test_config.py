import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.DualSTF import DualSTFConfig
from models.settings import ConfigError
from tests.support.dualstf_cases import SCORES, configs, small


def refuse(message, **changes):
    with pytest.raises(ConfigError, match=message) as caught:
        small(**changes)
    assert len(str(caught.value).splitlines()) == 1


def test_defaults():
    config = DualSTFConfig.from_dict({})
    assert (config.seq_len, config.n_tokens, config.d_model, config.n_heads) == (100, 10, 128, 4)
    assert (config.patch_sizes, config.kernel_sizes) == ((10, 20, 30), (5,))
    assert (config.n_prototypes, config.temperature, config.structural_share) == (10, 0.1, 0.7)
    assert (config.score, config.alpha) == ("product", 1.0)
    assert config.feed_forward_width == 256
    assert small(d_ff=3).feed_forward_width == 3
    assert small(seq_len=29, points_per_token=10).n_tokens == 2


@given(configs())
def test_configurations_come_back_from_plain_values(config):
    assert DualSTFConfig.from_dict(config.model_dump(mode="json")) == config


def test_a_window_holds_a_token_and_two_patches():
    refuse("points_per_token 10 must not exceed seq_len 9", seq_len=9, points_per_token=10)
    assert small(seq_len=10, points_per_token=10, patch_sizes=[9]).n_tokens == 1
    refuse(r"patch_sizes \[5, 24\] must be below seq_len 24", patch_sizes=[5, 24])
    refuse("patch_sizes", patch_sizes=[])
    refuse(r"patch_sizes\.1.*greater than 0, got 0", patch_sizes=[5, 0])


def test_other_shapes_that_cannot_be():
    refuse("n_heads 3 must divide d_model 8", n_heads=3)
    refuse(r"kernel_sizes \[3, 4\] must be odd", kernel_sizes=[3, 4])
    refuse("kernel_sizes .25. must be odd and not exceed the window, seq_len 24", kernel_sizes=[25])
    refuse("kernel_sizes", kernel_sizes=[])
    refuse("n_prototypes 6 exceeds 5", n_prototypes=6)
    refuse("n_prototypes 5 exceeds 4", n_prototypes=5, d_model=7, n_heads=1)


@pytest.mark.parametrize("key", ["seq_len", "points_per_token", "d_model", "n_heads", "n_prototypes"])
@given(value=st.integers(max_value=0) | st.floats() | st.text() | st.none() | st.booleans())
def test_sizes_are_positive_whole_numbers(key, value):
    with pytest.raises(ConfigError, match=key):
        small(**{key: value})


def test_shares_weights_and_temperatures():
    for value in (-0.1, 1.1, float("nan"), "0.7"):
        refuse("structural_share", structural_share=value)
    for value in (-0.1, float("inf"), None):
        refuse("alpha", alpha=value)
    for value in (0, -0.1, float("nan")):
        refuse("temperature", temperature=value)
    assert small(structural_share=1, alpha=0).alpha == 0


def test_names_of_scores():
    for name in SCORES:
        assert small(score=name).score == name
    refuse("score: 'sum' is not one of 'product', 'maximum', .*: did you mean 'norm_sum'", score="sum")


def test_unknown_keys_name_the_nearest():
    refuse("unknown key 'patch_size': did you mean 'patch_sizes'", patch_size=[10])
