"""Windows reconstructed from their principal components; training is a decomposition."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .config import PCAConfig


class PCAOutput(NamedTuple):
    """The result of a forward pass.

    Attributes
    ----------
    loss : Tensor of shape ()
        Mean squared error.
    reconstruction : Tensor of shape (B, T, C)
    """

    loss: Tensor
    reconstruction: Tensor


class PCA(nn.Module):
    """The components of whole windows, all channels together.

    Parameters
    ----------
    config : PCAConfig
    channels : int
        C, 1 or more.

    Attributes
    ----------
    mean : Tensor of shape (T·C,)
    components : Tensor of shape (k, T·C)
        Orthonormal; the fewest that explain the requested share of the training windows' variance.

    References
    ----------
    M.-L. Shyu et al., "A Novel Anomaly Detection Scheme Based on Principal Component Classifier", 2003.
    """

    rows_by_fitting = ("components",)

    mean: Tensor
    components: Tensor

    def __init__(self, config: PCAConfig, channels: int):
        super().__init__()
        self.config = config
        width = config.seq_len * channels
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("components", torch.zeros(0, width))

    def fit_windows(self, batches: Iterable[Tensor]) -> None:
        """Decompose windows, given in batches of shape (B, T, C)."""
        from sklearn.decomposition import PCA as Decomposition  # needed only for fitting

        windows = np.concatenate([batch.flatten(1).cpu().numpy() for batch in batches])
        if (windows != windows[0]).any():
            solver = "covariance_eigh" if len(windows) > windows.shape[1] else "full"  # the faster one
            found = Decomposition(self.config.explained_variance, svd_solver=solver).fit(windows)
            mean, components = found.mean_, found.components_
        else:
            mean, components = windows[0], np.empty((0, windows.shape[1]), np.float32)
        self.mean = torch.from_numpy(np.ascontiguousarray(mean)).to(self.mean)
        self.components = torch.from_numpy(np.ascontiguousarray(components)).to(self.mean)

    def forward(self, x: Tensor) -> PCAOutput:
        """Reconstruct windows x of shape (B, T, C)."""
        centred = x.flatten(1) - self.mean
        reconstruction = (centred @ self.components.T @ self.components + self.mean).view_as(x)
        return PCAOutput((x - reconstruction).square().mean(), reconstruction)

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Return the squared errors (B, T, C) of the reconstruction of windows x."""
        return (x - self(x).reconstruction).square()

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the projection of windows x on the components, both of shape (B, T, C)."""
        return self(x).reconstruction

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *arguments: Any) -> None:
        # The number of components is known only from the weights.
        found = state_dict.get(f"{prefix}components")
        if found is not None and found.ndim == 2 and found.shape[1] == self.components.shape[1]:
            self.components = self.components.new_empty(found.shape)
        super()._load_from_state_dict(state_dict, prefix, *arguments)
