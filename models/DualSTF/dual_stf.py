"""Dual-STF: how poorly a window can be reconstructed, and how far its points are from prototypes."""

from typing import NamedTuple

from torch import Tensor, nn

from models.network import in_evaluation_mode

from .config import DualSTFConfig
from .fusion import Fusion
from .structural import StructuralPath
from .temporal import TemporalPath


class DualSTFOutput(NamedTuple):
    """The result of a forward pass.

    Attributes
    ----------
    loss : Tensor of shape ()
        mean(td) + α·mean(rd).
    td : Tensor of shape (B, L)
        Temporal deviation: squared error of the reconstruction, summed over the channels.
    rd : Tensor of shape (B, L)
        Structural deviation: squared distance of a point's features to their prototype.
    reconstruction : Tensor of shape (B, L, C)
    """

    loss: Tensor
    td: Tensor
    rd: Tensor
    reconstruction: Tensor


class DualSTF(nn.Module):
    """The network, for windows of all channels together.

    Parameters
    ----------
    config : DualSTFConfig
    channels : int
        C, 1 or more.
    """

    def __init__(self, config: DualSTFConfig, channels: int):
        super().__init__()
        self.config = config
        self.temporal = TemporalPath(config, channels)
        self.structural = StructuralPath(config, channels)
        self.fusion = Fusion(config)

    def forward(self, x: Tensor) -> DualSTFOutput:
        """Measure both deviations of windows x of shape (B, L, C).

        If the score's weight is learned, its term (`Fusion.weight_loss`) contributes to the gradient of the loss, not
        to its value: losses stay comparable, and the best epoch is that of the best paths.
        """
        reconstruction, semantics = self.temporal(x)
        td = (reconstruction - x).square().sum(-1)
        rd = self.structural(x, semantics)
        loss = td.mean() + self.config.alpha * rd.mean()
        if self.fusion.is_learned:
            term = self.fusion.weight_loss(td, rd)
            loss = loss + (term - term.detach())
        return DualSTFOutput(loss, td, rd, reconstruction)

    @in_evaluation_mode
    def score(self, x: Tensor) -> Tensor:
        """Return the anomaly score (B, L, 1) of every point of windows x of shape (B, L, C).

        The method has no scores for single channels.
        """
        output = self(x)
        return self.fusion(output.td, output.rd)[..., None]

    @in_evaluation_mode
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the reconstruction of windows x, both of shape (B, L, C)."""
        reconstruction, _ = self.temporal(x)
        return reconstruction
