"""The program exp.report: the page of a results folder, ``python -m exp.report test_results/MSL/results_0``."""

import argparse
import sys

from exp.benchmark.run_folder import RunFolder
from exp.cli.common import run_program
from exp.cli.options import report_parser
from exp.errors import UserError
from exp.report.folder import read_folder
from exp.report.page import write_report


def main(arguments: list[str] | None = None, program: str = "python -m exp.report") -> int:
    """Run the program and return its exit code."""
    return run_program(_run, report_parser(program), arguments, after_interruption="")


def _run(options: argparse.Namespace) -> int:
    out = options.out or RunFolder(options.folder).report
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder: name a file, such as {out / 'report.html'}")
    if options.out and not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}: create it, or name another file")
    write_report(out, read_folder(options.folder, options.root_path))
    sys.stdout.write(f"{out}\n")
    return 0
