"""The hyperparameters of NearestPCA: those of both."""

from models.Nearest import NearestConfig
from models.PCA import PCAConfig


class NearestPCAConfig(NearestConfig, PCAConfig):
    """The window, its parts, what counts as similar, and how much the components explain."""
