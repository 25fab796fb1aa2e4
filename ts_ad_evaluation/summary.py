"""Points to the new place of the command that summarises results."""

import sys

if __name__ == "__main__":
    sys.stderr.write("error: ts_ad_evaluation.summary has moved: run python -m exp.summary FOLDER\n")
    sys.exit(2)
