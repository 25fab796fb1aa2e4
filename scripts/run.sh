# Runs a Python program of this repository from its top folder: with the active environment, else with .venv.
cd "$(dirname "$0")/.."
if [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && [ -x .venv/bin/python ]; then
    exec .venv/bin/python "$@"
fi
exec python "$@"
