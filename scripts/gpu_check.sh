#!/bin/sh
# Tests, speed and training runs on a machine with a CUDA device. Python: $PYTHON, else an active one with the needed
# packages, else .venv, which is created if missing. Arguments: sh scripts/gpu_check.sh --help
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
    if python3 -c 'import torch, numpy, pandas, scipy, sklearn, statsmodels, pydantic, yaml, pyarrow, joblib' 2>/dev/null; then
        PYTHON=python3
    else
        requirements=requirements-dev.txt
        . scripts/environment.sh
        PYTHON=.venv/bin/python
    fi
fi
exec "$PYTHON" -m benchmarks.gpu_check "$@"
