"""CrossAD: time-series anomaly detection with cross-scale associations and cross-window modeling.

NeurIPS 2025, arXiv 2510.12489. A window is reconstructed scale by scale, each scale from the coarser ones. Where an
anomaly breaks the association between scales, the reconstruction fails, and its squared error is the score.

This file follows the paper: `CrossAD` is the whole model, and its parts come in the order in which a window passes
through them, with the paper's section or equation next to each step. Where the published code departs from the paper,
the code is followed, since its checkpoints and results rely on it, and a comment says so. Pure optimisations are in
`fast.py`.

| paper | here |
|---|---|
| X_m; X_0 … X_{m-1} | the window; its coarser scales, coarsest first |
| T_i, P_i | points and patches of X_i; T is T_m, the window's length |
| P = P_0 + … + P_{m-1} | tokens of the encoder: a patch of p points each, of width d |
| P' = P_1 + … + P_m | tokens of the decoder |
| H, Z | the encoder's and the decoder's representations of their tokens |
| M_1, M_2 | masks that hide tokens from each other in the encoder and the decoder |
| Q = {q_1, …, q_n} | the library of queries, S rows of width d each |
| R | a window's sub-series representation |
| G = {g_1, …, g_K} | the global multi-scale context: K prototypes of sub-series representations |

Channels are independent: a batch of B windows of C channels is N = B·C univariate windows.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.network import in_evaluation_mode

from .config import CrossADConfig
from .fast import CrossAttention, DroppedActivation, DroppedSum, SelfAttention, in_parts, nearest, take
from .norms import make_norm
from .official import from_official, to_official
from .scales import ScaleLayout, cut, downsample, stretch


class CrossADOutput(NamedTuple):
    """The result of a forward pass.

    Attributes
    ----------
    loss : Tensor of shape ()
        Mean squared error over the points of all target scales.
    query_distance : Tensor of shape () or None
        Mean squared distance of the windows' representations to their prototypes; only in training, not in the loss.
    target, reconstruction : Tensors of shape (B, T_1 + … + T_m, C)
        All scales but the coarsest, concatenated, the window itself last.
    """

    loss: Tensor
    query_distance: Tensor | None
    target: Tensor
    reconstruction: Tensor


class CrossAD(nn.Module):
    """The network.

    Parameters
    ----------
    config : CrossADConfig
    """

    positions: Tensor
    upsample: Tensor
    kept_points: Tensor

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
        target, reconstruction, distance = self._reconstruct(self._fold(x))
        # Section "Cross-scale Reconstruction": Σ_i ‖X_i − X̂_i‖²; the published code takes the mean over all points.
        loss = F.mse_loss(reconstruction, target)
        return CrossADOutput(loss, distance, self._unfold(target, x), self._unfold(reconstruction, x))

    def _reconstruct(self, x_m: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return X_1 … X_m, X̂_1 … X̂_m, both (N, T_1 + … + T_m), of windows (N, T), and the query distance."""
        config = self.config

        # Section "Multi-scale Generation and Embedding": X_m → X_0 … X_{m-1} → H⁰
        scales = [*(downsample(x_m, kernel, config.ms_method) for kernel in config.ms_kernels), x_m]  # (N, T_i) each
        patches = torch.cat([cut(x_i, config.patch_len) for x_i in scales[:-1]], dim=1)  # (N, P, p)
        h = self.patch_embedding(patches) + self.positions  # (N, P, d)

        # Section "Scale-Independent Encoding": H⁰ → H^L
        h = self.encoder(h)

        # Section "Cross-window Modeling": G', which moves only in training
        if self.training:
            g, distance = self.context(x_m, h)
        else:
            g, distance = self.context.bank.prototypes, None

        # Section "Next-scale Generation": z_i⁰ = interpolate_i(h_i^L), by the nearest token; Z⁰ → X̂_1 … X̂_m
        z = h.index_select(1, self.upsample)  # (N, P', d)
        patches = self.decoder(z, g.flatten(0, 1)[None])  # (N, P', p)
        reconstruction = take(patches.flatten(1), self.kept_points)  # (N, T_1 + … + T_m)
        target = torch.cat(scales[1:], dim=1)
        return target, reconstruction.float(), distance  # errors in full precision, whatever the network's precision

    @in_evaluation_mode
    def score(self, x: Tensor) -> Tensor:
        """Return the anomaly score of every point and channel of windows x, both of shape (B, T, C)."""
        return self._unfold(in_parts(self._score, self._fold(x)), x)

    @in_evaluation_mode
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return X̂_m, what the coarser scales make of windows x, both of shape (B, T, C)."""
        windows = in_parts(lambda x_m: self._reconstruct(x_m)[1][:, -self.config.seq_len :], self._fold(x))
        return self._unfold(windows, x)

    def _score(self, x_m: Tensor) -> Tensor:
        """Return the score (N, T) of windows (N, T)."""
        # Section "Anomaly Score": 1/m Σ_i interpolate((X_i − X̂_i)²); the published code leaves out 1/m.
        target, reconstruction, _ = self._reconstruct(x_m)
        errors = (reconstruction - target).square().split(self.target_lengths, dim=1)  # (N, T_i) each
        return sum((stretch(error, self.config.seq_len) for error in errors[:-1]), start=errors[-1])  # (N, T)

    @staticmethod
    def _fold(x: Tensor) -> Tensor:
        """Turn windows (B, T, C) into univariate ones (N, T)."""
        return x.transpose(1, 2).flatten(0, 1)

    @staticmethod
    def _unfold(folded: Tensor, x: Tensor) -> Tensor:
        """Turn (N, L) back into (B, L, C), with B and C of x."""
        return folded.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)

    def share_statistics(self, total: Callable[[Tensor], Tensor]) -> None:
        """Learn the global context from several batches at once, one per process.

        Parameters
        ----------
        total : callable
            Differentiable; maps a tensor of this process to its sum over all processes.
        """
        self.context.bank.sum_over_processes = total

    def load_official(self, state_dict: dict[str, Tensor]) -> None:
        """Load the weights of a published checkpoint, given as its flat state dict.

        Raises
        ------
        ConfigError
            When its keys or shapes do not fit this model's configuration.
        """
        self.load_state_dict(from_official(state_dict, self.state_dict(), self.config))

    def official_state_dict(self) -> dict[str, Tensor]:
        """Return the weights under the keys and in the layout of published checkpoints."""
        return to_official(self.state_dict(), self.config)


class Encoder(nn.Module):
    """Section "Scale-Independent Encoding": M_1 lets a token see only the tokens of its own scale."""

    m_1: Tensor

    def __init__(self, config: CrossADConfig, layout: ScaleLayout):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.e_layers))
        self.norm = make_norm(config)
        self.register_buffer("m_1", make_mask(layout.same_scale), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Encode tokens H⁰ of shape (N, P, d)."""
        for layer in self.layers:
            h = layer(h, self.m_1)
        return self.norm(h)


