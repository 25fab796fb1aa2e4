"""The hyperparameters of AxonAD."""

import math
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from typing_extensions import Self

from models.settings import ModelSettings

Share = Annotated[float, Field(gt=0, le=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]


class AxonADConfig(ModelSettings):
    """Shape, objective and score of an AxonAD network; the defaults are those of the published runs."""

    # Window
    seq_len: Annotated[int, Field(ge=2)] = 100  # T, points in a window

    # Layers
    d_model: PositiveInt = 128  # d, width of a point's embedding
    heads: PositiveInt = 8  # H, attention heads; they divide d_model
    dropout: Below1 = 0.1  # of the predictor

    # Queries
    horizon: PositiveInt = 1  # s, points from the last one that the predictor sees to the one it predicts
    momentum: Below1 = 0.9  # m, share of its weights that the target keeps in each step
    mask_ratio: Share = 0.5  # share of the window's second half whose queries count in a step's loss
    mask_block: Share = 0.5  # share of it that one block takes

    # Score
    tail: NonNegativeInt = 10  # k, number of a window's last points whose queries count; 0: all that can be predicted
    score: Literal["error", "mismatch", "error+mismatch", "error+mismatch+divergence"] = "error+mismatch"  # terms
    # The point to which a window's score belongs: "separate" assigns the error to the window's centre and the terms of
    # its queries to its last point; "centre" assigns both to the centre, as published, so the mismatch precedes its
    # cause.
    placement: Literal["separate", "centre"] = "separate"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.d_model % self.heads:
            raise ValueError(f"heads {self.heads} must divide d_model {self.d_model}")
        if self.horizon >= self.seq_len:
            raise ValueError(f"horizon {self.horizon} must be below the window, seq_len {self.seq_len}")
        if self.mask_ratio < self.mask_block:
            raise ValueError(
                f"mask_ratio {self.mask_ratio} has no effect below mask_block {self.mask_block}: one block is the least"
            )
        if self.placement == "centre" and self.score == "error":
            raise ValueError("placement has no effect with score 'error', which is always at the centre: remove it")
        return self

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms whose sum is the score."""
        return tuple(self.score.split("+"))

    @property
    def first_scored(self) -> int:
        """First point t₀ of a window whose query counts in its score."""
        return max(self.horizon, self.seq_len - self.tail) if self.tail else self.horizon

    @property
    def first_maskable(self) -> int:
        """First point a of a window whose query may count in a step's loss."""
        return self.seq_len - self._maskable

    @property
    def block(self) -> int:
        """Points b in a block of the mask."""
        return max(1, round(self.mask_block * self._maskable))

    @property
    def blocks(self) -> int:
        """Number of mask blocks in a window."""
        return math.ceil(max(1, round(self.mask_ratio * self._maskable)) / self.block)

    @property
    def _maskable(self) -> int:
        return max(1, (self.seq_len - self.horizon) // 2)
