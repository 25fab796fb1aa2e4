"""A fitted detector on disk: its description as JSON, its arrays without pickle, and digests of both."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from exp.errors import UserError
from ts_ad_evaluation.files import replacing

FORMAT = 1


def write(folder: Path, description: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write a detector to a folder, created if missing; an earlier one is replaced atomically.

    The file of arrays is named after its digest, so the description, which is written last, always matches an existing
    one.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    members: dict[str, Any] = arrays  # none of them has the name of an option of savez
    np.savez(buffer, **members)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    file = f"weights_{digest[:12]}.npz"
    with replacing(folder / file) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    content = {"format": FORMAT, **description, "weights": {"file": file, "sha256": digest}}
    content["checksum"] = _checksum(content)
    with replacing(folder / "detector.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2, default=_plain) + "\n", encoding="utf-8")
    for old in folder.glob("weights_*.npz"):
        if old.name != file:
            old.unlink()


def read(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the description and the arrays of a saved detector.

    Raises
    ------
    UserError
        When a file is missing, damaged or altered.
    """
    content = _read_description(folder / "detector.json")
    return content, _read_arrays(folder / content["weights"]["file"], content["weights"]["sha256"])


def _plain(value: object) -> object:
    """Return what JSON stores for a value that it cannot represent."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _checksum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def _read_description(file: Path) -> dict:
    if not file.is_file():
        inside = file.parent / "detector"  # in the folder of a run's results
        there = f": {inside}" if (inside / file.name).is_file() else ""
        raise UserError(f"{file}: no such file: name a folder with a saved detector{there}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        checksum = content.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise UserError(f"{file}: damaged: save the detector again") from None
    if checksum != _checksum(content):
        raise UserError(f"{file}: altered since it was saved: save the detector again")
    if content["format"] != FORMAT:
        raise UserError(f"{file}: has the format {content['format']}, but this version reads {FORMAT}: save it again")
    return content


def _read_arrays(file: Path, digest: str) -> dict[str, np.ndarray]:
    if not file.is_file():
        raise UserError(f"{file}: no such file, but the detector next to it needs it: save the detector again")
    stored = file.read_bytes()
    if hashlib.sha256(stored).hexdigest() != digest:
        raise UserError(f"{file}: altered since it was saved: save the detector again")
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        return dict(arrays)
