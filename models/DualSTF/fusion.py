"""How the temporal and structural deviations are combined into one score."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import DualSTFConfig


def standardise(deviation: Tensor) -> Tensor:
    """Shift and scale each window's deviations (B, L) to mean 0 and variance 1; all 0 if they are all equal."""
    return F.layer_norm(deviation, deviation.shape[-1:], eps=1e-12)


class Fusion(nn.Module):
    """The score of each point, from its temporal deviation td and structural deviation rd.

    ========================  ==================================================
    `product`                 td·rd
    `maximum`                 max(td, rd)
    `weighted_sum`            td + α·rd, as in the loss
    `norm_sum`                td + rd, each standardised within its window
    `learnable_weight`        w·td + (1−w)·rd, w the sigmoid of a learned scalar
    `learnable_norm_weight`   the same, for deviations standardised as above
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
        """Return the loss term that trains the weight w, a Tensor of shape (); only if w is learned.

        It is the mean over the windows of 2·log(largest score) − log w − log(1−w). The losses of the two paths do not
        depend on w, and there are no labels; but training data count as normal, so any peak in them is noise,
        and the deviation with the higher peaks should weigh less. The logarithms of w and 1−w keep both deviations in
        the score; without them the smaller one would take all the weight. With single peaks a and b in the same place,
        the term is smallest for w·a = (1−w)·b: both count equally, whatever their units. The mean score could not
        replace the largest: for standardised deviations it is 0 for every w.

        The term trains only w, not the two paths: the deviations are taken as given.
        """
        peaks = self(td.detach(), rd.detach()).amax(1)
        # Nothing can be learned from a window without a peak.
        peaks = peaks.clamp_min(torch.finfo(peaks.dtype).tiny)
        return 2 * peaks.log().mean() - F.logsigmoid(self.logit) - F.logsigmoid(-self.logit)
