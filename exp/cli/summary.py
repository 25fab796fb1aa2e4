"""The program `python -m exp.summary`: one table of all results below a folder."""

import argparse
import sys

from exp.benchmark.runs import find_runs
from exp.benchmark.summary import format_summary, summarise
from ts_ad_evaluation.checks import EvaluationError
from ts_ad_evaluation.files import replacing, write_in_any_encoding
from ts_ad_evaluation.tables import FORMATS


def main(arguments=None):
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m exp.summary",
        description="One table of all results below a folder, beside the published ones: a row for each dataset, "
        "detector, configuration and metric, averaged over the seeds.",
    )
    parser.add_argument("folder", help="folder with results, such as test_results")
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--out", metavar="FILE", help="write here instead of to the terminal")
    write_in_any_encoding()
    options = parser.parse_args(arguments)
    try:
        text = format_summary(*summarise(find_runs(options.folder)), options.format)
        if options.out is None:
            sys.stdout.write(text)
        else:
            with replacing(options.out) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except (EvaluationError, OSError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return 0
