import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.CrossAD.crossad import Context, GlobalContext, PeriodAwareRouter
from tests.support.crossad_cases import small


def bank(seed=0, **changes):
    torch.manual_seed(seed)
    return GlobalContext(small(**changes))


def test_a_new_bank():
    new = bank(bank_size=500)
    assert new.prototypes.shape == new.sums.shape == (500, 2, 16)
    assert torch.equal(new.counts, torch.ones(500))
    assert torch.equal(new.sums, torch.zeros(500, 2, 16))
    assert abs(float(new.prototypes.mean())) < 0.05
    assert abs(float(new.prototypes.std()) - 1) < 0.05
    assert not list(new.parameters())


@given(count=st.integers(1, 12), decay=st.floats(0.05, 0.999), epsilon=st.floats(1e-8, 0.1), seed=st.integers(0, 99))
def test_the_prototypes_move_as_defined(count, decay, epsilon, seed):
    moved = bank(seed, decay=decay, epsilon=epsilon)
    for step in range(3):
        prototypes, counts, sums = (
            value.double().numpy().copy() for value in (moved.prototypes, moved.counts, moved.sums)
        )
        q = torch.randn(count, 2, 16, generator=torch.Generator().manual_seed(1000 * seed + step))
        values = q.double().numpy()
        distances = ((values[:, None] - prototypes[None]) ** 2).sum((2, 3))
        taken = distances.argmin(1)
        distance = moved(q)[1]

        counts = decay * counts + (1 - decay) * np.bincount(taken, minlength=4)
        total = counts.sum()
        counts = (counts + epsilon) / (total + 2 * 16 * epsilon) * total
        sums = decay * sums
        np.add.at(sums, taken, (1 - decay) * values)
        np.testing.assert_allclose(moved.counts, counts, rtol=1e-4)
        np.testing.assert_allclose(moved.sums, sums, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moved.prototypes, sums / counts[:, None, None], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(distance, ((values - prototypes[taken]) ** 2).mean(), rtol=1e-4)


def test_what_nothing_took_is_zero_after_the_first_step():
    moved = bank()
    moved(moved.prototypes[2:3] + 0.01)
    zero = (moved.prototypes == 0).all(-1).all(-1)
    assert zero.tolist() == [True, True, False, True]


def test_the_gradient_goes_past_the_moving_averages():
    moved = bank()
    q = torch.cat([moved.prototypes[[1, 1, 3]] + 0.01]).requires_grad_()
    context, distance = moved(q)
    assert torch.equal(context, moved.prototypes)
    weight = torch.randn(4, 2, 16)
    (context * weight).sum().backward()
    torch.testing.assert_close(q.grad, weight[[1, 1, 3]])
    assert not distance.requires_grad
    assert not moved.prototypes.requires_grad


def test_a_second_step_goes_through_a_graph_of_its_own():
    moved = bank()
    for _ in range(2):
        q = torch.randn(5, 2, 16, requires_grad=True)
        moved(q)[0].sum().backward()
        assert q.grad is not None


def test_the_router_reads_the_strongest_frequencies_alone():
    router = PeriodAwareRouter(small(seq_len=48, topk=2))
    time = torch.arange(48)
    strong = 5 * torch.sin(2 * torch.pi * 3 * time / 48) + 3 * torch.cos(2 * torch.pi * 10 * time / 48)
    weak = torch.sin(2 * torch.pi * 7 * time / 48) + 0.5
    choices = []
    for window in (strong, strong + weak):
        torch.manual_seed(0)
        choices.append(router(window.expand(200, -1)))
    assert torch.equal(choices[0], choices[1])
    torch.manual_seed(0)
    assert not torch.equal(router((3 * weak).expand(200, -1)), choices[0])


def test_the_router_chooses_one_query_by_its_logits():
    router = PeriodAwareRouter(small(topk=13))
    windows = torch.randn(1, 24).expand(20_000, -1)
    torch.manual_seed(0)
    choice = router(windows)
    assert torch.equal(choice.detach().sum(1), torch.ones(len(choice)))
    assert set(choice.detach().unique().tolist()) <= {0.0, 1.0}
    expected = router.linear(windows[0]).softmax(-1)
    torch.testing.assert_close(choice.mean(0), expected, rtol=0, atol=0.02)


def test_the_choice_has_a_gradient():
    router = PeriodAwareRouter(small())
    (router(torch.randn(8, 24)) * torch.randn(8, 3)).sum().backward()
    assert router.linear.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("layers", [1, 2])
def test_a_context_of_random_queries(layers):
    context = Context(small(m_layers=layers))
    assert context.queries.shape == (3, 2, 16)
    assert len(context.extractor) == layers
    prototypes, distance = context(torch.randn(6, 24), torch.randn(6, 5, 16))
    assert prototypes.shape == (4, 2, 16)
    assert distance.shape == ()
    assert distance > 0