class EncoderLayer(nn.Module):
    """A layer of the encoder."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.attention = SelfAttention(config)
        self.feed_forward = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)
        self.add_attention = DroppedSum(config.proj_dropout, config.ff_dropout)
        self.add_feed_forward = DroppedSum(config.ff_dropout)

    def forward(self, h: Tensor, m_1: Tensor) -> Tensor:
        """Refine tokens H^{l-1} of shape (N, P, d)."""
        # Ĥ^l = LayerNorm(H^{l-1} + MaskAttn(H^{l-1}, H^{l-1}, H^{l-1}, M_1))
        h = self.norm1(self.add_attention(h, self.attention(h, m_1)))
        h = self.norm1(h)  # repeated, as in the published code
        # H^l = LayerNorm(Ĥ^l + FeedForward(Ĥ^l))
        return self.norm2(self.add_feed_forward(h, self.feed_forward(h)))


class Context(nn.Module):
    """Section "Cross-window Modeling": what a query finds in a window updates the prototypes that all windows share."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.n_query, config.query_len, config.d_model))
        self.router = PeriodAwareRouter(config)
        self.bank = GlobalContext(config)
        self.extractor = nn.ModuleList(ExtractorLayer(config) for _ in range(config.m_layers))

    def forward(self, x_m: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Learn from windows of shape (N, T) with their tokens H^L of shape (N, P, d); only in training.

        Returns
        -------
        As for `GlobalContext.forward`.
        """
        # Section "Sub-series Representation": q = Σ_i choice_i q_i, and R = CrossAttention(q, H^L, H^L), layer by layer
        choice = self.router(x_m)  # (N, n)
        r = (choice @ self.queries.flatten(1)).unflatten(1, self.queries.shape[1:])  # (N, S, d)
        for layer in self.extractor:
            r = layer(r, h)
        # Section "Global Multi-scale Context": G'
        return self.bank(r)


class PeriodAwareRouter(nn.Module):
    """Section "Sub-series Representation": choose a query for each window from its strongest frequencies."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.topk = config.topk
        self.linear = nn.Linear(config.seq_len, config.n_query)

    def forward(self, x_m: Tensor) -> Tensor:
        """Return one-hot choices of shape (N, n) for windows of shape (N, T), with a straight-through gradient."""
        # X_period = F⁻¹(A_topk, Φ): the amplitudes and phases of the topk frequencies with the largest amplitudes
        spectrum = torch.fft.rfft(x_m.float())  # (N, ⌊T/2⌋ + 1)
        strongest = spectrum.abs().topk(self.topk, dim=-1).indices
        kept = torch.zeros_like(spectrum).scatter(-1, strongest, spectrum.gather(-1, strongest))
        x_period = torch.fft.irfft(kept, n=x_m.shape[-1])  # (N, T)
        # The Gumbel-softmax at τ = 1 of u = MLP(X_period), a single linear map in the published code
        return F.gumbel_softmax(self.linear(x_period).float(), tau=1.0, hard=True)  # (N, n)


class ExtractorLayer(nn.Module):
    """A layer of the sub-series representation."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.cross_attention = CrossAttention(config)
        self.feed_forward = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)
        self.add_attention = DroppedSum(config.proj_dropout, config.ff_dropout)
        self.add_feed_forward = DroppedSum(config.ff_dropout)

    def forward(self, r: Tensor, h: Tensor) -> Tensor:
        """Refine representations of shape (N, S, d) by the encoder's tokens H^L of shape (N, P, d)."""
        r = self.norm1(self.add_attention(r, self.cross_attention(r, h)))
        return self.norm2(self.add_feed_forward(r, self.feed_forward(r)))


class GlobalContext(nn.Module):
    """Section "Global Multi-scale Context": K prototypes, each a moving average of the representations nearest to it.

    Attributes
    ----------
    prototypes, sums : Tensors of shape (K, S, d)
    counts : Tensor of shape (K,)
    sum_over_processes : callable
        Sums a tensor over the processes that train together; the identity for a single process.
    """

    prototypes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.decay, self.epsilon = config.decay, config.epsilon
        shape = (config.bank_size, config.query_len, config.d_model)
        self.register_buffer("prototypes", torch.randn(shape))
        self.register_buffer("counts", torch.ones(config.bank_size))
        self.register_buffer("sums", torch.zeros(shape))
        self.sum_over_processes: Callable[[Tensor], Tensor] = lambda own: own

    def forward(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """Move the prototypes towards the representations nearest to them.

        Parameters
        ----------
        r : Tensor of shape (N, S, d)

        Returns
        -------
        prototypes : Tensor of shape (K, S, d)
            G': the moved prototypes; their gradient passes unchanged to the representations assigned to them.
        distance : Tensor of shape ()
            Mean squared difference between the representations and their prototypes before the move.
        """
        flat = r.float().flatten(1)  # (N, S·d)
        with torch.no_grad():
            g = self.prototypes.flatten(1)  # (K, S·d)
            index = nearest(flat, g)  # argmin over i of distance(R, g_i): (N,)
            taken = F.one_hot(index, len(g)).to(flat.dtype)  # (N, K)
            distance = F.mse_loss(flat, g[index])
        sums = self.sum_over_processes((taken.T @ flat).view_as(self.sums))  # (K, S, d)
        with torch.no_grad():
            self._move(self.sum_over_processes(taken.sum(0)), sums)
        # Zero in value: it only routes the gradient around the moving averages.
        return self.prototypes + (sums - sums.detach()), distance

    def _move(self, counts: Tensor, sums: Tensor) -> None:
        """Algorithm 1: g_i ← EMA(g_i, R), with counts (K,) and sums (K, S, d) of the representations of each."""
        counts = self.counts * self.decay + counts * (1 - self.decay)
        total = counts.sum()
        values = self.sums[0].numel()
        self.counts.copy_((counts + self.epsilon) / (total + values * self.epsilon) * total)
        self.sums.mul_(self.decay).add_(sums, alpha=1 - self.decay)
        self.prototypes.copy_(self.sums / self.counts[:, None, None])


class Decoder(nn.Module):
    """Section "Next-scale Generation": M_2 lets a token see its own scale and the coarser ones; all see G'."""

    m_2: Tensor

    def __init__(self, config: CrossADConfig, layout: ScaleLayout):
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.d_layers))
        self.norm = make_norm(config)
        self.projection = nn.Linear(config.d_model, config.patch_len)
        self.register_buffer("m_2", make_mask(layout.own_or_coarser), persistent=False)

    def forward(self, z: Tensor, g: Tensor) -> Tensor:
        """Decode tokens Z⁰ of shape (N, P', d) with the context G' of shape (1, K·S, d) to patches (N, P', p)."""
        for layer in self.layers:
            z = layer(z, self.m_2, g)
        return self.projection(self.norm(z))  # (N, P', p)


