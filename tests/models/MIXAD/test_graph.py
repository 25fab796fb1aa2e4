import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from models.MIXAD.graph import chebyshev_terms, draw_edges, edge_probabilities, likelier_edges, scaled_laplacian


@st.composite
def adjacencies(draw):
    """Draw directed graphs without loops, some without any edge."""
    nodes, share = draw(st.integers(2, 9)), draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return torch.from_numpy((rng.random((2, nodes, nodes)) < share) * (1.0 - np.eye(nodes)))


def test_probabilities_by_hand():
    source, target = torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[3.0, 0], [-1, 0]])
    expected = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    torch.testing.assert_close(edge_probabilities(source, target), expected, rtol=0, atol=1e-6)


def test_embeddings_of_zero_have_edges_by_chance():
    probabilities = edge_probabilities(torch.zeros(3, 2), torch.randn(3, 2))
    assert torch.equal(probabilities, torch.full((3, 3), 0.5))


def test_likelier_edges():
    probabilities = torch.tensor([[0.9, 0.51, 0.49], [0.0, 1.0, 1.0], [0.5, 0.2, 0.9]])
    assert likelier_edges(probabilities).tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_draws_are_choices_between_p_and_its_complement_as_logits():
    torch.manual_seed(0)
    probabilities = torch.tensor([[0.5, 1.0], [0.2, 0.5]]).expand(20_000, 2, 2)
    edges = draw_edges(probabilities)
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert not edges.diagonal(dim1=-2, dim2=-1).any()
    share = edges.mean(0)
    assert abs(share[0, 1] - 1 / (1 + np.exp(-1))) < 0.015  # the logistic function of p − (1 − p) = 1
    assert abs(share[1, 0] - 1 / (1 + np.exp(0.6))) < 0.015


def test_draws_have_the_gradient_of_the_soft_choice():
    probabilities = torch.rand(6, 6).requires_grad_()
    torch.manual_seed(0)
    draw_edges(probabilities).sum().backward()
    torch.manual_seed(0)
    noise = -torch.empty(6, 6, 2).exponential_().log()
    soft = torch.sigmoid(2 * probabilities.detach() - 1 + noise[..., 0] - noise[..., 1])
    expected = 2 * soft * (1 - soft) * (1 - torch.eye(6))
    torch.testing.assert_close(probabilities.grad, expected)


def test_draws_come_from_the_global_generator():
    probabilities = torch.full((9, 9), 0.5)
    torch.manual_seed(3)
    first = draw_edges(probabilities)
    assert not torch.equal(draw_edges(probabilities), first)
    torch.manual_seed(3)
    assert torch.equal(draw_edges(probabilities), first)


def test_laplacian_by_hand():
    adjacency = torch.tensor([[0.0, 1, 1], [0, 0, 0], [1, 0, 0]])  # L from −1 to 2
    expected = torch.tensor([[1 / 3, -2 / 3, -2 / 3], [0, -1, 0], [-2 / 3, 0, -1 / 3]])
    torch.testing.assert_close(scaled_laplacian(adjacency), expected)


@given(adjacencies())
def test_rows_of_the_scaled_laplacian(adjacency):
    scaled = scaled_laplacian(adjacency)
    assert torch.isfinite(scaled).all()
    torch.testing.assert_close(scaled.sum(-1), -torch.ones(scaled.shape[:-1], dtype=scaled.dtype))
    unscaled = scaled + torch.eye(scaled.shape[-1])
    spread = unscaled.amax((1, 2)) - unscaled.amin((1, 2))
    torch.testing.assert_close(spread, 2.0 * adjacency.any(-1).any(-1).double())


@given(adjacencies(), st.integers(2, 6))
def test_terms_are_chebyshev_polynomials(adjacency, count):
    scaled = scaled_laplacian(adjacency)
    terms = chebyshev_terms(scaled, count)
    assert terms.shape == (2, count - 1, *adjacency.shape[1:])
    for power in range(1, count):
        coefficients = chebyshev.cheb2poly([0] * power + [1])
        expected = sum(c * torch.linalg.matrix_power(scaled, i) for i, c in enumerate(coefficients))
        torch.testing.assert_close(terms[:, power - 1], expected)
