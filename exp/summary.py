"""`python -m exp.summary`: a table of all results."""

import sys

from exp.cli.summary import main

if __name__ == "__main__":
    sys.exit(main())
