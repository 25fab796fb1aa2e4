"""Train and test a detector on TSB-AD-U: python run_TSBAD.py --config configs/TSB-AD-U."""

import sys

from exp.benchmark.suites import TSB_AD_U
from exp.cli.sweep import main

if __name__ == "__main__":
    sys.exit(main(TSB_AD_U, "run_TSBAD.py"))
