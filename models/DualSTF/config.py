"""The hyperparameters of Dual-STF."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from typing_extensions import Self

from models.settings import ModelSettings

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)]


class DualSTFConfig(ModelSettings):
    """Shape of a Dual-STF network; the defaults are the method's, where it states a value."""

    # Window
    seq_len: PositiveInt = 100  # L, points in a window
    points_per_token: PositiveInt = 10  # a window has M = seq_len // points_per_token semantic tokens

    # Layers
    d_model: PositiveInt = 128  # d, width of a token
    n_heads: PositiveInt = 4  # attention heads; they divide d_model
    d_ff: PositiveInt | None = None  # hidden width of the feed-forward part; none means 2 d_model

    # Temporal path
    patch_sizes: Sizes = (10, 20, 30)  # points in a patch; the window's end is padded with copies of its last point

    # Structural path
    kernel_sizes: Sizes = (5,)  # kernel sizes of the circular convolutions that are averaged
    structural_share: Annotated[float, Field(ge=0, le=1)] = 0.7  # of its own semantics, against the temporal ones
    n_prototypes: PositiveInt = 10  # structural prototypes
    temperature: PositiveFloat = 0.1  # τ of the softmax that provides the gradient of the choice of prototypes

    # Score and loss
    score: Literal["product", "maximum", "weighted_sum", "norm_sum", "learnable_weight", "learnable_norm_weight"] = (
        "product"  # how the two deviations are combined into one score
    )
    alpha: NonNegativeFloat = 1.0  # weight of the structural deviation in the loss and in score weighted_sum

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.seq_len < self.points_per_token:
            raise ValueError(f"points_per_token {self.points_per_token} must not exceed seq_len {self.seq_len}")
        if self.d_model % self.n_heads:
            raise ValueError(f"n_heads {self.n_heads} must divide d_model {self.d_model}")
        if max(self.patch_sizes) >= self.seq_len:
            raise ValueError(
                f"patch_sizes {list(self.patch_sizes)} must be below seq_len {self.seq_len}, "
                "as attention needs at least two patches"
            )
        if any(size % 2 == 0 for size in self.kernel_sizes) or max(self.kernel_sizes) > self.seq_len:
            raise ValueError(
                f"kernel_sizes {list(self.kernel_sizes)} must be odd and not exceed the window, seq_len {self.seq_len}"
            )
        distinct = self.d_model // 2 + 1
        if self.n_prototypes > distinct:
            raise ValueError(
                f"n_prototypes {self.n_prototypes} exceeds {distinct}, cosines on d_model {self.d_model} points repeat"
            )
        return self

    @property
    def n_tokens(self) -> int:
        """Number M of semantic tokens in a window."""
        return self.seq_len // self.points_per_token

    @property
    def feed_forward_width(self) -> int:
        """Width between the two linear maps of a feed-forward part."""
        return self.d_ff or 2 * self.d_model
