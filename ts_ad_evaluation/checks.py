"""What every measure requires of its two arrays, checked in one place."""

import numpy as np
from numpy.typing import ArrayLike

from ts_ad_evaluation.arrays import Floats, Mask


class EvaluationError(ValueError):
    """An input for which the measure is undefined; the message says what is wrong with it."""


def as_array(values: object, name: str) -> np.ndarray:
    """Return `values` as an array of any shape.

    Raises
    ------
    EvaluationError
        When they are lists of different lengths, or some are masked.
    """
    if np.ma.is_masked(values):
        raise EvaluationError(f"{name} has masked values: fill them, or leave their points out of both arrays")
    try:
        return np.asarray(values)
    except ValueError:
        raise EvaluationError(f"{name} must be an array, got lists of different lengths") from None


def check_score(score: ArrayLike, name: str = "score") -> Floats:
    """Return `score` as float64, of shape (n,).

    Raises
    ------
    EvaluationError
        When it is empty, not one-dimensional, not numeric, or holds NaN or infinity.
    """
    array = as_array(score, name)
    if array.ndim != 1:
        raise EvaluationError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size == 0:
        raise EvaluationError(f"{name} is empty")
    if array.dtype.kind not in "biuf":
        raise EvaluationError(f"{name} must be numeric, got dtype {array.dtype}")
    array = array.astype(np.float64, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        first = int(np.argmin(finite))
        raise EvaluationError(f"{name} holds NaN or infinity, first at index {first}: {array[first]}")
    return array


def check_label(label: ArrayLike, *, both_classes: bool = True) -> Mask:
    """Return `label` as bool, of shape (n,).

    Parameters
    ----------
    label : array_like of shape (n,)
        Zeros and ones (integer, boolean or float).
    both_classes : bool
        Also require at least one normal and one anomalous point.

    Raises
    ------
    EvaluationError
        When it is empty, not one-dimensional, holds values other than 0 and 1, or lacks a class.
    """
    array = as_array(label, "label")
    if array.ndim != 1:
        raise EvaluationError(f"label must be one-dimensional, got shape {array.shape}")
    if array.size == 0:
        raise EvaluationError("label is empty")
    if array.dtype.kind not in "biufO":
        raise EvaluationError(f"label must be numeric, got dtype {array.dtype}: it must hold the numbers 0 and 1")
    anomalous = array == 1
    other = ~(anomalous | (array == 0))
    if other.any():
        first = int(np.argmax(other))
        found = repr(array[first]) if isinstance(array[first], (str, bytes)) else array[first]
        raise EvaluationError(f"label must hold only 0 and 1, found {found} at index {first}")
    if both_classes and not anomalous.any():
        raise EvaluationError("label has no anomalous point: the measure is undefined")
    if both_classes and anomalous.all():
        raise EvaluationError("label has only anomalous points: the measure is undefined")
    return anomalous


def check_label_score(label: ArrayLike, score: ArrayLike, *, both_classes: bool = True) -> tuple[Mask, Floats]:
    """Return (label as bool, score as float64), both of shape (n,); `both_classes` as for `check_label`.

    Raises
    ------
    EvaluationError
        As for `check_label` and `check_score`, and when the lengths differ.
    """
    label = check_label(label, both_classes=both_classes)
    score = check_score(score)
    if len(label) != len(score):
        raise EvaluationError(f"label and score differ in length: {len(label)} and {len(score)}")
    return label, score


def check_threshold(threshold: ArrayLike) -> float:
    """Return `threshold` as float; infinity is allowed.

    Raises
    ------
    EvaluationError
        When it is not a single number, or NaN.
    """
    array = np.asarray(threshold)
    if array.ndim != 0 or array.dtype.kind not in "biuf" or np.isnan(array):
        raise EvaluationError(f"threshold must be a single number, got {threshold!r}")
    return float(array)
