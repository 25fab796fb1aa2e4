#!/bin/sh
# Installs the development requirements into .venv, then runs ruff, mypy and pytest. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
requirements=requirements-dev.txt
. scripts/environment.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest -q -n auto "$@"
