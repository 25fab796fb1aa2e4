"""`python -m exp.detect`: a file or a stream becomes ranked anomalies."""

import sys

from exp.cli.detect import main

if __name__ == "__main__":
    sys.exit(main())
