"""The graph of channels: directed edges drawn from probabilities, and the Chebyshev terms of its Laplacian.

All functions take any number of graphs at once, as leading axes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def edge_probabilities(source: Tensor, target: Tensor) -> Tensor:
    """Return the probability of an edge from each channel to every other, from the cosine of their embeddings.

    Parameters
    ----------
    source, target : Tensors of shape (..., N, d)

    Returns
    -------
    Tensor of shape (..., N, N)
        Values in [0, 1]; row i has the edges from channel i.
    """
    norms = source.norm(dim=-1)[..., :, None] * target.norm(dim=-1)[..., None, :]
    return ((source @ target.mT) / (norms + 1e-6) + 1) / 2


def draw_edges(probabilities: Tensor) -> Tensor:
    """Draw each edge by a hard Gumbel choice between p and 1 − p, with a straight-through gradient.

    The logits are p and 1 − p themselves, as in the published network, so no edge is ever certain.

    Parameters
    ----------
    probabilities : Tensor of shape (..., N, N)

    Returns
    -------
    Tensor of shape (..., N, N)
        Adjacency of zeros and ones, the diagonal 0.
    """
    logits = torch.stack([probabilities, 1 - probabilities], dim=-1)
    return _without_loops(F.gumbel_softmax(logits, tau=1.0, hard=True)[..., 0])


def likelier_edges(probabilities: Tensor) -> Tensor:
    """Return the adjacency of the edges with a probability above a half; shapes as in `draw_edges`."""
    return _without_loops((probabilities >= 0.5).to(probabilities.dtype))


def _without_loops(adjacency: Tensor) -> Tensor:
    return adjacency.triu(1) + adjacency.tril(-1)


def scaled_laplacian(adjacency: Tensor) -> Tensor:
    """Return 2 L / (max L − min L) − I for the Laplacian L, row sums minus adjacency; both of shape (..., N, N)."""
    laplacian = adjacency.sum(-1).diag_embed() - adjacency
    spread = laplacian.amax((-2, -1), keepdim=True) - laplacian.amin((-2, -1), keepdim=True)
    # A single edge makes the spread at least 2; without any the Laplacian is 0.
    return 2 * laplacian / spread.clamp(min=1) - _identity(adjacency)


def chebyshev_terms(laplacian: Tensor, count: int) -> Tensor:
    """Return the Chebyshev polynomials T_1 … T_{count−1} of a scaled Laplacian; T_0 is the identity.

    Parameters
    ----------
    laplacian : Tensor of shape (..., N, N)
    count : int
        At least 2.

    Returns
    -------
    Tensor of shape (..., count − 1, N, N)
    """
    terms = [_identity(laplacian), laplacian]
    for _ in range(2, count):
        terms.append(2 * laplacian @ terms[-1] - terms[-2])
    return torch.stack(terms[1:], dim=-3)


def _identity(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
