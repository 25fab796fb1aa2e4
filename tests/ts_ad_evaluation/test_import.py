"""The package loads with numpy alone."""

import subprocess
import sys

import pytest

import ts_ad_evaluation
from tests.support.paths import REPOSITORY

CHECK = """
import sys
import ts_ad_evaluation
heavy = {"torch", "pandas", "sklearn", "scipy", "statsmodels", "matplotlib"} & set(sys.modules)
rooms = {"exp", "data_provider", "models"} & set(sys.modules)
sys.exit(", ".join(sorted(heavy | rooms)) or None)
"""


def test_import_needs_neither_heavy_packages_nor_other_rooms():
    run = subprocess.run([sys.executable, "-c", CHECK], cwd=REPOSITORY, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("name", ts_ad_evaluation.__all__)
def test_public_names_are_not_modules(name):
    assert callable(getattr(ts_ad_evaluation, name))
