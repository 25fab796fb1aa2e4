"""Train and test a detector on the UCR anomaly archive: python run_UCR.py --config configs/UCR."""

import sys

from exp.benchmark.suites import UCR
from exp.cli.sweep import main

if __name__ == "__main__":
    sys.exit(main(UCR, "run_UCR.py"))
