"""The command `crossad`: all programs under one name. A program, and with it PyTorch, is imported only to run it."""

import argparse
import difflib
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from exp.cli import __version__, options, series_options

DESCRIPTION = """\
Find anomalies in time series with CrossAD and other detectors, and reproduce published results.
"""
EPILOG = """\
examples:
  crossad detect sensor.csv --out results       own series: events, scores, report
  crossad stream --model results/detector       CSV lines in, a line of JSON for each point out
  crossad run --config configs/quickstart       train and test on the included series
  crossad detect --help                         the options of a command

Completion in the shell: eval "$(register-python-argcomplete crossad)" in ~/.bashrc, or in ~/.zshrc after compinit.
Only the measures, for scores of any detector: ts-ad-evaluation --help
"""


class Command(NamedTuple):
    """A program.

    Attributes
    ----------
    help : str
        One line.
    parser : callable
        The program's name → the parser of its options, without PyTorch.
    run : callable
        (arguments, the program's name) → exit code.
    """

    help: str
    parser: Callable[[str], argparse.ArgumentParser]
    run: Callable[[list[str], str], int]


def _detect(arguments: list[str], program: str) -> int:
    parser = COMMANDS["detect"].parser(program)
    return import_module("exp.cli.detect").main(arguments, parser)


def _stream(arguments: list[str], program: str) -> int:
    return import_module("exp.cli.detect").main(arguments, series_options.stream_parser(program))


def _program(module: str, function: str = "main") -> Callable[[list[str], str], int]:
    """Return a function that imports and runs a program."""
    return lambda arguments, program: getattr(import_module(module), function)(arguments, program)


def _suite(name: str) -> Callable[[list[str], str], int]:
    """Return a function that runs the benchmark with this name."""

    def run(arguments: list[str], program: str) -> int:
        benchmark = getattr(import_module("exp.benchmark.suites"), name)
        return import_module("exp.cli.sweep").main(benchmark, program, arguments)

    return run


def _suite_parser(name: str) -> Callable[[str], argparse.ArgumentParser]:
    def parser(program: str) -> argparse.ArgumentParser:
        benchmark = getattr(import_module("exp.benchmark.suites"), name)
        return options.sweep_parser(program, benchmark.root, benchmark.config)

    return parser


def _prepare_parser(program: str) -> argparse.ArgumentParser:
    return import_module("data_provider.prepare.__main__").build_parser(program)


COMMANDS = {
    "detect": Command(
        "anomalies in your own series", lambda name: series_options.detect_parser(name, stream=False), _detect
    ),
    "stream": Command("score points as they arrive", series_options.stream_parser, _stream),
    "run": Command("train and test a detector on a dataset", options.run_parser, _program("exp.cli.run")),
    "ucr": Command("all series of the UCR anomaly archive", _suite_parser("UCR"), _suite("UCR")),
    "tsb-ad": Command("all series of TSB-AD-U", _suite_parser("TSB_AD_U"), _suite("TSB_AD_U")),
    "prepare": Command(
        "download and convert the datasets",
        _prepare_parser,
        _program("data_provider.prepare.__main__", "main_of_process"),
    ),
    "summary": Command("a table of all results", options.summary_parser, _program("exp.cli.summary")),
    "report": Command("the page of a run's results", options.report_parser, _program("exp.cli.report")),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        return _complete()
    arguments = sys.argv[1:] if arguments is None else arguments
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if name in COMMANDS:
        program = f"crossad {name}"
        COMMANDS[name].parser(program).parse_args(rest)  # --help and wrong options end here, before a long import
        return COMMANDS[name].run(rest, program)
    if name in ("-h", "--help"):
        sys.stdout.write(build_parser().format_help())
        return 0 if arguments else 2  # no command was given
    if name == "--version":
        sys.stdout.write(f"crossad {__version__}\n")
        return 0
    known = [*COMMANDS, "--help", "--version"]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(COMMANDS)}"
    sys.stderr.write(f"crossad: {name}: no such command: {remedy}\n")
    return 2


def build_parser(line: str = "") -> argparse.ArgumentParser:
    """Return the parser of the command; those of its programs are empty except for the one that `line` names."""
    parser = argparse.ArgumentParser(
        prog="crossad",
        usage="%(prog)s COMMAND [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    words = line.split()

    def program_parser(prog: str, **_) -> argparse.ArgumentParser:
        name = prog.rpartition(" ")[2]
        return COMMANDS[name].parser(prog) if name in words else argparse.ArgumentParser(prog)

    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", prog="crossad", parser_class=program_parser
    )
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.help)
    return parser


def _complete() -> int:
    """Answer shell completion requests."""
    try:
        import argcomplete
    except ImportError:
        return 1
    argcomplete.autocomplete(build_parser(os.environ.get("COMP_LINE", "")))
    return 1  # the answer ends the process


if __name__ == "__main__":
    sys.exit(main())
