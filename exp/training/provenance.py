"""What a result depends on: values, package versions, and the commit of this clone."""

import hashlib
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]


def digest_values(values: np.ndarray) -> str:
    """Return the digest of values (n, C), channel by channel as most readers store them, so nothing is copied."""
    hashed = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    for channel in values.T:
        hashed.update(np.ascontiguousarray(channel).data)
    return hashed.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that a run depends on."""
    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


def git_commit() -> str | None:
    """Return the commit of this clone, or None if there is no clone or no git."""
    if not (ROOT / ".git").exists():  # installed packages may be inside an unrelated repository
        return None
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return git.stdout.strip() if git.returncode == 0 else None
