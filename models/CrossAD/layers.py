"""The transformer layers of CrossAD: attention, the feed-forward part, and the three kinds of layer made of them.

Layers are post-norm and take tokens of shape (N, P, d): N windows of P tokens of width d.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import CrossADConfig
from .dropout import add_dropped, dropout, joint_rate


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of each of the d features over all tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x of shape (N, P, d)."""
        return super().forward(x.flatten(0, 1)).view_as(x)


def make_norm(config: CrossADConfig) -> nn.Module:
    """Return the normalisation of tokens that the configuration names."""
    kind = TokenBatchNorm if config.norm == "batchnorm" else nn.LayerNorm
    return kind(config.d_model)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, rate: float) -> Tensor:
    """Scaled dot-product attention.

    Parameters
    ----------
    query : Tensor of shape (B, h, L, d/h)
    key, value : Tensors of shape (B, h, R, d/h)
    bias : Tensor of shape (L, R) or None
        Added to the scores; −inf hides a key from a query.
    rate : float
        Dropout of the weights.

    Returns
    -------
    Tensor of shape (B, h, L, d/h)
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=rate)
    # With so few keys plain products beat the fused CPU kernel, which also knows no dropout. The queries of a whole
    # batch to the one global context, where nothing is hidden, go in parts whose weights stay in the cache.
    size = 512 if bias is None else query.shape[2]
    key = (key * (1.0 / math.sqrt(key.shape[-1]))).mT  # (B, h, d/h, R)
    parts = [_weigh(part @ key, bias, rate) @ value for part in query.split(size, dim=2)]
    return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]


def _weigh(scores: Tensor, bias: Tensor | None, rate: float) -> Tensor:
    """Return the attention weights that scores (B, h, L, R) give."""
    if bias is not None:
        scores = scores + bias
    return dropout(scores.softmax(-1), rate, rate > 0)


class SelfAttention(nn.Module):
    """Multi-head attention of a window's tokens among themselves."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.n_heads, self.rate = config.n_heads, config.attn_dropout
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attend among tokens x of shape (N, P, d), with `bias` of shape (P, P) on the scores."""
        qkv = self.qkv(x).unflatten(-1, (3, self.n_heads, -1))  # (N, P, 3, h, d/h)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, bias, self.rate if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class CrossAttention(nn.Module):
    """Multi-head attention of a window's tokens to a context."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.n_heads, self.rate = config.n_heads, config.attn_dropout
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key_value = nn.Linear(config.d_model, 2 * config.d_model)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Attend from tokens x of shape (N, P, d) to a context of shape (N, R, d), or (1, R, d) for all windows."""
        # With one context for all, the windows' tokens are simply more queries to the same keys: on the CPU one large
        # product. The fused kernels of GPUs, though, share out the gradient of keys by rows and blocks of keys alone;
        # with a row for each window all of the device has work.
        rows = len(context) if x.device.type == "cpu" else len(x)
        query = self.query(x).reshape(rows, -1, self.n_heads, x.shape[-1] // self.n_heads).transpose(1, 2)
        key_value = self.key_value(context).unflatten(-1, (2, self.n_heads, -1))  # (1 or N, R, 2, h, d/h)
        key, value = key_value.expand(rows, -1, -1, -1, -1).permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, None, self.rate if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))


class FeedForward(nn.Module):
    """Two linear maps, token by token, with the activation and a dropout between them."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.expand = nn.Linear(config.d_model, config.feed_forward_width)
        self.contract = nn.Linear(config.feed_forward_width, config.d_model)
        self.is_relu = config.activation == "relu"
        self.rate = config.ff_dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens x of shape (N, P, d)."""
        hidden = self.expand(x)
        # GELU's gradient needs its input alone, so that its output, the widest tensor of all, is dropped in place.
        if self.is_relu:
            hidden = dropout(F.relu(hidden), self.rate, self.training)
        else:
            hidden = dropout(F.gelu(hidden), self.rate, self.training, inplace=True)
        return self.contract(hidden)


class _Layer(nn.Module):
    """What all layers share: adding a part's output to its input behind dropout."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        # An attention's own dropout and the layer's follow each other directly, so that one mask does for both.
        self.attention_rate = joint_rate(config.proj_dropout, config.ff_dropout)
        self.feed_forward_rate = config.ff_dropout

    def add_attention(self, x: Tensor, attended: Tensor) -> Tensor:
        return add_dropped(x, attended, self.attention_rate, self.training)

    def add_feed_forward(self, x: Tensor) -> Tensor:
        return add_dropped(x, self.feed_forward(x), self.feed_forward_rate, self.training)


class EncoderLayer(_Layer):
    """Layer of the scale-independent encoder."""

    def __init__(self, config: CrossADConfig):
        super().__init__(config)
        self.attention = SelfAttention(config)
        self.feed_forward = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Refine tokens x of shape (N, P, d)."""
        x = self.norm1(self.add_attention(x, self.attention(x, bias)))
        x = self.norm1(x)  # once more, as the published network does: its weights rest on it
        return self.norm2(self.add_feed_forward(x))


class DecoderLayer(_Layer):
    """Layer of the next-scale decoder."""

    def __init__(self, config: CrossADConfig):
        super().__init__(config)
        self.self_attention = SelfAttention(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)
        self.norm3 = make_norm(config)

    def forward(self, x: Tensor, bias: Tensor, context: Tensor) -> Tensor:
        """Refine tokens x of shape (N, P, d) with the global context of shape (1, K·Lq, d)."""
        x = self.norm1(self.add_attention(x, self.self_attention(x, bias)))
        x = self.norm2(self.add_attention(x, self.cross_attention(x, context)))
        return self.norm3(self.add_feed_forward(x))


class ExtractorLayer(_Layer):
    """Layer that refines a window's query by what the encoder found in the window."""

    def __init__(self, config: CrossADConfig):
        super().__init__(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)

    def forward(self, query: Tensor, encoded: Tensor) -> Tensor:
        """Refine queries of shape (N, Lq, d) by encoded tokens of shape (N, P, d)."""
        query = self.norm1(self.add_attention(query, self.cross_attention(query, encoded)))
        return self.norm2(self.add_feed_forward(query))
