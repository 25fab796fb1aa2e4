"""AxonAD: attention queries as a process that can be predicted a few points ahead (arXiv 2603.12916).

A single transformer block without any bottleneck reconstructs a window. In parallel, a causal network, which sees only
the points up to t − s, predicts the attention query of every point t; the target is the query that a slowly updated
copy of the query encoder computes for that point. A window's score combines its reconstruction error and the angle
between predicted and true queries of its last points, each on the scale of the training windows.

The window passes through `QueryEncoder`, `Attention` and `FeedForward` to its reconstruction, and through `Predictor`
to the predicted queries; mask and loss follow; scores are in `score.py`.

B windows of T points in C channels; d features in H heads of D.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.network import in_evaluation_mode

from .config import AxonADConfig
from .official import from_official
from .score import RobustScale, divergence, mismatch

DILATIONS, TAPS = (1, 2, 4, 8), 3


class AxonADOutput(NamedTuple):
    """The result of a forward pass.

    Attributes
    ----------
    loss : Tensor of shape ()
        To be minimised; in evaluation mode, where it only selects the best epoch, just the reconstruction loss.
    reconstruction_loss : Tensor of shape ()
    query_loss : Tensor of shape () or None
        None in evaluation mode, where no mask is drawn.
    reconstruction : Tensor of shape (B, T, C)
    """

    loss: Tensor
    reconstruction_loss: Tensor
    query_loss: Tensor | None
    reconstruction: Tensor


class AxonAD(nn.Module):
    """The network, for windows of all channels together.

    The reconstruction is around a pointwise embedding: if d ≥ C it can be the identity, so the error stays
    small for whatever stays in range. The target is a map of a single point, so the mismatch is the error of a
    forecast over s points, measured as an angle; with a single channel there is little angle to measure.

    Parameters
    ----------
    config : AxonADConfig
    channels : int
        C, 1 or more.

    Attributes
    ----------
    log_scale_reconstruction, log_scale_query : Parameters of shape ()
        α and β, which balance the two losses.
    log_sharpness : Tensor of shape ()
        λ of the divergence; it is not trained.
    look_ahead : int
        Number of points after a scored point at which its window ends.
    """

    log_sharpness: Tensor

    def __init__(self, config: AxonADConfig, channels: int):
        super().__init__()
        self.config = config
        self.encoder = QueryEncoder(config, channels)
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config)
        self.head = nn.Linear(config.d_model, channels)
        self.predictor = Predictor(config)
        self.target = QueryEncoder(config, channels).requires_grad_(False)
        self.target.load_state_dict(self.encoder.state_dict())
        self.log_scale_reconstruction = nn.Parameter(torch.zeros(()))
        self.log_scale_query = nn.Parameter(torch.zeros(()))
        self.register_buffer("log_sharpness", torch.zeros(()))
        self.scale = RobustScale(config)
        self.look_ahead = self.scale.look_ahead

    def forward(self, x: Tensor) -> AxonADOutput:
        """Reconstruct windows x of shape (B, T, C); in training mode also predict their queries."""
        # Reconstruction: L_rec = mean (x̂ − x)²
        h, n = self.encoder.embed(x)  # (B, T, d) both
        reconstruction = self.decode(h, n)
        reconstruction_loss = F.mse_loss(reconstruction, x)
        if not self.training:
            return AxonADOutput(reconstruction_loss, reconstruction_loss, None, reconstruction)

        # Mask of the query loss: from the first point that it can include
        first = self.config.first_maskable
        mask = draw_mask(self.config, len(x), x.device)[:, first:]  # (B, T − a)

        # Query loss: L_q = Σ over masked points and heads of 1 − cos(q̂, q*), divided by their number
        angles = mismatch(self.predict(n, first), self.true_queries(x, first)) * mask[..., None]  # (B, T − a, H)
        query_loss = angles.sum() / (self.config.heads * mask.sum() + 1e-9)

        # Loss: L = e^(−α) L_rec + α + e^(−β) L_q + β
        alpha, beta = self.log_scale_reconstruction, self.log_scale_query
        loss = (-alpha).exp() * reconstruction_loss + alpha + (-beta).exp() * query_loss + beta
        return AxonADOutput(loss, reconstruction_loss, query_loss, reconstruction)

    @in_evaluation_mode
    def reconstruct(self, x: Tensor) -> Tensor:
        """Return x̂ (B, T, C) of windows x."""
        return self.decode(*self.encoder.embed(x))

    def decode(self, h: Tensor, n: Tensor) -> Tensor:
        """Return x̂ (B, T, C) from embedded points h and the same normalised, both (B, T, d)."""
        h = h + self.attention(self.heads(self.encoder.query(n)), n)
        h = h + self.feed_forward(h)
        return self.head(h).float()

    def predict(self, n: Tensor, first: int) -> Tensor:
        """Return the predicted queries q̂ (B, T − first, H, D) of the points from `first` on, given n (B, T, d)."""
        return self.predictor(n, first).float().unflatten(-1, (self.config.heads, -1))

    @torch.no_grad()
    def true_queries(self, x: Tensor, first: int) -> Tensor:
        """Return the target's queries q* (B, T − first, H, D) of the points of windows x from `first` on."""
        _, n = self.target.embed(x, first)
        return self.target.query(n).float().unflatten(-1, (self.config.heads, -1))

    @torch.no_grad()
    def after_step(self) -> None:
        """Update the target: θ* ← m θ* + (1 − m) θ, with the weights θ after the latest step."""
        for own, online in zip(self.target.parameters(), self.encoder.parameters(), strict=True):
            own.lerp_(online, 1 - self.config.momentum)

    @in_evaluation_mode
    def represent(self, x: Tensor) -> Tensor:
        """Return the quantities that score windows x of shape (B, T, C), a tensor (B, columns).

        The error has a column for each channel, mismatch and divergence have one each, if the score uses them.
        """
        terms, first = self.config.terms, self.config.first_scored
        h, n = self.encoder.embed(x)
        columns = []
        # Error ε: mean over time of the sum over channels of (x̂ − x)²
        if "error" in terms:
            columns.append((self.decode(h, n) - x).square().mean(1))
        if terms != ("error",):
            predicted = self.predict(n, first)  # (B, T − t₀, H, D)
        # Mismatch μ: mean over heads and t ≥ t₀ of 1 − cos(q̂, q*)
        if "mismatch" in terms:
            columns.append(mismatch(predicted, self.true_queries(x, first)).mean((1, 2))[:, None])
        # Divergence κ: mean over heads and t ≥ t₀ of KL(p ‖ r)
        if "divergence" in terms:
            queries, keys = (self.heads(linear(n)) for linear in (self.encoder.query, self.attention.key))
            sharpness = self.log_sharpness.exp().clamp(0.25, 4)
            found = divergence(queries[:, :, first:], predicted.transpose(1, 2), keys, self.config.horizon, sharpness)
            columns.append(found.mean((1, 2))[:, None])
        return torch.cat(columns, dim=1)

    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Learn the median and spread of the score's terms from training windows in batches (B, T, C)."""
        self.scale.fit([self.represent(x).double().cpu() for x in batches])

    def score_sequence(self, represented: Tensor) -> Tensor:
        """Return the scores of consecutive points from the windows that end with them.

        Parameters
        ----------
        represented : Tensor of shape (n, columns)
            On the CPU, from windows with stride 1.

        Returns
        -------
        float64 Tensor of shape (n, C)
            Their mean over the channels is a point's score; (n, 1) if the error is not part of it.

        Raises
        ------
        ConfigError
            When the network has not been calibrated.
        """
        return self.scale(represented)

    def load_official(self, state_dict: dict[str, Tensor]) -> None:
        """Load the weights of the published implementation, given as its flat state dict.

        They include no statistics of the training windows, so `calibrate` must be called before points are scored.

        Raises
        ------
        ConfigError
            When its keys or shapes do not fit this model's configuration and channels.
        """
        self.load_state_dict(from_official(state_dict, self.state_dict()))

    def heads(self, features: Tensor) -> Tensor:
        """Turn (B, T, d) into (B, H, T, D): feature j belongs to head j // D."""
        return features.unflatten(-1, (self.config.heads, -1)).transpose(1, 2)


