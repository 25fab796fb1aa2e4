"""MIXAD's anomaly score: how much the attention of neighbouring points differs, minus its seasonal component."""

import math

import numpy as np
from scipy.special import xlogy


def divergences(attention: np.ndarray) -> np.ndarray:
    """Return the divergence of every point from the previous one, for each channel.

    Parameters
    ----------
    attention : array of shape (n, C, S)
        That of consecutive points; sums to 1 over the S slots.

    Returns
    -------
    float64 array of shape (n, C)
        The first point's divergence counts as 0.

    References
    ----------
    M. Kim et al., MIXAD: Memory-induced explainable time series anomaly detection, ICPR 2024 (arXiv 2410.22735).
    """
    scores = np.zeros(attention.shape[:2])
    scores[1:] = jensen_shannon(attention[1:], attention[:-1])
    return scores


def without_season(scores: np.ndarray) -> np.ndarray:
    """Return scores (n, C) minus their seasonal component, the published score of a whole part.

    As the seasonal component can be larger, a score can be negative; this is as published, and a point's score, the
    largest of its channels', does not need a fixed sign.
    """
    adjusted = scores.astype(np.float64)
    for channel in adjusted.T:
        period = dominant_period(channel)
        if period is not None:
            channel -= seasonal_part(channel, period)
    return adjusted


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return the Jensen–Shannon divergence between distributions.

    Parameters
    ----------
    p, q : arrays of shape (..., S)

    Returns
    -------
    float64 array of shape (...)
        In nats, from 0 to ln 2.

    Examples
    --------
    >>> jensen_shannon(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])).round(4)
    array([0.6931, 0.    ])
    """
    p, q = p.astype(np.float64), q.astype(np.float64)
    mean = (p + q) / 2
    divergence = (xlogy(p, p) + xlogy(q, q)).sum(-1) / 2 - xlogy(mean, mean).sum(-1)
    return divergence.clip(min=0)


def dominant_period(series: np.ndarray) -> int | None:
    """Return the period of the strongest frequency that completes at least two cycles.

    Parameters
    ----------
    series : array of shape (n,)

    Returns
    -------
    int or None
        In points, from 2 to n / 2; None if the series is constant, holds NaN or has fewer than four points.
    """
    if len(series) < 4 or not np.ptp(series) > 0:
        return None
    strength = np.abs(np.fft.rfft(series))[2:]
    return min(round(len(series) / (2 + int(strength.argmax()))), len(series) // 2)


def seasonal_part(series: np.ndarray, period: int) -> np.ndarray:
    """Return the seasonal component of a series by STL, the seasonal–trend decomposition with LOESS.

    Parameters
    ----------
    series : array of shape (n,)
        At least two periods.
    period : int
        In points, at least 2.

    Returns
    -------
    float64 array of shape (n,)

    References
    ----------
    R. B. Cleveland et al., STL: A seasonal–trend decomposition procedure based on loess, J. Off. Stat. 6, 1990.
    """
    from statsmodels.tsa.seasonal import STL  # takes seconds to import and only scoring needs it

    # Smooth components are fitted at ten points per window, linear in between, as the authors advise, so the time does
    # not grow with the period.
    trend = 1.5 * period / (1 - 1.5 / 7)  # STL's default, the seasonal component of a phase smoothed over 7 periods
    jumps = {"trend_jump": math.ceil(trend / 10), "low_pass_jump": math.ceil((period + 1) / 10)}
    return STL(series, period=period, **jumps).fit().seasonal
