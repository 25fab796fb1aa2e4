"""The generalised Pareto distribution fitted to a growing set of excesses.

This is Grimshaw's method: with theta = shape / scale the log-likelihood has one variable, and its slope follows from
the means of log(1 + theta y) and y / (1 + theta y) over the excesses y. Around an anchor these means are power series
in theta whose coefficients are sums over the excesses. A new excess costs a few additions, not a pass over all of them.

References
----------
S. D. Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution", Technometrics 35(2),
1993.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ts_ad_evaluation.arrays import Floats

TERMS = 12  # of the power series
REACH = 0.1  # largest |theta - anchor| y / (1 + anchor y): the series is exact to REACH ** TERMS
MAX_STEPS = 50
SEARCH_GROWTH = 0.05  # share of new excesses among those kept after which all theta are searched again


def log_likelihood(excesses: Floats, shape: float, scale: float) -> float:
    """Log-likelihood of the generalised Pareto distribution (shape 0: the exponential one).

    Parameters
    ----------
    excesses : array of shape (n,)
        Positive.
    shape, scale : float

    Returns
    -------
    float

    Examples
    --------
    >>> log_likelihood(np.array([1.0, 3.0]), shape=0.0, scale=2.0)
    -3.386294361119891
    """
    if shape == 0:
        return float(-len(excesses) * math.log(scale) - excesses.sum() / scale)
    logs = np.log1p(shape / scale * excesses)
    return float(-len(excesses) * math.log(scale) - (1 + 1 / shape) * logs.sum())


class ParetoTail:
    """Excesses and the distribution fitted to them, kept up to date.

    Parameters
    ----------
    excesses : array of shape (n,)
        Positive, at least one.
    rule : {"published", "likelihood"}
        When the exponential distribution is used; see `SPOT`.
    max_excesses : int or None
        Keep only this many of the latest excesses.

    Attributes
    ----------
    shape, scale : float
        Parameters of the generalised Pareto distribution; shape 0 is the exponential one.
    n_added : int
        Number of excesses so far, including those no longer kept.
    """

    def __init__(self, excesses: Floats, rule: str, max_excesses: int | None = None):
        self._rule = rule
        self._max_excesses = max_excesses
        self.n_added = len(excesses)
        held = excesses if max_excesses is None else excesses[-max_excesses:]
        self._unit = float(held.mean())  # keeps the power sums in range, whatever the scale of the scores
        self._values = held / self._unit
        self._n_held = len(held)
        self._oldest = 0
        self._top: _Top | None = None
        self._search()

    def add(self, excess: float) -> None:
        """Add an excess and refit.

        Parameters
        ----------
        excess : float
            Positive.
        """
        excess /= self._unit
        dropped = self._store(excess)
        self.n_added += 1
        self._total += excess - dropped
        top = self._top
        if top is None or self.n_added >= self._next_search or not top.series.covers(excess):
            self._search()
            return
        top.series.add(excess)
        if dropped:
            top.series.add(dropped, sign=-1)
        self._top = self._climb(*top)
        if self._top is None:
            self._search()
        else:
            self._choose()

    def get_state(self) -> dict[str, Any]:
        """Return the whole state as plain values that JSON can hold."""
        return {
            "rule": self._rule,
            "max_excesses": self._max_excesses,
            "n_added": self.n_added,
            "unit": self._unit,
            "values": self._held().tolist(),
            "oldest": self._oldest,
            "total": self._total,
            "next_search": self._next_search,
            "theta": None if self._top is None else self._top.theta,
            "series": None if self._top is None else self._top.series.get_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "ParetoTail":
        """Restore from the result of `get_state`."""
        tail = cls.__new__(cls)
        tail._rule = state["rule"]
        tail._max_excesses = state["max_excesses"]
        tail.n_added = state["n_added"]
        tail._unit = state["unit"]
        tail._values = np.array(state["values"])
        tail._n_held = len(tail._values)
        tail._oldest = state["oldest"]
        tail._total = state["total"]
        tail._next_search = state["next_search"]
        series, theta = state["series"], state["theta"]
        tail._top = None if series is None else _Top(_Series.from_state(series), theta)
        tail._choose()
        return tail

    def _held(self) -> Floats:
        return self._values[: self._n_held]

    def _store(self, excess: float) -> float:
        """Store the excess; return the one it replaced, or 0."""
        if self._n_held == self._max_excesses:
            dropped = float(self._values[self._oldest])
            self._values[self._oldest] = excess
            self._oldest = (self._oldest + 1) % self._n_held
            return dropped
        if self._n_held == len(self._values):
            self._values = np.concatenate((self._values, np.empty(self._n_held)))
        self._values[self._n_held] = excess
        self._n_held += 1
        return 0.0

    def _search(self) -> None:
        """Fit from scratch: the likeliest of all local maxima."""
        held = self._held()
        self._total = float(held.sum())
        self._next_search = self.n_added + max(1, int(SEARCH_GROWTH * self._n_held))
        self._top, best_likelihood = None, -math.inf
        for start in _local_maxima(held):
            top = self._climb(_Series(held, start), start)
            if top is not None:
                likelihood = _likelihood_at_top(self._n_held, *top.series.parameters(top.theta))
                if likelihood > best_likelihood:
                    self._top, best_likelihood = top, likelihood
        self._choose()

    def _climb(self, series: "_Series", theta: float) -> "_Top | None":
        """Go from theta to a local maximum of the likelihood; None if there is none nearby."""
        for _ in range(MAX_STEPS):
            reached, arrived = series.climb(theta)
            if reached is None:
                return None
            if arrived:
                return _Top(series, reached)
            theta = reached
            series = _Series(self._held(), theta)
        return None

    def _choose(self) -> None:
        """Choose the generalised Pareto distribution or the exponential one."""
        n = self._n_held
        self.shape, self.scale = 0.0, self._total / n * self._unit
        if self._top is None:
            return
        exponential = _likelihood_at_top(n, self.shape, self.scale)
        shape, scale = self._top.series.parameters(self._top.theta)
        scale *= self._unit
        if _likelihood_at_top(n, shape, scale) > (-exponential if self._rule == "published" else exponential):
            self.shape, self.scale = shape, scale


class _Series:
    """Mean of log(1 + theta y) over the excesses y, as a power series in theta around an anchor."""

    def __init__(self, excesses: Floats, theta: float):
        # At anchor 0 the slope has a form without the cancellation that it suffers elsewhere near 0.
        self.anchor = 0.0 if abs(theta) * float(excesses.max()) <= REACH / 2 else float(theta)
        stretched = 1 + self.anchor * excesses
        ratio = excesses / stretched
        self.n = len(excesses)
        self.largest = float(ratio.max())
        self.log_sum = float(np.log(stretched).sum())
        self.coefficients = []  # -sum((-ratio) ** k) / k for k = 1 … TERMS
        power = ratio
        for k in range(1, TERMS + 1):
            self.coefficients.append(float(power.sum()) / k)
            power = power * -ratio

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "_Series":
        series = cls.__new__(cls)
        vars(series).update(state)
        return series

    def get_state(self) -> dict[str, Any]:
        return {**vars(self), "coefficients": list(self.coefficients)}

    def covers(self, excess: float) -> bool:
        """Whether the excess has any density under the anchor's distribution."""
        return 1 + self.anchor * excess > 0

    def add(self, excess: float, sign: int = 1) -> None:
        """Add an excess, or remove it with sign -1."""
        stretched = 1 + self.anchor * excess
        ratio = excess / stretched
        self.n += sign
        self.largest = max(self.largest, ratio)
        self.log_sum += sign * math.log(stretched)
        power = sign * ratio
        for k in range(TERMS):
            self.coefficients[k] += power / (k + 1)
            power *= -ratio

    def climb(self, theta: float) -> tuple[float | None, bool]:
        """Climb the log-likelihood by Newton steps, within reach of the anchor.

        Returns
        -------
        theta : float or None
            A local maximum, or the limit of the reach; None if the likelihood has no maximum on the way.
        arrived : bool
        """
        reach = REACH / self.largest
        probe = reach / 1000
        for _ in range(MAX_STEPS):
            if abs(theta - self.anchor) > reach:
                return self.anchor + math.copysign(reach, theta - self.anchor), False
            slope = self._slope(theta)
            curvature = (self._slope(theta + probe) - slope) / probe
            if curvature >= 0:
                return None, False
            step = -slope / curvature
            theta += step
            if abs(step) < 1e-8 * reach:
                return theta, True
        return None, False

    def parameters(self, theta: float) -> tuple[float, float]:
        """Shape and scale of the distribution with this theta."""
        by_theta, _ = self._polynomial(theta - self.anchor)
        if self.anchor == 0:
            return theta * by_theta, by_theta
        shape = self.log_sum / self.n + (theta - self.anchor) * by_theta
        return shape, shape / theta

    def _slope(self, theta: float) -> float:
        """Slope of the log-likelihood per excess."""
        step = theta - self.anchor
        value, derivative = self._polynomial(step)
        mean_share = value + step * derivative  # of y / (1 + theta y)
        if self.anchor == 0:
            return -derivative / value - mean_share
        shape = self.log_sum / self.n + step * value
        return (shape - theta * mean_share) / (theta * shape) - mean_share

    def _polynomial(self, step: float) -> tuple[float, float]:
        """Sum of the mean coefficients times step ** (k - 1), and its derivative."""
        value = derivative = 0.0
        for coefficient in reversed(self.coefficients):
            derivative = derivative * step + value
            value = value * step + coefficient
        return value / self.n, derivative / self.n


