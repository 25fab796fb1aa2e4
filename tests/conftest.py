"""Settings for all tests: one thread, and no failures due to a slow machine."""

import os

# Before torch or numpy is imported: with one thread, results repeat and parallel tests do not slow each other down.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import HealthCheck, settings

from tests.support.command_line import Place

torch.set_num_threads(1)
UNHURRIED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# The same examples each time, so that a test fails because of a change and not by chance.
settings.register_profile("repeated", derandomize=True, max_examples=50, **UNHURRIED)
# New examples each time: `pytest --hypothesis-profile=searching`.
settings.register_profile("searching", max_examples=500, **UNHURRIED)
settings.load_profile("repeated")


@pytest.fixture
def place(tmp_path):
    """A place with data and configuration, and no results yet."""
    return Place(tmp_path).fill()


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A place where run.py has trained and tested; only to be read or copied."""
    place = Place(tmp_path_factory.mktemp("finished")).fill()
    ended = place.run()
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished place."""
    return finished.copy_to(tmp_path)
