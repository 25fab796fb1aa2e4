"""The normalisations of tokens."""

from torch import Tensor, nn

from .config import CrossADConfig


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of each of the d features over all tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x of shape (N, P, d)."""
        return super().forward(x.flatten(0, 1)).view_as(x)


def make_norm(config: CrossADConfig) -> nn.Module:
    """Return the token normalisation that the configuration names."""
    kind = TokenBatchNorm if config.norm == "batchnorm" else nn.LayerNorm
    return kind(config.d_model)