class DecoderLayer(nn.Module):
    """A layer of the decoder."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)
        self.norm3 = make_norm(config)
        self.add_attention = DroppedSum(config.proj_dropout, config.ff_dropout)
        self.add_feed_forward = DroppedSum(config.ff_dropout)

    def forward(self, z: Tensor, m_2: Tensor, g: Tensor) -> Tensor:
        """Refine tokens Z^{l-1} of shape (N, P', d) with the context G' of shape (1, K·S, d)."""
        # Z̃^l = LayerNorm(Z^{l-1} + MaskAttn(Z^{l-1}, Z^{l-1}, Z^{l-1}, M_2))
        z = self.norm1(self.add_attention(z, self.self_attention(z, m_2)))
        # Ẑ^l = LayerNorm(Z̃^l + Attention(Z̃^l, G', G'))
        z = self.norm2(self.add_attention(z, self.cross_attention(z, g)))
        # Z^l = LayerNorm(Ẑ^l + FeedForward(Ẑ^l))
        return self.norm3(self.add_feed_forward(z, self.feed_forward(z)))


class FeedForward(nn.Module):
    """Two linear maps, applied token by token, with the activation and a dropout between them."""

    def __init__(self, config: CrossADConfig):
        super().__init__()
        self.expand = nn.Linear(config.d_model, config.feed_forward_width)
        self.contract = nn.Linear(config.feed_forward_width, config.d_model)
        self.activate = DroppedActivation(config.activation, config.ff_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens x of shape (N, P, d)."""
        return self.contract(self.activate(self.expand(x)))


def make_mask(seen: Tensor) -> Tensor:
    """Return the additive attention mask: 0 where a token (row) sees another (column), −inf elsewhere."""
    return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)
