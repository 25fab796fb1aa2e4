"""CrossAD: reconstruct every finer scale of a window from the coarser ones (NeurIPS 2025, arXiv 2510.12489)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import CrossADConfig
from .context import Context
from .layers import DecoderLayer, EncoderLayer, make_norm
from .official import from_official, to_official
from .scales import ScaleLayout, cut, downsample, stretch


class CrossADOutput(NamedTuple):
    """What a forward pass gives.

    Attributes
    ----------
    loss : Tensor of shape ()
        Mean squared error over the points of all target scales.
    query_distance : Tensor of shape () or None
        Mean squared distance of the windows' representations to their prototypes; only while training, not in the loss.
    target, reconstruction : Tensors of shape (B, T_1 + … + T_m, C)
        All scales but the coarsest side by side, the window itself last.
    """

    loss: Tensor
    query_distance: Tensor | None
    target: Tensor
    reconstruction: Tensor


class Encoder(nn.Module):
    """Scale-independent encoder: a token sees the tokens of its own scale."""

    def __init__(self, config: CrossADConfig, layout: ScaleLayout):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.e_layers))
        self.norm = make_norm(config)
        self.register_buffer("bias", _hide(~layout.same_scale), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Encode tokens x of shape (N, P_0 + … + P_{m-1}, d)."""
        for layer in self.layers:
            x = layer(x, self.bias)
        return self.norm(x)


class Decoder(nn.Module):
    """Next-scale decoder: a token sees its own scale, all coarser ones, and the global context."""

    def __init__(self, config: CrossADConfig, layout: ScaleLayout):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.d_layers))
        self.norm = make_norm(config)
        self.projection = nn.Linear(config.d_model, config.patch_len)
        self.register_buffer("bias", _hide(~layout.own_or_coarser), persistent=False)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Decode tokens x of shape (N, P_1 + … + P_m, d) to patches of shape (N, P_1 + … + P_m, p)."""
        for layer in self.layers:
            x = layer(x, self.bias, context)
        return self.projection(self.norm(x))


def _hide(mask: Tensor) -> Tensor:
    """Return −inf where `mask` is true and 0 elsewhere."""
    return torch.zeros(mask.shape).masked_fill(mask, -torch.inf)


class CrossAD(nn.Module):
    """The network. Channels are independent: a batch of B windows of C channels is N = B·C univariate windows.

    Parameters
    ----------
    config : CrossADConfig
    """

    # Univariate windows scored at once on a CPU: enough for full matrix products, few enough for its cache.
    score_chunk = 128

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.config = config
        layout = ScaleLayout(config)
        self.target_lengths = layout.lengths[1:]
        self.patch_embedding = nn.Linear(config.patch_len, config.d_model, bias=False)
        self.encoder = Encoder(config, layout)
        self.decoder = Decoder(config, layout)
        self.context = Context(config)
        self.register_buffer("positions", layout.positions, persistent=False)
        self.register_buffer("upsample", layout.upsample, persistent=False)
        self.register_buffer("kept_points", layout.kept_points, persistent=False)

    def forward(self, x: Tensor) -> CrossADOutput:
        """Reconstruct windows x of shape (B, T, C); in training mode also move the prototypes."""
        windows = x.transpose(1, 2).flatten(0, 1)  # (N, T)
        target, reconstruction, distance = self._reconstruct(windows)
        loss = nn.functional.mse_loss(reconstruction.float(), target)
        return CrossADOutput(loss, distance, self._unfold(target, x), self._unfold(reconstruction, x))

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Return the anomaly score of every point and channel of windows x, both of shape (B, T, C).

        The model is in evaluation mode meanwhile, and no gradient is kept.
        """
        was_training = self.training
        self.eval()
        windows = x.transpose(1, 2).flatten(0, 1)  # (N, T)
        size = self.score_chunk if x.device.type == "cpu" else max(len(windows), 1)
        scores = torch.cat([self._score(chunk) for chunk in windows.split(size)])
        self.train(was_training)
        return self._unfold(scores, x)

    def share_statistics(self, total: Callable[[Tensor], Tensor]) -> None:
        """Learn the global context from several batches at once, in as many processes.

        Parameters
        ----------
        total : callable
            Differentiable; turns a tensor of this process into its sum over all processes.
        """
        self.context.bank.sum_over_processes = total

    def load_official(self, state_dict: dict[str, Tensor]) -> None:
        """Take over the weights of a published checkpoint, given as its flat state dict.

        Raises
        ------
        ConfigError
            When its keys or shapes do not fit this model's configuration.
        """
        self.load_state_dict(from_official(state_dict, self.state_dict(), self.config))

    def official_state_dict(self) -> dict[str, Tensor]:
        """Return the weights under the keys and in the layout of published checkpoints."""
        return to_official(self.state_dict(), self.config)

    def _reconstruct(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return target and reconstruction (N, T_1 + … + T_m) of windows (N, T), and the query distance."""
        config = self.config
        scales = [downsample(windows, kernel, config.ms_method) for kernel in config.ms_kernels]
        patches = torch.cat([cut(scale, config.patch_len) for scale in scales], dim=1)  # (N, ΣP, p)
        encoded = self.encoder(self.patch_embedding(patches) + self.positions)
        if self.training:
            prototypes, distance = self.context(windows, encoded)
        else:
            prototypes, distance = self.context.bank.prototypes, None
        tokens = encoded.index_select(1, self.upsample)  # a coarser scale's tokens start the next finer one's
        decoded = self.decoder(tokens, prototypes.flatten(0, 1)[None])  # (N, ΣP, p)
        reconstruction = decoded.flatten(1)
        if reconstruction.shape[1] != len(self.kept_points):
            reconstruction = reconstruction.index_select(1, self.kept_points)
        return torch.cat([*scales[1:], windows], dim=1), reconstruction, distance

    def _score(self, windows: Tensor) -> Tensor:
        """Return the score (N, T) of windows (N, T): the squared errors of all scales, stretched to T and added."""
        target, reconstruction, _ = self._reconstruct(windows)
        errors = (reconstruction.float() - target).square().split(self.target_lengths, dim=1)
        return sum((stretch(error, self.config.seq_len) for error in errors[:-1]), start=errors[-1])

    @staticmethod
    def _unfold(folded: Tensor, x: Tensor) -> Tensor:
        """Turn (B·C, L) back into (B, L, C), with B and C of x."""
        return folded.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)
