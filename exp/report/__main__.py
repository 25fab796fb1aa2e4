"""`python -m exp.report`: the page of a folder of results."""

import sys

from exp.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
