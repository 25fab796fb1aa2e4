import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.DualSTF.fusion import Fusion, standardise
from tests.support.dualstf_cases import SCORES, small

TD = torch.tensor([[1.0, 3.0], [0.0, 4.0]])
RD = torch.tensor([[5.0, 1.0], [2.0, 2.0]])  # standardised, the second window's are all 0


def fusion(score, w=0.5, alpha=1.0):
    made = Fusion(small(score=score, alpha=alpha))
    if made.is_learned:
        with torch.no_grad():
            made.logit.fill_(math.log(w / (1 - w)))
    return made


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (fusion("product"), [[5, 3], [0, 8]]),
        (fusion("maximum"), [[5, 3], [2, 4]]),
        (fusion("weighted_sum"), [[6, 4], [2, 6]]),
        (fusion("weighted_sum", alpha=0.5), [[3.5, 3.5], [1, 5]]),
        (fusion("norm_sum"), [[0, 0], [-1, 1]]),
        (fusion("learnable_weight"), [[3, 2], [1, 3]]),
        (fusion("learnable_weight", w=0.75), [[2, 2.5], [0.5, 3.5]]),
        (fusion("learnable_norm_weight"), [[0, 0], [-0.5, 0.5]]),
        (fusion("learnable_norm_weight", w=0.75), [[-0.5, 0.5], [-0.75, 0.75]]),
    ],
)
def test_scores_by_hand(made, expected):
    torch.testing.assert_close(made(TD, RD), torch.tensor(expected, dtype=torch.float32), rtol=1e-5, atol=1e-6)


def test_standardised_deviations():
    deviations = torch.rand(3, 50, generator=torch.Generator().manual_seed(0))
    result = standardise(deviations)
    torch.testing.assert_close(result.mean(1), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(result.var(1, correction=0), torch.ones(3))
    torch.testing.assert_close(standardise(1e-3 * deviations), result, rtol=1e-3, atol=1e-3)
    assert torch.equal(standardise(torch.full((1, 5), 2.0)), torch.zeros(1, 5))


@pytest.mark.parametrize("score", SCORES)
def test_only_a_learned_weight_is_a_parameter(score):
    names = [name for name, _ in fusion(score).named_parameters()]
    assert names == (["logit"] if score.startswith("learnable") else [])


@given(a=st.floats(0.03, 30), b=st.floats(0.03, 30))
def test_the_weight_balances_two_peaks_in_the_same_place(a, b):
    balanced = b / (a + b)
    made = fusion("learnable_weight", w=balanced)
    td, rd = torch.tensor([[0.0, a]]), torch.tensor([[0.0, b]])
    made.weight_loss(td, rd).backward()
    assert float(made.logit.grad) == pytest.approx(0, abs=1e-3)
    best = float(made.weight_loss(td, rd).detach())
    for w in (0.8 * balanced, balanced + 0.2 * (1 - balanced)):
        assert float(fusion("learnable_weight", w=w).weight_loss(td, rd).detach()) > best


@pytest.mark.parametrize("score", ["learnable_weight", "learnable_norm_weight"])
def test_the_deviation_of_higher_peaks_weighs_less(score):
    torch.manual_seed(0)
    flat, peaked = 1 + torch.rand(8, 50), torch.rand(8, 50)
    peaked[:, 7] = 30
    for td, rd, falls in ((peaked, flat, True), (flat, peaked, False)):
        made = fusion(score)
        optimizer = torch.optim.Adam(made.parameters(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            made.weight_loss(td, rd).backward()
            optimizer.step()
        assert (made.logit < -0.3) if falls else (made.logit > 0.3)
        assert abs(made.logit) < 10


@pytest.mark.parametrize("score", ["learnable_weight", "learnable_norm_weight"])
def test_the_weight_learns_without_the_paths(score):
    made = fusion(score)
    td, rd = TD.clone().requires_grad_(), RD.clone().requires_grad_()
    made.weight_loss(td, rd).backward()
    assert td.grad is rd.grad is None
    assert made.logit.grad is not None


@pytest.mark.parametrize("score", ["learnable_weight", "learnable_norm_weight"])
def test_a_window_without_peaks_teaches_nothing(score):
    made = fusion(score, w=0.5)
    term = made.weight_loss(torch.zeros(2, 5), torch.zeros(2, 5))
    term.backward()
    assert torch.isfinite(term)
    assert made.logit.grad == 0


def test_the_term_is_a_mean_over_windows():
    made = fusion("learnable_weight", w=0.3)
    both = made.weight_loss(TD, RD)
    each = [made.weight_loss(TD[i : i + 1], RD[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(both, sum(each) / 2)
    expected = math.log(0.3 * 1 + 0.7 * 5) + math.log(0.3 * 4 + 0.7 * 2) - math.log(0.3) - math.log(0.7)
    assert float(both.detach()) == pytest.approx(expected, rel=1e-5)
