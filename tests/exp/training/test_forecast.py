import logging
from types import SimpleNamespace

import pytest

from exp.training import forecast
from exp.training.forecast import Forecast


@pytest.mark.parametrize(
    ("seconds", "steps", "epochs", "says"),
    [
        (0.5, 300, 20, "0.50 s per step: about 2 min for each of at most 20 epochs, 50 min in total"),
        (2.0, 36, 1, "2.00 s per step: about 72 s for each of at most 1 epochs, 72 s in total"),
        (0.1, 100, 2, None),  # soon over
    ],
)
def test_it_is_told_once_from_the_first_steps(monkeypatch, caplog, seconds, steps, epochs, says):
    clock = iter(range(10_000))
    monkeypatch.setattr(forecast, "time", SimpleNamespace(perf_counter=lambda: next(clock) * seconds))
    caplog.set_level(logging.INFO)
    told = Forecast(steps, epochs)
    for _ in range(200):
        told.step()
    assert caplog.messages == ([says] if says else [])
