"""Why nothing can be evaluated, and where the events are instead."""

import numpy as np
import pytest

from exp.benchmark.labels import why_unmeasurable


def label(n, *events):
    values = np.zeros(n, np.uint8)
    for begin, end in events:
        values[begin:end] = 1
    return values


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        ([], [(3, 5)], None),
        ([(0, 4)], [(3, 5)], None),
        ([], [(99, 100)], ["the event is at test point 99", "unscored tail of 4 points", "--cover_tail"]),
        ([], [(96, 98), (99, 100)], ["2 events", "test points 96 to 97", "--cover_tail"]),
        ([(2, 4)], [(99, 100)], ["--cover_tail"]),
        ([(2, 4)], [], ["the event is at points 2 to 3 of the series", "in the training part", "first 50 points"]),
        ([(2, 4), (9, 10)], [], ["2 events", "first at points 2 to 3", "in the training part"]),
        ([], [], ["no anomalous point among the 96 scored test points", "all are labelled 0"]),
        ([], [(0, 96)], ["all 96", "labelled 1"]),
        (None, [], ["all are labelled 0"]),
    ],
)
def test_reasons(train, test, says):
    train_label = None if train is None else label(50, *train)
    reason = why_unmeasurable(train_label, label(100, *test), 96)
    assert (reason is None) == (says is None)
    assert all(text in reason for text in says or [])
