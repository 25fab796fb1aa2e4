"""The hyperparameters of CrossAD, by the names of the published configuration files."""

import itertools
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveInt, model_validator
from typing_extensions import Self

from models.settings import ModelSettings

Dropout = Annotated[float, Field(ge=0, lt=1)]


def _plain_norm(name: object) -> object:
    """Return the plain name of a norm that is written like PyTorch's class or the published code's option."""
    if not isinstance(name, str):
        return name
    plain = name.lower().replace("_", "").removesuffix("1d")
    return "batchnorm" if plain == "batch" else plain


class CrossADConfig(ModelSettings):
    """Shape of a CrossAD network; the defaults are the most common published values."""

    # Window and scales
    seq_len: PositiveInt  # T, points in a window
    patch_len: PositiveInt  # p, points in a patch
    ms_kernels: Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)]  # downsampling, coarsest first
    ms_method: Literal["average_pooling", "interval_sampling"] = "average_pooling"  # a block's mean, or its first value

    # Context
    topk: PositiveInt = 10  # frequencies that the router keeps
    n_query: PositiveInt = 5  # queries in the library
    query_len: PositiveInt = 5  # rows of a query
    bank_size: PositiveInt = 32  # prototypes in the global context
    decay: Annotated[float, Field(ge=0, le=1)] = 0.95  # decay of the prototypes' moving averages
    epsilon: NonNegativeFloat = 1e-5  # smoothing of the prototypes' counts

    # Depth
    e_layers: PositiveInt = 2  # encoder
    d_layers: PositiveInt = 2  # decoder
    m_layers: PositiveInt = 2  # sub-series extractor

    # Layers
    d_model: PositiveInt = 128  # d, width of a token
    n_heads: PositiveInt = 4  # attention heads; they divide d_model
    d_ff: PositiveInt | None = None  # hidden width of the feed-forward part; none means 4 d_model
    attn_dropout: Dropout = 0.1  # on attention weights
    proj_dropout: Dropout = 0.1  # after an attention's output projection
    ff_dropout: Dropout = 0.1  # everywhere else in a layer
    norm: Annotated[Literal["layernorm", "batchnorm"], BeforeValidator(_plain_norm)] = "layernorm"  # of all layers
    activation: Literal["gelu", "relu"] = "gelu"  # GELU is the exact form

    @model_validator(mode="after")
    def _check(self) -> Self:
        kernels = list(self.ms_kernels)
        if any(coarse <= fine for coarse, fine in itertools.pairwise(kernels)):
            raise ValueError(f"ms_kernels must be strictly decreasing, coarsest first: {kernels}")
        if kernels[-1] < 2:
            raise ValueError(f"ms_kernels must be at least 2, as the window itself is always a scale: {kernels}")
        if kernels[0] > self.seq_len:
            raise ValueError(f"ms_kernels {kernels} must not exceed the window, seq_len {self.seq_len}")
        if self.patch_len > self.seq_len:
            raise ValueError(f"patch_len {self.patch_len} must not exceed seq_len {self.seq_len}")
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads {self.n_heads} must divide d_model {self.d_model}")
        if self.d_model % 2:
            raise ValueError(f"d_model {self.d_model} must be even, as positions are pairs of sine and cosine")
        bins = self.seq_len // 2 + 1
        if self.topk > bins:
            raise ValueError(f"topk {self.topk} exceeds the {bins} frequencies of a window of {self.seq_len}")
        return self

    @property
    def feed_forward_width(self) -> int:
        """Width between the two linear maps of a feed-forward part."""
        return self.d_ff or 4 * self.d_model

    @property
    def kernels(self) -> tuple[int, ...]:
        """Downsampling factors of all scales, coarsest first, ending with 1 for the window itself."""
        return (*self.ms_kernels, 1)
