import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exp.config import TrainConfig
from exp.training.schedules import next_rate

RATE = 3e-4


def rates(lradj, epochs):
    """Return the rates that training uses in its epochs."""
    config = TrainConfig(lradj=lradj, learning_rate=RATE, train_epochs=epochs)
    used = [RATE]
    for epoch in range(1, epochs):
        used.append(next_rate(config, epoch, used[-1]))
    return used


def test_type1_halves_each_epoch_but_the_first():
    assert rates("type1", 6) == pytest.approx([RATE, RATE, RATE / 2, RATE / 4, RATE / 8, RATE / 16], rel=1e-12)


def test_type2_steps_down_at_given_epochs():
    steps = {2: 5e-5, 4: 1e-5, 6: 5e-6, 8: 1e-6, 10: 5e-7, 15: 1e-7, 20: 5e-8}
    used = rates("type2", 25)
    expected = RATE
    for epoch in range(1, 25):
        expected = steps.get(epoch, expected)
        assert used[epoch] == expected  # of the epoch after `epoch`, as used[0] is that of epoch 1


def test_type3_falls_by_a_tenth_from_the_fourth_epoch_on():
    assert rates("type3", 7) == pytest.approx([RATE] * 4 + [0.9 * RATE, 0.9**2 * RATE, 0.9**3 * RATE], rel=1e-12)


def test_cosine_falls_to_zero():
    expected = [RATE / 2 * (1 + math.cos(math.pi * epoch / 8)) for epoch in range(8)]
    assert rates("cosine", 8) == pytest.approx(expected, rel=1e-12)
    config = TrainConfig(lradj="cosine", learning_rate=RATE, train_epochs=8)
    assert next_rate(config, 8, RATE) == pytest.approx(0, abs=1e-20)


def test_1cycle_has_no_rate_by_epoch():
    with pytest.raises(ValueError, match="1cycle"):
        next_rate(TrainConfig(lradj="1cycle"), 1, RATE)


@given(
    lradj=st.sampled_from(["type1", "type3", "cosine"]),
    epochs=st.integers(2, 40),
    rate=st.floats(1e-8, 1, allow_nan=False),
)
def test_rates_never_rise(lradj, epochs, rate):
    config = TrainConfig(lradj=lradj, learning_rate=rate, train_epochs=epochs)
    used = [rate, *(next_rate(config, epoch, rate) for epoch in range(1, epochs))]
    assert all(0 < later <= earlier for earlier, later in itertools.pairwise(used))


def test_steps_take_a_tenth_after_each_milestone():
    config = TrainConfig(lradj="steps", learning_rate=RATE, milestones=(2, 4))
    assert [next_rate(config, epoch, RATE) / RATE for epoch in (1, 2, 3, 4, 9)] == pytest.approx(
        [1, 0.1, 0.1, 0.01, 0.01]
    )


def test_linear_falls_from_the_first_epochs_rate_to_the_last_ones():
    config = TrainConfig(lradj="linear", learning_rate=2e-3, final_rate=5e-5, train_epochs=4)
    used = [2e-3, *(next_rate(config, epoch, 0.0) for epoch in (1, 2, 3))]
    assert used == pytest.approx([2e-3, 1.35e-3, 7e-4, 5e-5])
