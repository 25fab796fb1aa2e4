"""The command line: python -m data_provider.inspect NAME."""

import argparse
import sys
from pathlib import Path

from data_provider.errors import DataError
from data_provider.files import write_in_any_encoding
from data_provider.inspect.overview import draw_overview
from data_provider.inspect.report import describe
from data_provider.read.dataset import read_dataset, read_tsb_ad, read_ucr

FILE_READERS = {".txt": read_ucr, ".csv": read_tsb_ad}


def parse_arguments(arguments=None):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data_provider.inspect",
        description="Describe what a dataset contains and draw an overview of it.",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="a dataset in data/NAME.csv, or a file of UCR or TSB-AD-U")
    parser.add_argument(
        "--root_path", type=Path, default=Path("dataset"), help="folder with DETECT_META.csv and data/ (dataset)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the picture, .png or .pdf (default: .png next to the data)"
    )
    return parser.parse_args(arguments)


def inspect(name: str, root: Path, out: Path | None) -> None:
    """Write the report on a dataset, or on a file that holds one series, and draw its overview.

    Raises
    ------
    DataError
        When the data cannot be used, or the picture cannot have the requested format.
    """
    file = Path(name)
    if file.suffix in FILE_READERS:
        series = FILE_READERS[file.suffix](file)
    else:
        file = root / "data" / f"{name}.csv"
        series = read_dataset(root, name)
    sys.stdout.write(describe(series))
    picture = out or file.with_suffix(".png")
    draw_overview(series, picture)
    sys.stdout.write(f"overview: {picture}\n")


def main(arguments=None) -> int:
    """Run the command line; return its exit code."""
    write_in_any_encoding()
    options = parse_arguments(arguments)
    try:
        inspect(options.name, options.root_path, options.out)
    except (DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
