"""PCA: the principal components of windows, the baseline that a network has to beat."""

from .config import PCAConfig
from .pca import PCA, PCAOutput
from .suggest import suggest

__all__ = ["PCA", "PCAConfig", "PCAOutput", "suggest"]
