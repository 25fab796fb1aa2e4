"""Train and test a detector on the UCR anomaly archive: python run_UCR.py --config configs/UCR."""

import sys

from exp.benchmarks import UCR
from exp.sweep import main

if __name__ == "__main__":
    sys.exit(main(UCR, "run_UCR.py"))
