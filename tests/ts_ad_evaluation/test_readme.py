import doctest
import re

from tests.support.paths import REPOSITORY
from ts_ad_evaluation.__main__ import parse_arguments
from ts_ad_evaluation.evaluator import MEASURES

README = REPOSITORY / "ts_ad_evaluation" / "README.md"


def test_examples_run():
    outcome = doctest.testfile(str(README), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_every_measure_is_listed_and_oracle_ones_are_marked():
    lines = README.read_text(encoding="utf-8").splitlines()
    for name, measure in MEASURES.items():
        (row,) = [line for line in lines if line.startswith(f"| `{name}`")]
        assert measure.columns.split()[0] in row
        assert measure.columns.split()[-1] in row
        assert ("**oracle**" in row) == ("oracle" in measure.note)


def test_command_lines_are_accepted():
    text = README.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^python -m ts_ad_evaluation (.*)$", text, flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert parse_arguments(command.split()).label
