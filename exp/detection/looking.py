"""How a fitted detector looks at a series: through which windows, and what of them becomes scores."""

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from data_provider import DataError
from data_provider.series import scaled

OVERLAP = 4  # windows that hold a point, in the middle of a series


class Looking:
    """A part of `exp.detection.estimator.AnomalyDetector`."""

    def look(self, windows: np.ndarray, *, in_blocks: bool = True) -> np.ndarray:
        """Return what the network finds in windows (B, T, C) in the units of the series of `fit`.

        Parameters
        ----------
        windows : float64 array of shape (B, T, C)
        in_blocks : bool
            In blocks of one shape, as the decision function has them; else all together.

        Returns
        -------
        float32 array
            As `Scorer.look` describes.

        Raises
        ------
        DataError
            When it is not finite.
        """
        check_is_fitted(self)
        scorer = self.detector_.scorer
        values = torch.from_numpy(self.standardised(windows))
        found = (scorer.look_in_blocks(values) if in_blocks else scorer.look(values)).numpy()
        if not np.isfinite(found).all():
            raise DataError("a score is NaN or infinite: a value is too far from those of training, correct it")
        return found

    def assembler(self):
        """Return what makes scores of points from what `look` finds in windows that follow each other."""
        return self.detector_.scorer.assembler(self.stride)

    @property
    def by_sequence(self) -> bool:
        """Whether the model scores points by the windows that end with them, or shortly behind."""
        return self.detector_.scorer.by_sequence

    @property
    def window(self) -> int:
        """Points in a window of the fitted detector."""
        return self.detector_.length

    @property
    def stride(self) -> int:
        """Points between the starts of neighbouring windows when a series is scored."""
        return 1 if self.detector_.scorer.by_sequence else max(1, self.window // OVERLAP)

    @property
    def score_names(self) -> list[str]:
        """Names of the channel scores: of the channels, or "all channels" where these have one score together."""
        names = self._channel_names()
        return names if self.score_channels_ == len(names) else ["all channels"]

    @property
    def network_(self) -> torch.nn.Module:
        """The fitted network."""
        return self.detector_.network

    def standardised(self, values) -> np.ndarray:
        """Return values (…, C) in the units of the series of `fit` as the network sees them."""
        with np.errstate(over="ignore"):  # the scores show it
            return scaled(values, self.offset_, self.scale_)
