"""The command line: python -m data_provider.prepare NAME --source DIR, or --download."""

import argparse
import functools
import logging
import signal
import sys
from pathlib import Path

from data_provider.errors import DataError
from data_provider.files import write_in_any_encoding
from data_provider.prepare import NAMES, prepare
from data_provider.prepare.datasets import check_request
from data_provider.prepare.servers import FAMILIES

PROGRAM = "python -m data_provider.prepare"
EXAMPLES = """\
examples:
  PROGRAM MSL --download
  PROGRAM SMD --download --server machine-1-6
  PROGRAM UCR --source UCR_TimeSeriesAnomalyDatasets2021.zip"""


def build_parser(program=PROGRAM):
    """Return the parser of the program's options."""
    parser = argparse.ArgumentParser(
        prog=program,
        usage="%(prog)s NAME (--source DIR | --download) [options]",
        description="Convert the files that a dataset's publisher provides into the files that the readers accept.",
        epilog=EXAMPLES.replace("PROGRAM", program),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=f"one of {', '.join(NAMES)}")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--source",
        type=Path,
        help="folder of the unpacked source; UCR and TSB-AD-U: zip file or its folder; others: also a file NAME.npz",
    )
    source.add_argument(
        "--download",
        action="store_true",
        help="fetch the source first, from its publisher or a mirror; downloads are kept and resumed if interrupted "
        "(all but SWAT, which is available on request only)",
    )
    parser.add_argument(
        "--server",
        nargs="+",
        default=[],
        metavar="SERVER",
        help=f"for {' and '.join(FAMILIES)}: turn these servers into separate datasets, data/SERVER.csv (machine-1-6, "
        "omi-1; all: those in the source); by default SMD's 28 become one dataset and ASD's one each",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("dataset"), help="folder with DETECT_META.csv and data/ (dataset)"
    )
    parser.add_argument("--cache", type=Path, help="with --download: the folder for downloads (the user's cache)")
    return parser


def main(arguments=None, program=PROGRAM) -> int:
    """Run the command line; return its exit code."""
    write_in_any_encoding()
    options = build_parser(program).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sys.stdout.write(_run(options) + "\n")
    except (DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: run the command again\n")
        return 130
    return 0


def _run(options):
    if options.cache is not None and not options.download:
        raise DataError("--cache needs --download: leave it out, or add --download")
    check_request(options.name, options.out, options.server)
    work = functools.partial(prepare, options.name, out=options.out, servers=options.server)
    if not options.download:
        return work(source=options.source)
    from data_provider.prepare.download import default_cache, download  # its packages are slow to import

    return download(options.name, options.server, options.cache or default_cache(), lambda source: work(source=source))


def _interrupt(*_):
    raise KeyboardInterrupt


def main_of_process(arguments=None, program=PROGRAM) -> int:
    """Run the command line as the only task of its process; return its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that a terminated run cleans up, too
    return main(arguments, program)


if __name__ == "__main__":
    sys.exit(main_of_process())
