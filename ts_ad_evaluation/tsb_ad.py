"""The nine measures of the TSB-AD benchmark under its rules and names, and its rule for the period of a series."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.affiliation import Affiliation, affiliation
from ts_ad_evaluation.arrays import Floats, Mask
from ts_ad_evaluation.auc import anomalous_levels, auc
from ts_ad_evaluation.checks import check_label_score, check_score
from ts_ad_evaluation.f1 import F1, f1_event, f1_pa, f1_r
from ts_ad_evaluation.range_auc import vus

N_THRESHOLDS = 100
N_POINTS, N_LAGS, FIRST_LAG = 20_000, 400, 3
DEFAULT_PERIOD = 125


def tsb_ad_metrics(score: ArrayLike, label: ArrayLike, window: int) -> dict[str, float]:
    """All measures of the TSB-AD benchmark.

    The five F measures are oracle values: their thresholds are chosen with the labels, for Standard-F1 among all
    scores, for the others among 100 evenly spaced ones between the smallest and the largest score.

    Parameters
    ----------
    score : array_like of shape (n,)
        Higher is more anomalous.
    label : array_like of shape (n,)
        1 for anomalous points, 0 for normal ones, both present.
    window : int
        Largest buffer of VUS (rule of 2024); in the benchmark, the period of the series.

    Returns
    -------
    dict of str to float
        "AUC-PR", "AUC-ROC", "VUS-PR", "VUS-ROC", "Standard-F1", "PA-F1", "Event-based-F1", "R-based-F1" and
        "Affiliation-F", each in [0, 1]. A constant score gives 0 for the last four.

    Raises
    ------
    EvaluationError
        When the arrays are empty, of different lengths or not one-dimensional, the label is not binary or
        lacks a class, the score holds NaN or infinity, or the window is not a natural number.

    References
    ----------
    Q. Liu and J. Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark",
    NeurIPS 2024, datasets and benchmarks track.

    Examples
    --------
    >>> measures = tsb_ad_metrics([0.1, 0.4, 0.35, 0.8, 0.2, 0.3], [0, 0, 1, 1, 0, 0], window=2)
    >>> round(measures["AUC-PR"], 3), round(measures["R-based-F1"], 3)
    (0.833, 0.8)
    """
    label, score = check_label_score(label, score)
    point_wise = auc(label, score)
    volume = vus(label, score, window=window, rule="2024")
    thresholds = np.linspace(score.min(), score.max(), N_THRESHOLDS)

    def best(measure: Callable[..., F1 | Affiliation]) -> float:
        return max(measure(label, score, threshold).f1 for threshold in thresholds)

    return {
        "AUC-PR": point_wise.pr,
        "AUC-ROC": point_wise.roc,
        "VUS-PR": volume.pr,
        "VUS-ROC": volume.roc,
        "Standard-F1": _standard_f1(label, score),
        "PA-F1": best(f1_pa),
        "Event-based-F1": best(f1_event),
        "R-based-F1": best(f1_r),
        "Affiliation-F": best(affiliation),
    }


def find_period(series: ArrayLike, *, default: int | None = DEFAULT_PERIOD, least: float = -1.0) -> int | None:
    """Period of a series under the benchmark's rule: the lag of the highest local maximum of the autocorrelation.

    Parameters
    ----------
    series : array_like of shape (n,)
        The first 20 000 points are used.
    default : int or None
        What is returned if there is no period; 125 in the benchmark.
    least : float
        Autocorrelation, in [-1, 1], that the highest local maximum must reach to count; in the benchmark any will do.

    Returns
    -------
    int or None
        A period in 6 … 303, or `default` if no lag from 4 to 399 is a local maximum, or the highest of them is
        outside that range, as for a constant or very short series, or below `least`.

    Raises
    ------
    EvaluationError
        When the series is empty, not one-dimensional, or holds NaN or infinity.

    References
    ----------
    Q. Liu and J. Paparrizos, "The Elephant in the Room: Towards A Reliable Time-Series Anomaly Detection Benchmark",
    NeurIPS 2024, datasets and benchmarks track.

    Examples
    --------
    >>> find_period(np.sin(2 * np.pi * np.arange(1000) / 25))
    25
    >>> find_period(np.arange(1000), default=None) is None
    True
    """
    covariance = _autocovariance(check_score(series, "series")[:N_POINTS], N_LAGS)
    correlation = covariance[FIRST_LAG:]
    peaks = 1 + np.flatnonzero((correlation[1:-1] > correlation[:-2]) & (correlation[1:-1] > correlation[2:]))
    if len(peaks) == 0:
        return default
    highest = int(peaks[np.argmax(correlation[peaks])])
    is_period = 3 <= highest <= 300 and correlation[highest] >= least * covariance[0]
    return highest + FIRST_LAG if is_period else default


def _standard_f1(label: Mask, score: Floats) -> float:
    """Largest point-wise F1, with the benchmark's 1e-5 in the denominator."""
    level = anomalous_levels(label, score)
    precision, recall = level.precision, level.recall
    return float(np.max(2 * precision * recall / (precision + recall + 1e-5)))


def _autocovariance(series: Floats, n_lags: int) -> Floats:
    """Autocovariance at the lags 0 … n_lags, by a Fourier transform padded against wrap-around."""
    centred = series - series.mean()
    length = 2 ** (2 * len(series) - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, length)) ** 2
    return np.fft.irfft(power, length)[: min(n_lags + 1, len(series))]
