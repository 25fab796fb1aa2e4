#!/bin/sh
# Installs the requirements into .venv, then trains and tests CrossAD on the included series. Arguments go to run.py.
set -eu
cd "$(dirname "$0")/.."
requirements=requirements.txt
. scripts/environment.sh
exec .venv/bin/python run.py --config configs/quickstart "$@"
