"""The hyperparameters of Nearest."""

from typing import Annotated

from pydantic import Field, PositiveInt

from models.settings import ModelSettings


class NearestConfig(ModelSettings):
    """The window, and what counts as similar."""

    seq_len: PositiveInt = 96  # T, points in a window
    level_weight: Annotated[float, Field(ge=0, le=1)] = 0.1  # of the windows' means; 1 counts them like their shape
