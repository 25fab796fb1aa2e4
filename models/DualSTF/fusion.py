"""How the temporal and the structural deviation become one score."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import DualSTFConfig


def standardise(deviation: Tensor) -> Tensor:
    """Shift and scale each window's deviations (B, L) to mean 0 and variance 1; all 0 where they are all alike."""
    return F.layer_norm(deviation, deviation.shape[-1:], eps=1e-12)


class Fusion(nn.Module):
    """The score of each point, from its temporal deviation td and its structural deviation rd.

    ========================  ==================================================
    `product`                 td·rd
    `maximum`                 max(td, rd)
    `weighted_sum`            td + α·rd, as in the loss
    `norm_sum`                td + rd, each standardised within its window
    `learnable_weight`        w·td + (1−w)·rd, w the sigmoid of a learned scalar
    `learnable_norm_weight`   the same, of deviations standardised as above
    ========================  ==================================================
    """

    def __init__(self, config: DualSTFConfig):
        super().__init__()
        self.mode, self.alpha = config.score, config.alpha
        self.is_learned = self.mode.startswith("learnable")
        if self.is_learned:
            self.logit = nn.Parameter(torch.zeros(()))

    def forward(self, td: Tensor, rd: Tensor) -> Tensor:
        """Return the scores (B, L) of deviations td and rd, both of shape (B, L)."""
        if "norm" in self.mode:
            td, rd = standardise(td), standardise(rd)
        match self.mode:
            case "learnable_weight" | "learnable_norm_weight":
                return torch.lerp(rd, td, torch.sigmoid(self.logit))
            case "product":
                return td * rd
            case "maximum":
                return torch.maximum(td, rd)
            case "weighted_sum":
                return td + self.alpha * rd
            case "norm_sum":
                return td + rd

    def weight_loss(self, td: Tensor, rd: Tensor) -> Tensor:
        """Return the term of the loss that teaches the weight w, a Tensor of shape (); only where w is learned.

        It is the mean over the windows of 2·log(largest score) − log w − log(1−w). The two paths' own losses do not
        know w, and labels there are none; but training data count as normal, so that whatever peaks in them is noise,
        and the deviation whose peaks are higher is to weigh less. The logarithms of w and 1−w keep both deviations in
        the score, the smaller one would take all the weight without them. With single peaks a and b in the same place,
        the term is least for w·a = (1−w)·b: both count alike, whatever their units. The mean score would not do in
        the place of the largest: of standardised deviations it is 0 for every w.

        The term trains w alone, not the two paths: the deviations are taken as given.
        """
        peaks = self(td.detach(), rd.detach()).amax(1)
        # A window without any peak teaches nothing.
        peaks = peaks.clamp_min(torch.finfo(peaks.dtype).tiny)
        return 2 * peaks.log().mean() - F.logsigmoid(self.logit) - F.logsigmoid(-self.logit)
