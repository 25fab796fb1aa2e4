"""The program `python -m exp.summary`: one table of all results below a folder."""

import argparse
import sys

from exp.benchmark.runs import find_runs
from exp.benchmark.summary import format_summary, summarise
from exp.cli.common import run_program
from exp.cli.options import summary_parser
from ts_ad_evaluation.files import replacing


def main(arguments: list[str] | None = None, program: str = "python -m exp.summary") -> int:
    """Run the program and return its exit code."""
    return run_program(_run, summary_parser(program), arguments, after_interruption="")


def _run(options: argparse.Namespace) -> int:
    text = format_summary(*summarise(find_runs(options.folder)), options.format)
    if options.out is None:
        sys.stdout.write(text)
    else:
        with replacing(options.out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return 0
