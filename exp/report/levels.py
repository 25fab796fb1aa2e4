"""A series at several resolutions, and how it is packed into the page.

The page draws from buckets of neighbouring rows, each with its minimum and its maximum, so no peak is lost at any zoom.

The budget
----------
A page holds at most `BUDGET` two-byte numbers for its series, which are 25 MB as base64 (a million points of eight
channels). If they fit, all rows of score and channels are kept. Otherwise the score gets a quarter of the budget, an
eighth is for the surroundings of the first events (each with its first channels, every row), and the channels share
the rest equally, whatever their number: each is kept in buckets of as many rows as needed. So a page does not
grow with the length of the series or the number of its channels.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

BUDGET = 9_400_000
FACTOR = 64  # buckets of a level that are combined into one of the next
COARSEST = 4096  # a level with at most this many buckets is the coarsest
BLOCK = 1024  # numbers that share a scale
STEPS = 65_534  # steps of a block, from its lowest number to its highest
MISSING = 65_535
LARGEST = 1e300  # limit of a drawn value, so that ranges are also finite


class Level(NamedTuple):
    """Minima and maxima of a stretch of a series in buckets of `bucket` rows, the first of which starts at `first`.

    `low` and `high` have shape (buckets,); they are the same if a bucket is one row. NaN: no row has a value.
    """

    bucket: int
    first: int
    low: np.ndarray
    high: np.ndarray


class Plan(NamedTuple):
    """Division of the budget: rows in a bucket of score and channels, and numbers for the surroundings of events."""

    score_bucket: int
    channel_bucket: int
    surroundings: int


def plan(n: int, n_channels: int, *, times: int = 0) -> Plan:
    """Divide the budget; the rule is in the module's docstring.

    Parameters
    ----------
    n : int
        Rows.
    n_channels : int
    times : int
        Two-byte numbers that a row's time takes.

    Returns
    -------
    Plan
    """
    if (n_channels + 1) * count_numbers(n, 1) + n * times <= BUDGET:
        return Plan(1, 1, 0)
    score_bucket = _smallest_bucket(n, BUDGET // 4)
    score = count_numbers(n, score_bucket) + times * (n // score_bucket + 1)
    each = (BUDGET - BUDGET // 8 - score) // max(n_channels, 1)
    return Plan(score_bucket, _smallest_bucket(n, each), BUDGET // 8)


def count_numbers(n: int, bucket: int) -> int:
    """Return how many numbers the levels of a series of `n` rows have, the finest in buckets of `bucket` rows."""
    buckets = -(-n // bucket)
    numbers = buckets if bucket == 1 else 2 * buckets
    while buckets > COARSEST:
        buckets = -(-buckets // FACTOR)
        numbers += 2 * buckets
    return numbers


def _smallest_bucket(n: int, numbers: int) -> int:
    bucket = 1
    while bucket < n and count_numbers(n, bucket) > numbers:
        bucket *= 2
    return bucket


def build_levels(values: np.ndarray, bucket: int = 1) -> list[Level]:
    """Minima and maxima of a series, from fine to coarse.

    Parameters
    ----------
    values : float array of shape (n,)
        NaN, infinity and values beyond `LARGEST` count as missing.
    bucket : int
        Rows in a bucket of the finest level.

    Returns
    -------
    list of Level
        Each has `FACTOR` times fewer buckets than the previous one; the last has at most `COARSEST`.

    Examples
    --------
    >>> [level] = build_levels(np.array([3.0, 1.0, 2.0, 5.0, 4.0]), bucket=2)
    >>> level.low.tolist(), level.high.tolist()
    ([1.0, 2.0, 4.0], [3.0, 5.0, 4.0])
    """
    values = np.asarray(values, dtype=np.float64)
    values = np.where(np.abs(values) <= LARGEST, values, np.nan)
    low, high = (values, values) if bucket == 1 else _merge(values, values, bucket)
    levels = [Level(bucket, 0, low, high)]
    while len(low) > COARSEST:
        low, high = _merge(low, high, FACTOR)
        bucket *= FACTOR
        levels.append(Level(bucket, 0, low, high))
    return levels


def _merge(low: np.ndarray, high: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    return _reduce(np.fmin, low, size), _reduce(np.fmax, high, size)


def _reduce(extreme: np.ufunc, numbers: np.ndarray, size: int) -> np.ndarray:
    # The last bucket may be smaller. Along an axis this is several times faster than `reduceat`.
    whole = len(numbers) - len(numbers) % size
    reduced = extreme.reduce(numbers[:whole].reshape(-1, size), axis=1)
    return reduced if whole == len(numbers) else np.append(reduced, extreme.reduce(numbers[whole:]))


def pack(levels: Iterable[Level]) -> tuple[list[dict], bytes]:
    """Pack levels into two bytes per number.

    Each block of `BLOCK` numbers has its own scale, so that a far outlier does not cost the rest of the series its
    detail: a number is kept to within half of a `STEPS`-th of the range of its block.

    Parameters
    ----------
    levels : iterable of Level

    Returns
    -------
    description : list of dict
        The `bucket`, `first` and `count` (number of buckets) of each level.
    data : bytes
        First the blocks of all numbers, lowest number and step as little-endian float64, then the codes as
        little-endian uint16. A number is `lowest + step * code`, or missing if the code is `MISSING`. A level in
        buckets of one row has its numbers once; the others have the minima, then the maxima.
    """
    levels = list(levels)
    arrays = [array for level in levels for array in ((level.low,) if level.bucket == 1 else (level.low, level.high))]
    quantised = [_quantise(array) for array in arrays]
    data = b"".join([*(blocks.tobytes() for blocks, _ in quantised), *(codes.tobytes() for _, codes in quantised)])
    return [{"bucket": level.bucket, "first": level.first, "count": len(level.low)} for level in levels], data


def _quantise(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales (blocks, 2) and the codes (n,) of numbers (n,)."""
    blocks = -(-len(numbers) // BLOCK)
    padded = np.full(blocks * BLOCK, np.nan)
    padded[: len(numbers)] = numbers
    padded = padded.reshape(blocks, BLOCK)
    lowest, highest = (extreme.reduce(padded, axis=1, keepdims=True) for extreme in (np.fmin, np.fmax))
    lowest, highest = np.nan_to_num(lowest), np.nan_to_num(highest)  # of a block without any number
    step = (highest - lowest) / STEPS
    # A subnormal step may be rounded down by a large share of itself, and the block's top would not be reached.
    step = np.where(step * STEPS < highest - lowest, np.nextafter(step, np.inf), step)
    codes = np.rint((padded - lowest) / np.where(step > 0, step, 1))
    codes = np.where(np.isnan(padded), MISSING, np.minimum(codes, STEPS))
    return np.concatenate([lowest, step], axis=1).astype("<f8"), codes.ravel()[: len(numbers)].astype("<u2")
