"""Files of a stream's state: arrays and a note, written atomically, with a digest at the end."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from ts_ad_evaluation.files import replacing

FORMAT = 6
DIGEST = hashlib.sha256().digest_size  # bytes


def write_state(path, note: dict, **arrays: np.ndarray) -> None:
    """Write a state; an existing file is replaced.

    Parameters
    ----------
    path : str or Path
    note : dict
        Values that JSON can hold.
    **arrays : array

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, note=np.array(json.dumps({"format": FORMAT, **note})))
    content = buffer.getvalue()
    with replacing(path) as temporary:
        temporary.write_bytes(content + hashlib.sha256(content).digest())


def read_state(path) -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays of a state and its note.

    Raises
    ------
    UserError
        When the file is missing, damaged, or has another format.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such stream state: name another file, or start without one")
    content = path.read_bytes()
    try:
        if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
            raise ValueError("the digest does not match the content")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
            note = json.loads(str(arrays.pop("note")))
    except (ValueError, KeyError):
        raise UserError(f"{path}: damaged, or not a stream state: start without it") from None
    if note["format"] != FORMAT:
        raise UserError(f"{path}: has the format {note['format']}, but this version reads {FORMAT}: start without it")
    return arrays, note


def fingerprint(detector: CrossADDetector) -> str:
    """Return a digest of everything that determines a detector's scores and alarms."""
    digest = hashlib.sha256()
    arrays = [tensor.cpu().numpy() for tensor in detector.network_.state_dict().values()]
    arrays += [detector.causal_aggregation_.scale, detector.causal_aggregation_.levels]
    for array in (*arrays, detector.offset_, detector.scale_, detector.decision_scores_, detector.threshold_):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
