"""Why a series' labels allow no evaluation, and where its events are instead."""

import numpy as np

from ts_ad_evaluation.events import find_events


def why_unmeasurable(train_label: np.ndarray | None, test_label: np.ndarray, covered: int) -> str | None:
    """Say why the scored points cannot be evaluated, and what to do, or return None if they can.

    Parameters
    ----------
    train_label : array of shape (n_train,) or None
        Labels of the training part, if its file has them.
    test_label : array of shape (n_test,)
    covered : int
        Number of points at the start of the test part that are scored.
    """
    label = test_label[:covered]
    if covered and label.min() != label.max():
        return None
    if covered and label.all():
        return f"all {covered} scored test points are labelled 1, so nothing can be evaluated: correct the labels"
    begin = f"label has no anomalous point among the {covered} scored test points"
    tail = test_label[covered:]
    if tail.any():
        return (
            f"{begin}: {_events(tail, covered, 'test point')}, in the unscored tail of {len(tail)} points after the "
            "last whole window: score them with --cover_tail"
        )
    if train_label is not None and train_label.any():
        return (
            f"{begin}: {_events(train_label, 0, 'point')} of the series, in the training part, which is its first "
            f"{len(train_label)} points: correct the labels or the number of training points"
        )
    return f"{begin} (all are labelled 0), so nothing can be evaluated: correct the labels"


def _events(label: np.ndarray, first: int, unit: str) -> str:
    """Say where the events are, giving the points of the first one, counted from 0, both ends included."""
    starts, ends = (bounds + first for bounds in find_events(label))
    place = f"{unit}s {starts[0]} to {ends[0]}" if ends[0] > starts[0] else f"{unit} {starts[0]}"
    if len(starts) == 1:
        return f"the event is at {place}"
    return f"the {len(starts)} events are elsewhere, the first at {place}"
