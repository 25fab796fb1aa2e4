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
        if self.is_learned:
            return torch.lerp(rd, td, torch.sigmoid(self.logit))
        match self.mode:
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

        It is the mean over the windows of the largest score, minus log w + log(1−w). No term of the loss of the two
        paths knows w, and labels there are none. But training data count as normal, and no point of a normal window
        should stand out: the deviation whose peaks are higher is to weigh less. The means of the scores would not do:
        standardised, they are 0 for every w. The logarithms are what keeps either deviation in the score; without them
        the smaller one would take all the weight.

        The term trains w alone, not the two paths: the deviations are taken as given.
        """
        peak = self(td.detach(), rd.detach()).amax(1).mean()
        return peak - F.logsigmoid(self.logit) - F.logsigmoid(-self.logit)
