"""Train and test a detector: python run.py --config configs/SMD (--help lists all options)."""

import sys

from exp.cli.run import main

if __name__ == "__main__":
    sys.exit(main())
