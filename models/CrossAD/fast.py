"""Pure optimisations: how attention, dropout, the nearest prototype and scoring are computed, not what they are.

Written plainly, with separate projections for queries, keys and values, one softmax over all scores, PyTorch's own
dropout and whole batches, each of these gives the same result up to rounding; a dropout zeroes other values at the same
rate. `crossad.py` can be read without this file, and each docstring here says first what is computed, then what makes
it fast.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import CrossADConfig

MASK_BLOCK = 2**16  # values of a dropout mask created at once, few enough for the CPU cache
QUERY_BLOCK = 512  # queries whose attention weights fit in the CPU cache
SCORE_CHUNK = 128  # windows scored at once on a CPU: enough for efficient matrix products, few enough for its cache


class SelfAttention(nn.Module):
    """MaskAttn(X, X, X, M) = softmax((X W_q)(X W_k)ᵀ / √(d/h) + M) (X W_v) in h heads, and a linear map of the result.

    W_q, W_k and W_v are concatenated in one matrix: one product instead of three.
    """

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.n_heads, self.rate = config.n_heads, config.attn_dropout
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend among tokens x of shape (N, P, d), with `mask` of shape (P, P) added to the scores."""
        qkv = self.qkv(x).unflatten(-1, (3, self.n_heads, -1))  # (N, P, 3, h, d/h)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (N, h, P, d/h) each
        mixed = attend(query, key, value, mask, self.rate if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class CrossAttention(nn.Module):
    """Attention(X, Y, Y) = softmax((X W_q)(Y W_k)ᵀ / √(d/h)) (Y W_v) in h heads, and a linear map of the result.

    W_k and W_v are concatenated in one matrix. A context Y that is the same for all windows is projected once.
    """

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.n_heads, self.rate = config.n_heads, config.attn_dropout
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key_value = nn.Linear(config.d_model, 2 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Attend from tokens x of shape (N, P, d) to a context of shape (N, R, d), or (1, R, d) for all windows."""
        # With one context for all, the windows' tokens are simply more queries to the same keys: one large product on
        # the CPU. The fused GPU kernels, however, distribute the gradient of keys only by rows and blocks of keys; with
        # a row for each window, the whole device has work.
        rows = len(context) if x.device.type == "cpu" else len(x)
        query = self.query(x).reshape(rows, -1, self.n_heads, x.shape[-1] // self.n_heads).transpose(1, 2)
        key_value = self.key_value(context).unflatten(-1, (2, self.n_heads, -1))  # (1 or N, R, 2, h, d/h)
        key, value = key_value.expand(rows, -1, -1, -1, -1).permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, None, self.rate if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, rate: float) -> Tensor:
    """Scaled dot-product attention: with the fused kernel on a GPU, with plain products on the CPU.

    Parameters
    ----------
    query : Tensor of shape (B, h, L, d/h)
    key, value : Tensors of shape (B, h, R, d/h)
    mask : Tensor of shape (L, R) or None
        Added to the scores; −inf hides a key from a query.
    rate : float
        Dropout rate of the weights.

    Returns
    -------
    Tensor of shape (B, h, L, d/h)
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=rate)
    # With so few keys, plain products beat the fused CPU kernel, which also lacks dropout. The queries of a whole
    # batch to the one global context, where nothing is masked, are processed in parts whose weights fit in the cache.
    scale = 1.0 / math.sqrt(key.shape[-1])
    if mask is not None:
        # Scale and mask are part of the product.
        scores = torch.baddbmm(mask, query.flatten(0, 1), key.flatten(0, 1).mT, alpha=scale)
        weights = dropout(_softmax(scores), rate, rate > 0)
        return torch.bmm(weights, value.flatten(0, 1)).view(query.shape)
    key = (key * scale).mT  # (B, h, d/h, R)
    parts = [dropout(_softmax(part @ key), rate, rate > 0) @ value for part in query.split(QUERY_BLOCK, dim=2)]
    return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]


def _softmax(scores: Tensor) -> Tensor:
    """Softmax over the last axis; PyTorch's is vectorised on the CPU from 16 values on."""
    missing = 16 - scores.shape[-1]
    if missing <= 0:
        return scores.softmax(-1)
    return F.pad(scores, (0, missing), value=-torch.inf).softmax(-1)[..., :-missing]


