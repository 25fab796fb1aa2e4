"""The command line: python -m data_provider.prepare NAME --source DIR."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from data_provider.errors import DataError
from data_provider.files import write_in_any_encoding
from data_provider.prepare import NAMES, prepare


def parse_arguments(arguments=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data_provider.prepare",
        description="Turn what a dataset's publisher hands out into the files that the readers take.",
    )
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=f"one of {', '.join(NAMES)}")
    parser.add_argument(
        "--source",
        type=Path,
        required=True,
        help="folder of the unpacked source; UCR and TSB-AD-U: the zip or its folder",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("dataset"), help="folder with DETECT_META.csv and data/ (dataset)"
    )
    return parser.parse_args(arguments)


def main(arguments=None) -> int:
    """Run the command line; return its exit code."""
    write_in_any_encoding()
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        sys.stdout.write(prepare(options.name, options.source, options.out) + "\n")
    except (DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: start it again\n")
        return 130
    return 0


def _interrupt(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # so that a terminated run tidies up, too
    sys.exit(main())