class _Top(NamedTuple):
    """A local maximum of the likelihood, and the series around an anchor near it."""

    series: _Series
    theta: float


def _likelihood_at_top(n: int, shape: float, scale: float) -> float:
    """Log-likelihood of n excesses, where it is stationary in the scale at fixed theta or the shape is 0."""
    return -n * (math.log(scale) + 1 + shape)


def _local_maxima(excesses: Floats) -> list[float]:
    """Values of theta near which the log-likelihood has a local maximum."""
    from scipy.optimize import brentq

    def slope(theta: float) -> float:
        stretched = 1 + theta * excesses
        shape = np.log(stretched).mean()
        mean_share = (excesses / stretched).mean()
        return (shape - theta * mean_share) / (theta * shape) - mean_share

    grid = _theta_grid(excesses)
    rising = np.array([slope(theta) for theta in grid]) > 0
    tops = np.flatnonzero(rising[:-1] & ~rising[1:])
    return [brentq(slope, grid[top], grid[top + 1], xtol=1e-300, rtol=1e-6) for top in tops]


def _theta_grid(excesses: Floats) -> Floats:
    """Ascending theta, from where the largest excess has next to no density up to Grimshaw's bound."""
    smallest, mean, largest = float(excesses.min()), float(excesses.mean()), float(excesses.max())
    near_border = (np.geomspace(1e-12, 0.5, 36) - 1) / largest
    near_zero = np.geomspace(0.49, 1e-3, 12) / -largest
    bound = min(2 * (mean / smallest - 1) / smallest, 1e12 / mean)
    lowest = 1e-3 / largest
    if bound <= lowest:
        return np.concatenate((near_border, near_zero))
    n_above = 2 + int(6 * math.log10(bound / lowest))
    return np.concatenate((near_border, near_zero, np.geomspace(lowest, bound, n_above)))
