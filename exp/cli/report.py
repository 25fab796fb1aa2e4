"""The program exp.report: the page of a results folder, ``python -m exp.report test_results/MSL/results_0``."""

import argparse
import sys
from pathlib import Path

from exp.benchmark.run_folder import RunFolder
from exp.cli.common import run_program
from exp.errors import UserError
from exp.report.folder import read_folder
from exp.report.page import write_report


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(_run, build_parser(), arguments, after_interruption="")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program's options."""
    parser = argparse.ArgumentParser(
        prog="python -m exp.report", description="Write an interactive page of a run's scores, events and measures."
    )
    add = parser.add_argument
    add("folder", type=Path, help="with the results of run.py, such as test_results/MSL/results_0")
    add("--root_path", type=Path, default=Path("dataset"), help="folder of the datasets (dataset)")
    add("--out", type=Path, help="the page (report.html in the folder)")
    return parser


def _run(options: argparse.Namespace) -> int:
    out = options.out or RunFolder(options.folder).report
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder: name a file, such as {out / 'report.html'}")
    if options.out and not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}: make it, or name another file")
    write_report(out, read_folder(options.folder, options.root_path))
    sys.stdout.write(f"{out}\n")
    return 0
