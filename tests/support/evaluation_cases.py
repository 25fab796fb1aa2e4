"""Shared by the tests of the measures: golden cases, random cases, and inputs for which they are undefined."""

import json

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.support.paths import GOLDEN as ROOT_GOLDEN
from tests.support.paths import SHARED as ROOT_SHARED

COPIES = ROOT_GOLDEN / "evaluation"
SHARED = ROOT_SHARED / "golden" / "evaluation"  # also has the only real run, GECCO

GOLDEN = (
    "close_events_buffers_overlap",
    "event_at_end",
    "event_at_start",
    "GECCO",
    "inverted_scores",
    "long_random",
    "many_short_events",
    "middle_events",
    "mostly_anomalous",
    "perfect_scores",
    "shorter_than_buffer",
    "single_point_event",
    "tied_scores",
)


def golden_case(name):
    """Return label, score and the expected numbers of a case."""
    arrays = golden_arrays(name)
    file = COPIES / "expected_cases.json" if (COPIES / f"{name}.npz").exists() else SHARED / "expected_gecco.json"
    expected = json.loads(file.read_text())[name]
    expected["vus_2022"] = json.loads((COPIES / "expected_vus_original.json").read_text()).get(name, {})
    return arrays["label"], arrays["score"], expected


def golden_arrays(name):
    """Return `label`, `score` and `spot_init_score` of a case; GECCO is not copied here."""
    path = next((folder / f"{name}.npz" for folder in (COPIES, SHARED) if (folder / f"{name}.npz").exists()), None)
    if path is None:
        pytest.skip(f"needs ../shared/golden/evaluation/{name}.npz")
    with np.load(path) as arrays:
        return dict(arrays)


def expected_row(expected, entry, row=0):
    """Return the values of one row of an expected table, in the order of its columns."""
    (table,) = expected[entry].values()
    return [column[row] for column in table.values()]


def random_cases(count, max_length=40, seed=0):
    """Yield small labels and scores: events at the ends and adjacent, single points, ties."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(2, max_length + 1))
        label = np.zeros(n, dtype=np.int8)
        for _ in range(rng.integers(1, 6)):
            start = rng.integers(0, n)
            label[start : start + rng.integers(1, 1 + max(1, n // 3))] = 1
        if label.all():
            label[rng.integers(0, n)] = 0
        levels = rng.choice([1, 2, 3, 10, 1000])
        yield label, rng.integers(0, levels, n) / levels + label * rng.choice([0, 0, 0.5])


@st.composite
def cases(draw, max_length=60):
    """Draw a label with both classes and a score of small integers of the same length, so that ties are common."""
    label = draw(st.lists(st.booleans(), min_size=2, max_size=max_length).filter(lambda x: any(x) and not all(x)))
    score = draw(st.lists(st.integers(-20, 20), min_size=len(label), max_size=len(label)))
    return np.array(label, dtype=np.int8), np.array(score, dtype=np.float64)


UNDEFINED = [
    pytest.param([0, 0, 0], [1, 2, 3], "no anomalous point", id="no anomalous point"),
    pytest.param([1, 1, 1], [1, 2, 3], "only anomalous points", id="only anomalous points"),
    pytest.param([0, 1], [1, 2, 3], "differ in length: 2 and 3", id="different lengths"),
    pytest.param([0, 1, 0], [1, np.nan, 3], "NaN or infinity, first at index 1", id="NaN"),
    pytest.param([0, 1, 0], [1, 2, np.inf], "NaN or infinity, first at index 2", id="infinity"),
    pytest.param([0, 1, 0], [[1], [2], [3]], r"one-dimensional, got shape \(3, 1\)", id="2-d score"),
    pytest.param([[0], [1], [0]], [1, 2, 3], r"one-dimensional, got shape \(3, 1\)", id="2-d label"),
    pytest.param([0, 2, 0], [1, 2, 3], "only 0 and 1, found 2 at index 1", id="label of 2"),
    pytest.param([0, np.nan, 1], [1, 2, 3], "only 0 and 1, found nan at index 1", id="label of NaN"),
    pytest.param(["0", "1", "0"], [1, 2, 3], "label must be numeric, got dtype <U1", id="label of text"),
    pytest.param(np.array(["0", 1, 0], object), [1, 2, 3], "found '0' at index 0", id="label of text and numbers"),
    pytest.param([[0, 1], [0]], [1, 2, 3], "label must be an array, got lists of different lengths", id="ragged"),
    pytest.param([], [], "label is empty", id="empty"),
    pytest.param([0, 1], [], "score is empty", id="empty score"),
    pytest.param([0, 1], ["a", "b"], "score must be numeric", id="text"),
    pytest.param([0, 1, 0], np.ma.array([1, 2, 3], mask=[0, 0, 1]), "score has masked values", id="masked score"),
    pytest.param(np.ma.array([0, 1, 0], mask=[0, 0, 1]), [1, 2, 3], "label has masked values", id="masked label"),
]
