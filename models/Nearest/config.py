"""The hyperparameters of Nearest."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator
from typing_extensions import Self

from models.settings import ModelSettings


class NearestConfig(ModelSettings):
    """The window, its parts, and what counts as similar."""

    seq_len: PositiveInt = 96  # T, points in a window
    parts: PositiveInt = 3  # of a window, which are compared by themselves as well; 1: the whole window only
    level_weight: Annotated[float, Field(ge=0, le=1)] = 0.1  # of the windows' means; 1 counts them like their shape

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.parts > self.seq_len:
            raise ValueError(f"parts {self.parts} are more than the {self.seq_len} points of a window: use fewer parts")
        return self
