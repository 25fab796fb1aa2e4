"""Hit rates against their definition over all orders, and general properties."""

import logging
import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ts_ad_evaluation import EvaluationError, hit_rate, hit_rate_of_rankings, random_hit_rate

LEVELS = (20, 50, 100, 110, 150, 300)
LABEL = [0, 1, 1, 0, 1]
CHANNELS = [[0, 1], [3]]


def runs_of(label):
    """First points and lengths of the runs of ones."""
    runs = []
    for t, inside in enumerate(label):
        if inside and (t == 0 or not label[t - 1]):
            runs.append([t, 0])
        if inside:
            runs[-1][1] += 1
    return runs


def by_definition(orders, label, channels_of_event, level):
    """Su et al.'s definition, word by word, for one order of each event."""
    rates = []
    for order, channels in zip(orders, channels_of_event, strict=True):
        rates.append(len(set(channels) & set(order[: level * len(channels) // 100])) / len(channels))
    lengths = [length for _, length in runs_of(label)]
    return sum(rate * length for rate, length in zip(rates, lengths, strict=True)) / sum(lengths)


@st.composite
def cases(draw, max_channels=5):
    """Draw scores of small integers, so that ties are common, a label with an event and its channels."""
    label = draw(st.lists(st.integers(0, 1), min_size=1, max_size=12).filter(any))
    n_channels = draw(st.integers(1, max_channels))
    rows = st.lists(st.integers(0, 3), min_size=n_channels, max_size=n_channels)
    scores = draw(st.lists(rows, min_size=len(label), max_size=len(label)))
    channels = st.lists(st.integers(0, n_channels - 1), min_size=1, max_size=n_channels, unique=True)
    count = len(runs_of(label))
    return np.array(scores), label, draw(st.lists(channels, min_size=count, max_size=count))


def orders_of(values):
    """All rankings of the channels by descending `values`."""
    orders = permutations(range(len(values)))
    return [order for order in orders if all(values[a] >= values[b] for a, b in pairwise(order))]


@given(cases())
def test_it_is_the_mean_of_the_definition_over_the_orders_of_ties(case):
    scores, label, channels = case
    got = hit_rate(*case, at=LEVELS)
    assert list(got) == list(LEVELS)
    lengths = [length for _, length in runs_of(label)]
    for level in LEVELS:
        means = []
        for (start, length), true in zip(runs_of(label), channels, strict=True):
            orders = orders_of(scores[start : start + length].sum(axis=0))
            means.append(np.mean([by_definition([order], [1], [true], level) for order in orders]))
        assert got[level] == pytest.approx(np.average(means, weights=lengths), abs=1e-12)


@given(cases(), st.randoms(use_true_random=False))
def test_rankings_follow_the_definition(case, random):
    scores, label, channels = case
    rankings = [random.sample(range(scores.shape[1]), scores.shape[1]) for _ in channels]
    got = hit_rate_of_rankings(rankings, label, channels, at=LEVELS)
    for level in LEVELS:
        assert got[level] == pytest.approx(by_definition(rankings, label, channels, level), abs=1e-12)


@given(cases(max_channels=4))
def test_the_random_rate_is_the_mean_over_all_rankings(case):
    scores, label, channels = case
    got = random_hit_rate(scores.shape[1], label, channels, at=LEVELS)
    orders = list(permutations(range(scores.shape[1])))
    every = [hit_rate_of_rankings([order] * len(channels), label, channels, at=LEVELS) for order in orders]
    for level in LEVELS:
        assert got[level] == pytest.approx(np.mean([rates[level] for rates in every]), abs=1e-12)
    assert hit_rate(np.full(scores.shape, 7), label, channels, at=LEVELS) == got


@given(cases())
def test_more_places_never_lower_it(case):
    rates = list(hit_rate(*case, at=LEVELS).values())
    assert rates == sorted(rates)
    assert 0 <= rates[0] <= rates[-1] <= 1


@given(cases(), st.randoms(use_true_random=False))
def test_the_numbers_of_the_channels_do_not_matter(case, random):
    scores, label, channels = case
    new = np.array(random.sample(range(scores.shape[1]), scores.shape[1]))
    renumbered = np.empty_like(scores)
    renumbered[:, new] = scores
    assert hit_rate(renumbered, label, [new[true] for true in channels]) == hit_rate(*case)


@given(cases())
def test_normal_points_do_not_matter(case):
    scores, label, channels = case
    changed = np.where(np.array(label)[:, None] == 1, scores, -99)
    assert hit_rate(changed, label, channels) == hit_rate(*case)


@given(cases())
def test_true_channels_above_all_others_are_all_found(case):
    scores, label, channels = case
    raised = scores.astype(float)
    for (start, length), true in zip(runs_of(label), channels, strict=True):
        raised[start : start + length, true] += 4
    assert hit_rate(raised, label, channels) == {100: 1, 150: 1}


def test_a_share_of_places_is_rounded_down_exactly():
    # 110 % of 10 and 115 % of 20 are whole numbers, which a product with 1.1 or 1.15 may miss.
    for level, true_channels in [(110, 10), (115, 20), (150, 3), (199, 1)]:
        n_places = level * true_channels // 100
        ranking = [*range(true_channels, 100), *range(true_channels)]
        ranking.insert(n_places - 1, ranking.pop())  # a true channel at the last rank that counts
        got = hit_rate_of_rankings([ranking], [1], [range(true_channels)], at=[level, level - 1])
        assert got[level] == 1 / true_channels
        if (level - 1) * true_channels // 100 < n_places:
            assert got[level - 1] == 0
    assert random_hit_rate(7, [1], [[0, 1, 2]], at=[33.3, 33.4])[33.4] == pytest.approx(1 / 7)
    assert random_hit_rate(7, [1], [[0, 1, 2]], at=[33.3, 33.4])[33.3] == 0


def test_long_events_weigh_more():
    label = [1, 0, 1, 1, 1]
    assert hit_rate_of_rankings([[0, 1], [0, 1]], label, [[0], [1]], at=[100]) == {100: 0.25}
    assert hit_rate_of_rankings([[0, 1], [0, 1]], label, [[1], [0]], at=[100]) == {100: 0.75}


@pytest.mark.parametrize(
    ("scores", "label", "channels", "text"),
    [
        (np.zeros(5), LABEL, CHANNELS, r"must have the shape \(points, channels\), got \(5,\)"),
        (np.zeros((5, 0)), LABEL, CHANNELS, r"must have the shape \(points, channels\), got \(5, 0\)"),
        (np.full((5, 4), "a"), LABEL, CHANNELS, "channel_scores must be numeric"),
        (np.diag([0, 0, np.nan, 0, 0]), LABEL, CHANNELS, "NaN or infinity, first at point 2, channel 2"),
        (np.zeros((4, 4)), LABEL, CHANNELS, "channel_scores and label differ in length: 4 and 5"),
        (np.zeros((5, 4)), [0, 2, 1, 0, 1], CHANNELS, "label must hold only 0 and 1, found 2 at index 1"),
        (np.zeros((5, 4)), np.zeros(5), [], "label has no anomalous point: the hit rate is undefined"),
    ],
)
def test_undefined(scores, label, channels, text):
    with pytest.raises(EvaluationError, match=text):
        hit_rate(scores, label, channels)


@pytest.mark.parametrize(
    ("channels", "text"),
    [
        ([[0, 1]], "channels_of_event has 1 entries, the label 2 events"),
        ([[], []], "channels_of_event has no channels for any event"),
        ([None, ()], "channels_of_event has no channels for any event"),
        ([[0], 3], "event 1 must be a list of at least one channel, got 3"),
        ([[0, 4], [1]], "event 0: there is no channel 4, the channels are 0 to 3"),
        ([[0], [-1]], "event 1: there is no channel -1"),
        ([[0], [2, 1, 2]], "event 1 holds channel 2 more than once"),
        ([[0], [0.5]], "event 1: channels must be whole numbers, got dtype float64"),
        ([[0], [True, False, False, True]], "event 1: channels must be whole numbers, got dtype bool"),
    ],
)
def test_channels_that_do_not_fit(channels, text):
    calls = [
        lambda: hit_rate(np.zeros((5, 4)), LABEL, channels),
        lambda: hit_rate_of_rankings([range(4), range(4)], LABEL, channels),
        lambda: random_hit_rate(4, LABEL, channels),
    ]
    for call in calls:
        with pytest.raises(EvaluationError, match=text):
            call()


@pytest.mark.parametrize("unknown", [[], (), None, np.array([], dtype=int)])
def test_events_without_channels_are_left_out_and_counted(unknown, caplog):
    """As if the event were not labelled."""
    scores = np.random.default_rng(0).random((6, 4))
    label, first = np.array([1, 1, 0, 1, 1, 1]), np.array([1, 1, 0, 0, 0, 0])
    rankings = [[1, 0, 2, 3], [3, 2, 1, 0]]
    with caplog.at_level(logging.INFO):
        assert hit_rate(scores, label, [[0, 2], unknown]) == hit_rate(scores, first, [[0, 2]])
        found = hit_rate_of_rankings(rankings, label, [[0, 2], unknown])
        assert found == hit_rate_of_rankings(rankings[:1], first, [[0, 2]])
        assert random_hit_rate(4, label, [[0, 2], unknown]) == random_hit_rate(4, first, [[0, 2]])
    assert caplog.messages == ["hit rate over 1 of 2 events: unknown channels in the others"] * 3


@pytest.mark.parametrize(
    ("rankings", "text"),
    [
        ([[0, 1, 2, 3]], "rankings has 1 entries, the label 2 events"),
        ([[0, 1, 2, 3], [0, 1, 2]], "the ranking of event 1 holds 3 of the 4 channels"),
        ([[0, 1, 2, 3], [0, 1, 2, 2]], "the ranking of event 1 holds channel 2 more than once"),
        ([[0, 1, 2, 4], [0, 1, 2, 3]], "the ranking of event 0: there is no channel 4"),
    ],
)
def test_rankings_that_do_not_fit(rankings, text):
    with pytest.raises(EvaluationError, match=text):
        hit_rate_of_rankings(rankings, LABEL, CHANNELS)


@pytest.mark.parametrize("at", [[], 100, [0], [-5], [math.nan], [math.inf]])
def test_levels_must_be_above_0(at):
    with pytest.raises(EvaluationError, match="at must be a list of levels in percent above 0"):
        random_hit_rate(4, LABEL, CHANNELS, at=at)


def test_there_must_be_a_channel():
    with pytest.raises(EvaluationError, match="at least one channel, got n_channels=0"):
        random_hit_rate(0, LABEL, CHANNELS)
