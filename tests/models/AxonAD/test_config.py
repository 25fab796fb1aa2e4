import pytest
from hypothesis import given

from models.AxonAD import AxonADConfig
from models.settings import ConfigError
from tests.support.axonad_cases import configs, small


def test_the_defaults_are_those_of_the_published_runs():
    config = AxonADConfig()
    assert (config.seq_len, config.d_model, config.heads, config.horizon, config.tail) == (100, 128, 8, 1, 10)
    assert (config.momentum, config.mask_ratio, config.mask_block, config.dropout) == (0.9, 0.5, 0.5, 0.1)
    assert (config.score, config.placement) == ("error+mismatch", "separate")


# One block of 24 points as published, starting between 51 and 76; halves are rounded to the even number.
@pytest.mark.parametrize(
    ("changes", "first", "block", "blocks"),
    [
        ({"seq_len": 100}, 51, 24, 1),
        ({"seq_len": 100, "mask_ratio": 0.8}, 51, 24, 2),
        ({"seq_len": 100, "mask_ratio": 1.0, "mask_block": 0.1}, 51, 5, 10),
        ({"seq_len": 13, "horizon": 2}, 8, 2, 1),
        ({"seq_len": 12, "horizon": 11}, 11, 1, 1),
        ({"seq_len": 2}, 1, 1, 1),
    ],
)
def test_the_mask(changes, first, block, blocks):
    config = small(**changes)
    assert (config.first_maskable, config.block, config.blocks) == (first, block, blocks)


@pytest.mark.parametrize(
    ("changes", "first"),
    [({}, 8), ({"tail": 0}, 1), ({"tail": 0, "horizon": 5}, 5), ({"tail": 12}, 1), ({"tail": 4, "horizon": 10}, 10)],
)
def test_the_queries_that_count_in_a_score(changes, first):
    assert small(**changes).first_scored == first


@given(configs())
def test_every_mask_has_room(config):
    assert config.horizon <= config.first_scored < config.seq_len
    assert config.horizon <= config.first_maskable <= config.seq_len - config.block


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "heads 3 must divide d_model 8"),
        ({"horizon": 0}, "horizon"),
        ({"horizon": 12}, "horizon 12 must be below the window, seq_len 12"),
        ({"seq_len": 1}, "seq_len"),
        ({"mask_ratio": 0.2}, "mask_ratio 0.2 has no effect below mask_block 0.5"),
        ({"mask_ratio": 1.5}, "mask_ratio"),
        ({"momentum": 1.0}, "momentum"),
        ({"dropout": 1.0}, "dropout"),
        ({"tail": -1}, "tail"),
        ({"score": "eror"}, "did you mean 'error'"),
        ({"score": "error", "placement": "centre"}, "placement has no effect with score 'error'"),
        ({"placement": "center"}, "did you mean 'centre'"),
        ({"win_size": 100}, "unknown key 'win_size'"),
    ],
)
def test_settings_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        small(**changes)
