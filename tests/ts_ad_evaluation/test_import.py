"""The package loads with numpy alone, and all of it but the figures works with three more packages."""

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


ALONE = """
import importlib.abc, pkgutil, sys

# What numpy, scipy, scikit-learn and pandas need themselves is theirs.
ALLOWED = {"numpy", "scipy", "sklearn", "pandas", "joblib", "threadpoolctl", "dateutil", "six", "pytz", "tzdata"}
ALLOWED |= {"narwhals", "ts_ad_evaluation"} | sys.stdlib_module_names

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in ALLOWED and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"refused: {name}", name=name)

sys.meta_path.insert(0, Refuse())
import numpy as np
import ts_ad_evaluation as t

for module in pkgutil.walk_packages(t.__path__, "ts_ad_evaluation."):
    if module.name != "ts_ad_evaluation.summary":  # tells only where it has moved to
        importlib.import_module(module.name)
label, score = np.zeros(400, int), np.abs(np.random.default_rng(0).standard_normal(400))
label[100:120] = label[300:310] = 1
score += 2 * label
tables = t.Evaluator(label, score, save_path=None).evaluate(
    ["auc", "r_auc", "vus", "best_f1", "best_f1_pa", "pate", "affiliation", "f1_raw", "f1_pa", "f1_r", "f1_event"],
    verbose=False, **dict.fromkeys(["affiliation", "f1_raw", "f1_pa", "f1_r", "f1_event"], [1.5]),
)
t.tsb_ad_metrics(score / score.max(), label, window=t.find_period(np.sin(np.arange(400) / 4)))
t.spot_threshold(score, score, risk=1e-3), t.ucr_accuracy(np.r_[label[:200], 0 * label[200:]], score)
from ts_ad_evaluation.__main__ import command
command(["--version"])
"""


def test_measures_and_command_line_need_numpy_scipy_scikit_learn_and_pandas_alone():
    run = subprocess.run([sys.executable, "-c", ALONE], cwd=REPOSITORY, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"ts-ad-evaluation {ts_ad_evaluation.__version__}\n"


@pytest.mark.parametrize("name", ts_ad_evaluation.__all__)
def test_public_names_are_not_modules(name):
    assert callable(getattr(ts_ad_evaluation, name))
