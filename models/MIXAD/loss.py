"""The terms of MIXAD's loss."""

import math

from torch import Tensor
from torch.nn import functional as F


def masked_absolute_error(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute error over the values that are not 0 in `target`, of the same shape."""
    mask = (target != 0).to(target.dtype)
    return ((reconstruction - target).abs() * mask).sum() / mask.sum().clamp(min=1)


def contrast(query: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Return by how much queries miss the margin by which they should be nearer to one slot than to the next.

    Parameters
    ----------
    query, positive, negative : Tensors of shape (..., d)
        The slots receive no gradient.
    margin : float

    Returns
    -------
    Tensor of shape ()
        Mean of max(‖query − positive‖ − ‖query − negative‖ + margin, 0).
    """
    return F.triplet_margin_loss(query, positive.detach(), negative.detach(), margin=margin)


def consistency(query: Tensor, positive: Tensor) -> Tensor:
    """Return the mean squared difference between queries and their nearest slots, both of shape (..., d).

    The slots receive no gradient.
    """
    return F.mse_loss(query, positive.detach())


def unequal_use(attention: Tensor) -> Tensor:
    """Return the divergence KL(uniform ‖ softmax of the slots' summed attention).

    Parameters
    ----------
    attention : Tensor of shape (..., S)

    Returns
    -------
    Tensor of shape ()
    """
    slots = attention.shape[-1]
    use = attention.reshape(-1, slots).sum(0).log_softmax(0)
    return -math.log(slots) - use.mean()
