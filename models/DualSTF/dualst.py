"""The DualST block, in which tokens and semantic tokens inform each other, and its parts.

All take tokens of shape (B, N, d). There is no dropout, as the method specifies none.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import DualSTFConfig


class Attention(nn.Module):
    """Multi-head attention of tokens to a context, or between the patches of both.

    Queries, keys and values are linear maps of single tokens, without bias; neighbouring tokens then form a
    patch, and attention weights apply to whole patches. An incomplete last patch is padded with copies of the last
    token.

    Parameters
    ----------
    config : DualSTFConfig
    patch_size : int
        Tokens in a patch; 1 is plain attention.
    """

    def __init__(self, config: DualSTFConfig, patch_size: int = 1):
        super().__init__()
        self.n_heads, self.patch_size = config.n_heads, patch_size
        self.query = nn.Linear(config.d_model, config.d_model, bias=False)
        self.key_value = nn.Linear(config.d_model, 2 * config.d_model, bias=False)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Attend from tokens x of shape (B, N, d) to a context of shape (B, R, d)."""
        key, value = self.key_value(context).chunk(2, dim=-1)
        mixed = F.scaled_dot_product_attention(self._heads(self.query(x)), self._heads(key), self._heads(value))
        mixed = mixed.unflatten(-1, (self.patch_size, -1))  # (B, h, patches, p, d/h)
        tokens = mixed.permute(0, 2, 3, 1, 4).flatten(3).flatten(1, 2)[:, : x.shape[1]]
        return self.output(tokens)

    def _heads(self, x: Tensor) -> Tensor:
        """Turn tokens (B, N, d) into patches (B, h, ceil(N/p), p·d/h)."""
        missing = -x.shape[1] % self.patch_size
        if missing:
            x = torch.cat([x, x[:, -1:].expand(-1, missing, -1)], dim=1)
        x = x.unflatten(2, (self.n_heads, -1)).unflatten(1, (-1, self.patch_size))  # (B, patches, p, h, d/h)
        return x.permute(0, 3, 1, 2, 4).flatten(3)


class TokenConvolution(nn.Conv1d):
    """Convolution of width 3 along the tokens, each feature separately, with zero padding at both ends."""

    def __init__(self, width: int):
        super().__init__(width, width, 3, padding=1, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x of shape (B, N, width)."""
        # As an image of one row in channels-last layout, which takes a quarter of conv1d's time on a CPU.
        image = x.transpose(1, 2).unsqueeze(2)  # (B, width, 1, N)
        image = F.conv2d(image, self.weight.unsqueeze(2), self.bias, padding=(0, 1), groups=self.groups)
        return image.squeeze(2).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear maps with GELU between them, preceded by a convolution along the tokens if `mixes_tokens`."""

    def __init__(self, config: DualSTFConfig, *, mixes_tokens: bool):
        super().__init__()
        width = config.feed_forward_width
        self.expand = nn.Linear(config.d_model, width)
        self.convolution = TokenConvolution(width) if mixes_tokens else nn.Identity()
        self.contract = nn.Linear(width, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens x of shape (B, N, d)."""
        return self.contract(F.gelu(self.convolution(self.expand(x))))


class DualSTBlock(nn.Module):
    """Tokens x and semantic tokens s inform each other.

    1. s += γ1·self-attention(s)
    2. s += γ2·cross-attention(LN(s) to LN(x))
    3. s += γ3·MLP(LN(s))
    4. x += γ4·cross-attention(LN(x) to LN(s))
    5. x += γ5·FFN(LN(x))

    Every attention ends with a linear projection, and s enters the first one without a norm. Tokens x do not change
    before step 4, so steps 2 and 4 share one norm of them.

    Attributes
    ----------
    gammas : Tensor of shape (5, d)
        The learned factors γ1 … γ5 of each feature, initially 1e-6: a new block almost returns its input.
    """

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        self.gammas = nn.Parameter(torch.full((5, config.d_model), 1e-6))
        self.self_attention = Attention(config)
        self.to_semantics = Attention(config)
        self.to_tokens = Attention(config)
        self.semantics_mlp = FeedForward(config, mixes_tokens=False)
        self.tokens_ffn = FeedForward(config, mixes_tokens=True)
        self.semantics_norm1 = nn.LayerNorm(config.d_model)
        self.semantics_norm2 = nn.LayerNorm(config.d_model)
        self.semantics_norm3 = nn.LayerNorm(config.d_model)
        self.tokens_norm1 = nn.LayerNorm(config.d_model)
        self.tokens_norm2 = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """Refine tokens and semantic tokens.

        Parameters
        ----------
        x : Tensor of shape (B, N, d)
        s : Tensor of shape (1, M, d) or (B, M, d)
            Shared by all windows, or separate for each.

        Returns
        -------
        x : Tensor of shape (B, N, d)
        s : Tensor of shape (B, M, d)
        """
        gamma1, gamma2, gamma3, gamma4, gamma5 = self.gammas
        # Tokens that are the same for all windows attend to each other only once.
        s = (s + gamma1 * self.self_attention(s, s)).expand(len(x), -1, -1)
        read = self.tokens_norm1(x)
        s = s + gamma2 * self.to_semantics(self.semantics_norm1(s), read)
        s = s + gamma3 * self.semantics_mlp(self.semantics_norm2(s))
        x = x + gamma4 * self.to_tokens(read, self.semantics_norm3(s))
        x = x + gamma5 * self.tokens_ffn(self.tokens_norm2(x))
        return x, s
