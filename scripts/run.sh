# Runs a Python program from the top folder: with the active virtual environment, else .venv, else python.
cd "$(dirname "$0")/.."
if [ -z "${VIRTUAL_ENV:-}" ] && [ -x .venv/bin/python ]; then
    exec .venv/bin/python "$@"
fi
exec python "$@"
