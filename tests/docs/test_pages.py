"""What the pages quote: settings, values, code and error messages are those of the code."""

import ast
import re
import subprocess
import sys

import pytest

from docs import configuration, figures, point_adjustment
from tests.support.pages import commands
from tests.support.paths import REPOSITORY

DOCS = REPOSITORY / "docs"
CODE = ("exp", "models", "data_provider", "ts_ad_evaluation")


def text(name):
    return (DOCS / name).read_text(encoding="utf-8")


def test_configuration_is_that_of_the_settings():
    assert text("configuration.md") == configuration.page(), "stale: run python docs/configuration.py"


def test_every_setting_has_a_meaning():
    assert not re.findall(r"^.*\|  \|$", text("configuration.md"), flags=re.MULTILINE)


def test_a_random_score_has_the_values_quoted():
    rows = dict(re.findall(r"^\| (\w+) \| (0\.\d+ ± 0\.\d+) \|$", text("evaluation.md"), flags=re.MULTILINE))
    table = point_adjustment.table()
    assert rows == {name: f"{row['mean']:.3f} ± {row['std']:.3f}" for name, row in table.iterrows()}
    assert table.loc["F1_best_PA", "mean"] > 0.9


def test_the_rules_of_vus_differ_as_quoted():
    table = figures.vus_by_length().set_index(["length", "definition"])["PR"]
    values = [f"{table[3, f'vus, rule of {year}']:.3f}".lstrip("0") for year in (2024, 2022)]
    assert f"VUS_PR is {values[0]} by one rule and {values[1]} by the other" in text("evaluation.md")


def test_the_toy_detector_is_that_of_the_tests():
    shown = next(one for one in commands(DOCS / "adding-a-detector.md") if one.python)
    toy = ast.parse((REPOSITORY / "tests" / "support" / "toy.py").read_text(encoding="utf-8"))
    page = ast.parse(shown.text)
    tested = {ast.unparse(node) for node in toy.body}
    missing = [ast.unparse(node) for node in page.body if ast.unparse(node) not in tested]
    assert not missing


@pytest.mark.slow
def test_pictures_are_drawn_by_their_command(tmp_path):
    command = [sys.executable, str(DOCS / "figures.py"), "event", "vus", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert {picture.name for picture in tmp_path.iterdir()} == {"event.png", "vus.png"}


MESSAGES = re.findall(r"^### `(.*)`$", text("faq.md"), flags=re.MULTILINE)


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_those_of_the_code(message):
    files = [file for folder in CODE for file in (REPOSITORY / folder).rglob("*.py")]
    assert any(message in file.read_text(encoding="utf-8") for file in files)
