"""The hyperparameters of PCA."""

from typing import Annotated

from pydantic import Field, PositiveInt

from models.settings import ModelSettings


class PCAConfig(ModelSettings):
    """Window, and how much of it the components explain."""

    seq_len: PositiveInt = 96  # T, points in a window
    explained_variance: Annotated[float, Field(gt=0, lt=1)] = 0.9  # share of the training windows' variance
