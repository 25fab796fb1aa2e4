"""The command `crossad`: what it says without running a program, and that it runs the right one."""

import os
import subprocess
import sys
import types

import pytest

from exp.cli import __version__, crossad, options, series_options
from exp.streaming.lines import STATE_EVERY
from models import AUTO, DETECTORS
from tests.support.paths import REPOSITORY
from ts_ad_evaluation.__main__ import command
from ts_ad_evaluation.tables import FORMATS

HEAVY = ("torch", "pandas", "pydantic", "matplotlib", "bokeh")
LIGHT = f"""
import sys
from exp.cli.crossad import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
sys.exit(f"imports {{[name for name in {HEAVY} if name in sys.modules]}}, ends with {{code}}")
"""


def run(arguments, capsys):
    try:
        code = crossad.main(arguments)
    except SystemExit as end:
        code = end.code
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "heavy", "code"),
    [
        (["--help"], [], 0),
        (["--version"], [], 0),
        (["detct"], [], 2),
        (["detect", "--help"], [], 0),
        (["stream", "--help"], [], 0),
        (["run", "--help"], [], 0),
        (["run", "--seed", "one", "--config", "MSL"], [], 2),
        (["ucr", "--help"], ["pandas"], 0),
        (["tsb-ad", "--help"], ["pandas"], 0),
        (["prepare", "--help"], ["pandas"], 0),
        (["summary", "--help"], [], 0),
        (["report", "--help"], [], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_help_version_and_wrong_options_need_no_pytorch(arguments, heavy, code):
    ended = subprocess.run(
        [sys.executable, "-c", LIGHT, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines()[-1] == f"imports {heavy}, ends with {code}"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["detct"], "crossad: detct: no such command: did you mean detect?\n"),
        (["tsb_ad", "--config", "x"], "crossad: tsb_ad: no such command: did you mean tsb-ad?\n"),
        (["--versoin"], "crossad: --versoin: no such command: did you mean --version?\n"),
        (
            ["frobnicate"],
            "crossad: frobnicate: no such command: use one of detect, stream, run, ucr, tsb-ad, prepare, summary, "
            "report\n",
        ),
    ],
)
def test_a_wrong_command_is_told_in_one_line(arguments, error, capsys):
    assert run(arguments, capsys) == (2, "", error)


def test_version_and_help(capsys):
    assert run(["--version"], capsys) == (0, f"crossad {__version__}\n", "")
    code, text, error = run(["--help"], capsys)
    assert (code, error) == (0, "")
    assert all(f"\n    {name} " in text for name in crossad.COMMANDS)
    assert "examples:" in text
    assert run([], capsys) == (2, text, "")  # nothing was asked for


@pytest.mark.parametrize("name", crossad.COMMANDS)
def test_help_of_a_command_is_short_and_has_examples(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, text, error = run([name, "--help"], capsys)
    assert (code, error) == (0, "")
    assert text.startswith(f"usage: crossad {name} ")
    assert f"\nexamples:\n  crossad {name} " in text
    assert len(text.splitlines()) <= 65
    assert all(line.isascii() for line in text.splitlines())


@pytest.mark.parametrize("name", crossad.COMMANDS)
def test_examples_are_accepted(name):
    program = f"crossad {name}"
    parser = crossad.COMMANDS[name].parser(program)
    lines = [line.strip() for line in parser.format_help().splitlines()]
    examples = [line.removeprefix(program).partition(" < ")[0] for line in lines if line.startswith(f"{program} ")]
    assert examples
    for example in examples:
        parser.parse_args(example.split())


def test_help_says_the_right_defaults_and_names():
    text = series_options.detect_parser().format_help()
    assert options.model_names() == sorted(DETECTORS)
    assert f"{', '.join(sorted(DETECTORS))}, or {AUTO}: " in " ".join(text.split())
    assert f"at most N ({STATE_EVERY})" in " ".join(text.split())
    assert options.FORMATS == FORMATS


@pytest.mark.parametrize(
    ("arguments", "same_as"),
    [
        (["a.csv", "--out", "b", "--seed", "3"], ["a.csv", "--out", "b", "--seed", "3"]),
        (["--model", "d", "--gap", "2h", "--sep", ";"], ["--stream", "--model", "d", "--gap", "2h", "--sep", ";"]),
    ],
    ids=["detect", "stream"],
)
def test_detect_and_stream_give_what_the_program_of_both_gives(arguments, same_as):
    name = "stream" if "--stream" in same_as else "detect"
    given = vars(crossad.COMMANDS[name].parser("crossad").parse_args(arguments))
    expected = vars(series_options.detect_parser("crossad").parse_args(same_as))
    assert given == expected


@pytest.mark.parametrize(
    ("name", "module", "arguments"),
    [
        ("run", "exp.cli.run", (["x"], "crossad run")),
        ("summary", "exp.cli.summary", (["x"], "crossad summary")),
        ("report", "exp.cli.report", (["x"], "crossad report")),
    ],
)
def test_a_command_runs_its_program(name, module, arguments, monkeypatch):
    calls = []
    program = types.SimpleNamespace(main=lambda *given: calls.append(given) or 7)
    monkeypatch.setattr(crossad, "import_module", {module: program}.__getitem__)
    assert crossad.COMMANDS[name].run(*arguments) == 7
    assert calls == [arguments]


COMPLETE = """
import os, sys
from exp.cli.crossad import main
end = os._exit
os._exit = lambda code: end(3 if "torch" in sys.modules else code)
main()
"""


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("crossad ", {*crossad.COMMANDS, "--help", "--version"}),
        ("crossad pre", {"prepare "}),
        ("crossad detect --tra", {"--train-until "}),
        ("crossad detect a.csv --detector Cro", {"CrossAD "}),
        ("crossad stream --st", {"--stream-mode", "--state", "--state-every"}),
        ("crossad run --mode ev", {"evaluate "}),
        ("crossad run --config SM", {"SMD", "SMD/MIXAD.yaml", "SMAP"}),
        ("crossad ucr --backend d", {"dask "}),
        ("crossad prepare GE", {"GECCO "}),
        ("crossad summary --format l", {"latex "}),
    ],
)
def test_a_shell_is_told_how_a_line_goes_on_without_pytorch(line, some, tmp_path):
    pytest.importorskip("argcomplete", reason="needs the package argcomplete, see requirements.txt")
    answer = tmp_path / "answer"
    shell = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    ended = subprocess.run([sys.executable, "-c", COMPLETE], cwd=REPOSITORY, env=os.environ | shell, check=False)
    assert ended.returncode == 0
    assert some <= set(answer.read_text().split("\n"))


def test_nothing_is_completed_without_argcomplete(monkeypatch):
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert crossad.main([]) == 1
    with pytest.raises(SystemExit) as ended:
        command([])
    assert ended.value.code == 1