class QueryEncoder(nn.Module):
    """Query encoder: h = E x + e + P, n = LayerNorm(h), q = W_q n; pointwise. It exists twice, online and as target.

    Parameters
    ----------
    config : AxonADConfig
    channels : int
    """

    def __init__(self, config: AxonADConfig, channels: int):
        super().__init__()
        self.embedding = nn.Linear(channels, config.d_model)
        self.position = nn.Parameter(0.02 * torch.randn(1, config.seq_len, config.d_model))
        self.norm = nn.LayerNorm(config.d_model)
        self.query = nn.Linear(config.d_model, config.d_model, bias=False)

    def embed(self, x: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
        """Return h and n, both (B, T − first, d), of the points of windows x (B, T, C) from `first` on."""
        h = self.embedding(x[:, first:]) + self.position[:, first:]
        return h, self.norm(h)


class Attention(nn.Module):
    """Reconstruction: a = softmax(q kᵀ / √D) v over all T keys, bidirectional, in all heads at once; then W_o a + o."""

    def __init__(self, config: AxonADConfig):
        super().__init__()
        self.key = nn.Linear(config.d_model, config.d_model, bias=False)
        self.value = nn.Linear(config.d_model, config.d_model, bias=False)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, query: Tensor, n: Tensor) -> Tensor:
        """Return (B, T, d) of queries (B, H, T, D) and n (B, T, d)."""
        key, value = (
            linear(n).unflatten(-1, (query.shape[1], -1)).transpose(1, 2) for linear in (self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)  # (B, H, T, D)
        return self.output(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Reconstruction: F₂ ReLU(F₁ LayerNorm(h) + f₁) + f₂, with twice the width between the two maps."""

    def __init__(self, config: AxonADConfig):
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.inner = nn.Linear(config.d_model, 2 * config.d_model)
        self.outer = nn.Linear(2 * config.d_model, config.d_model)

    def forward(self, h: Tensor) -> Tensor:
        """Map points h of shape (B, T, d)."""
        return self.outer(self.inner(self.norm(h)).relu())


class Predictor(nn.Module):
    """Predictor: q̂ at t from four causal, dilated convolutions of n up to t − s."""

    def __init__(self, config: AxonADConfig):
        super().__init__()
        self.horizon, self.dropout = config.horizon, config.dropout
        self.convolutions = nn.ModuleList(nn.Conv1d(config.d_model, config.d_model, TAPS) for _ in DILATIONS)
        self.output = nn.Linear(config.d_model, config.d_model)

    def forward(self, n: Tensor, first: int) -> Tensor:
        """Return q̂ (B, T − first, d) of the points from `first` on, with n (B, T, d) of the online encoder.

        Each stage is computed only from the first point on that the requested ones depend on.
        """
        starts = [first]
        for dilation in DILATIONS[::-1]:
            starts.insert(0, max(0, starts[0] - (TAPS - 1) * dilation))
        # Input: u at t is n at t − s, the zero vector before t = s; n keeps its gradient
        z = F.pad(n[:, : n.shape[1] - self.horizon], (0, 0, self.horizon, 0))[:, starts[0] :]
        # Stages: z ← Dropout(ReLU(conv(z)))
        for convolution, dilation, (before, start) in zip(self.convolutions, DILATIONS, pairwise(starts), strict=True):
            assert isinstance(convolution, nn.Conv1d)  # a list of modules does not say of which kind
            z = F.dropout(causal(z, convolution, dilation, start - before).relu(), self.dropout, self.training)
        return self.output(z)


def causal(z: Tensor, convolution: nn.Conv1d, dilation: int, known: int) -> Tensor:
    """Return y at t = b + A₀ z at t − 2δ + A₁ z at t − δ + A₂ z at t.

    Every stage is padded with zeros before the window, so the padding is not the output of a bias. The taps are laid
    side by side to need a single product.

    Parameters
    ----------
    z : Tensor of shape (B, known + L, d)
    convolution : nn.Conv1d
        Has the weights A (d, d, 3) and b (d,).
    dilation : int
        δ.
    known : int
        Points of z before the first requested one.

    Returns
    -------
    Tensor of shape (B, L, d)
    """
    points = z.shape[1] - known
    z = F.pad(z, (0, 0, (TAPS - 1) * dilation - known, 0))
    taps = torch.cat([z[:, tap * dilation : tap * dilation + points] for tap in range(TAPS)], dim=-1)  # (B, L, 3 d)
    return F.linear(taps, convolution.weight.transpose(1, 2).flatten(1), convolution.bias)


def draw_mask(config: AxonADConfig, count: int, device: torch.device) -> Tensor:
    """Draw the points whose queries count in a step's loss; no input is masked.

    The blocks of a window start anywhere in its second half where they fit, and may overlap.

    Parameters
    ----------
    config : AxonADConfig
    count : int
        Number of windows B.
    device : torch.device

    Returns
    -------
    bool Tensor of shape (B, T)
    """
    first, last = config.first_maskable, config.seq_len - config.block
    shape = (count, config.blocks)
    if first < last:
        starts = torch.randint(first, last + 1, shape, device=device)
    else:
        starts = torch.full(shape, first, device=device)
    behind = torch.arange(config.seq_len, device=device) - starts[..., None]  # (B, blocks, T)
    return ((behind >= 0) & (behind < config.block)).any(1)
