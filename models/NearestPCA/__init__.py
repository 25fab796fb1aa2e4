"""NearestPCA: two simple detectors with different blind spots, together."""

from .config import NearestPCAConfig
from .nearest_pca import NearestPCA, NearestPCAOutput

__all__ = ["NearestPCA", "NearestPCAConfig", "NearestPCAOutput"]
