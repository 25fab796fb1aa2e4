"""The program `python -m exp.summary`: one table of all results below a folder."""

import argparse
import sys
from pathlib import Path

from exp.benchmark.runs import find_runs
from exp.benchmark.summary import format_summary, summarise
from exp.cli.common import run_program
from ts_ad_evaluation.files import replacing
from ts_ad_evaluation.tables import FORMATS


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return run_program(_run, build_parser(), arguments, after_interruption="")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program's options."""
    parser = argparse.ArgumentParser(
        prog="python -m exp.summary",
        description="One table of all results below a folder, beside the published ones: a row for each dataset, "
        "detector, configuration and metric, averaged over the seeds.",
    )
    parser.add_argument("folder", type=Path, help="folder with results, such as test_results")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write here instead of to the terminal")
    return parser


def _run(options: argparse.Namespace) -> int:
    text = format_summary(*summarise(find_runs(options.folder)), options.format)
    if options.out is None:
        sys.stdout.write(text)
    else:
        with replacing(options.out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return 0
