"""Installs packages from PyPI into separate environments and runs their measures there.

For each peer this folder holds `NAME.txt`, everything its measures need, pinned, and `NAME_measures.py`, which calls
them. What a package requires beyond its measures (deep-learning frameworks) is not installed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
# The measures of each peer, under the names in bench_evaluation.
PEERS = {
    "vus": ["vus", "r_auc"],
    "pate": ["pate", "pate_with_zero"],
    "tsb_ad": ["tsb_ad", "vus", "f1_pa", "f1_event", "f1_r", "affiliation"],
    "dtaianomaly": ["vus_2022", "r_auc", "f1_pa", "f1_r", "affiliation"],
    "tsadmetrics": ["vus", "pate_with_zero", "f1_pa", "f1_r", "affiliation"],
}


def run_peer(peer, measure, folder, arrays, limit):
    """Run one measure of a peer on the arrays of a file.

    Parameters
    ----------
    peer, measure : str
        As in `PEERS`.
    folder : Path
        Where the environments are or will be.
    arrays : Path
        `.npz` with label, score and threshold.
    limit : float
        Seconds after which it is aborted.

    Returns
    -------
    dict or str
        `seconds` and `values` by name; or why there are none.
    """
    python, problem = _environment(peer, folder)
    if problem:
        return problem
    command = [python, FOLDER / f"{peer}_measures.py", measure, arrays]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=_one_thread())
    except subprocess.TimeoutExpired:
        return f"not done after {limit:.0f} s"
    if done.returncode:
        return f"failed: {_last_line(done.stderr)}"
    return json.loads(_last_line(done.stdout))


def _environment(peer, folder):
    """Create the environment of `peer` if missing; return its Python, and what went wrong if anything did."""
    requirements = FOLDER / f"{peer}.txt"
    python = folder / peer / "bin" / "python"
    stamp = folder / peer / "installed.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return python, ""
    sys.stderr.write(f"installing {peer} into {folder / peer}\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / peer], check=True)
    # The list is complete; their own requirements would pull in gigabytes of frameworks.
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", requirements]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        return python, f"not installed: {_last_line(done.stderr)}"
    stamp.write_text(requirements.read_text())
    return python, ""


def _one_thread():
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"]
    return os.environ | dict.fromkeys(names, "1")


def _last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]
