import numpy as np
import pytest

from data_provider.events import find_events


@pytest.mark.parametrize(
    ("label", "starts", "ends"),
    [([], [], []), ([0, 0], [], []), ([1, 1], [0], [2]), ([1, 0, 1, 1, 0], [0, 2], [1, 4]), ([0, 1], [1], [2])],
)
def test_events(label, starts, ends):
    found = find_events(np.array(label, np.uint8))
    assert [part.tolist() for part in found] == [starts, ends]