class DroppedActivation(nn.Module):
    """Dropout(ReLU(x)) or dropout(GELU(x)).

    GELU's gradient needs only its input, so dropout modifies its output, the widest tensor of all, in place.
    """

    def __init__(self, activation: str, rate: float):
        super().__init__()
        self.is_relu, self.rate = activation == "relu", rate

    def forward(self, x: Tensor) -> Tensor:
        """Map x, of any shape."""
        if self.is_relu:
            return dropout(F.relu(x), self.rate, self.training)
        return dropout(F.gelu(x), self.rate, self.training, inplace=True)


class DroppedSum(nn.Module):
    """x + dropout(y), with several dropouts in sequence: one mask serves all of them."""

    def __init__(self, *rates: float):
        super().__init__()
        self.rate = joint_rate(*rates)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Add tensors of the same shape."""
        return add_dropped(x, y, self.rate, self.training)


def joint_rate(*rates: float) -> float:
    """Rate of the single dropout equivalent to several independent ones in sequence."""
    return functools.reduce(lambda one, other: 1.0 - (1.0 - one) * (1.0 - other), rates) if rates else 0.0


def dropout(x: Tensor, rate: float, training: bool, *, inplace: bool = False) -> Tensor:
    """Set a share `rate` of the values to zero while training, and scale the others to keep the mean."""
    if not training or rate == 0.0:
        return x
    if _is_native(x):
        return F.dropout(x, rate, inplace=inplace)
    mask = _mask(x, rate)
    return x.mul_(mask) if inplace else x * mask


def add_dropped(x: Tensor, y: Tensor, rate: float, training: bool) -> Tensor:
    """Return x + dropout(y)."""
    if not training or rate == 0.0:
        return x + y
    if _is_native(x):
        return x + F.dropout(y, rate)
    return torch.addcmul(x, y, _mask(y, rate))


def _is_native(x: Tensor) -> bool:
    """Whether PyTorch's own dropout is faster."""
    return x.device.type != "cpu" or torch.compiler.is_compiling()


def _mask(x: Tensor, rate: float) -> Tensor:
    """Return a mask in the shape of `x`: 0 for a share `rate` of the values (to 2⁻¹⁶), 1 / (1 − rate) elsewhere.

    On the CPU, PyTorch draws 64 random bits for each value, one after another, which takes a fifth of a training step.
    Here one number from its generator seeds a fast generator, 16 bits of which decide on each value.
    """
    generator = np.random.Generator(np.random.SFC64(int(torch.randint(2**62, ()))))
    threshold, scale = round(rate * 2**16) - 2**15, 1.0 / (1.0 - rate)
    mask = torch.empty(x.numel(), dtype=x.dtype)
    for part in mask.split(MASK_BLOCK):
        words = generator.integers(2**64, size=-(-len(part) // 4), dtype=np.uint64)
        bits = torch.from_numpy(words.view(np.int16)[: len(part)])
        # Directly as floats: comparing these in place is vectorised, a boolean result is not.
        part.copy_(bits.float().ge_(threshold).mul_(scale))
    return mask.view_as(x)


def nearest(x: Tensor, y: Tensor) -> Tensor:
    """Return, for each row of x (N, D), the index (N,) of the nearest row of y (K, D).

    One matrix product suffices: ‖x − y‖² is ‖y‖² − 2 x·y up to ‖x‖², which is the same for all y.
    """
    return (y.square().sum(1) - 2 * x @ y.T).argmin(1)


def take(x: Tensor, columns: Tensor) -> Tensor:
    """Return the columns of x (N, L) at ascending indices: x itself, not a copy, if these are all of them."""
    return x if x.shape[1] == len(columns) else x.index_select(1, columns)


def in_parts(function: Callable[[Tensor], Tensor], windows: Tensor) -> Tensor:
    """Apply `function`, which returns a row per window, to windows (N, T); on the CPU to a few windows at a time."""
    size = SCORE_CHUNK if windows.device.type == "cpu" else max(len(windows), 1)
    return torch.cat([function(part) for part in windows.split(size)])
