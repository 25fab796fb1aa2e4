# Creates .venv (or reuses it) and installs the file named by $requirements into it. Sourced by the other scripts.
set -eu
if [ ! -x .venv/bin/python ]; then
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            "$candidate" -m venv .venv
            break
        fi
    done
    [ -x .venv/bin/python ] || { echo "Python 3.10 or newer is needed and was not found on PATH" >&2; exit 2; }
fi
# pip runs only if the requirements have changed since the last time.
stamp=.venv/installed-$(basename "$requirements")
wanted=$(cat requirements.txt "$requirements" | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    .venv/bin/python -m pip install --quiet -r "$requirements"
    echo "$wanted" > "$stamp"
fi
