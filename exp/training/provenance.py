"""What a result rests on: versions of packages, and the commit of this clone."""

import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]


def versions() -> dict[str, str]:
    """Return the versions of what a run rests on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def git_commit() -> str | None:
    """Return the commit of this clone, or None where there is no clone or no git."""
    if not (ROOT / ".git").exists():  # installed packages may lie within a repository of something else
        return None
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return git.stdout.strip() if git.returncode == 0 else None
