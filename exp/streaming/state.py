"""Files of a stream's state: arrays and a note, whole or not at all, with a digest at the end."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from exp.detection.estimator import CrossADDetector
from exp.errors import UserError
from ts_ad_evaluation.files import replacing

FORMAT = 4
DIGEST = hashlib.sha256().digest_size  # bytes


def write_state(path, note: dict, **arrays: np.ndarray) -> None:
    """Write a state; a file that is there is replaced.

    Parameters
    ----------
    path : str or Path
    note : dict
        Of values that JSON can hold.
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
    """Return the arrays of a state, and what else it says.

    Raises
    ------
    UserError
        When the file is missing, damaged, or of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such state of a stream: name another file, or start without")
    content = path.read_bytes()
    try:
        if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
            raise ValueError("the digest is not that of the content")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = dict(stored)
            note = json.loads(str(arrays.pop("note")))
    except (ValueError, KeyError):
        raise UserError(f"{path}: damaged, or no state of a stream: start without it") from None
    if note["format"] != FORMAT:
        raise UserError(f"{path}: of the format {note['format']}, this version reads {FORMAT}: start without it")
    return arrays, note


def fingerprint(detector: CrossADDetector) -> str:
    """Return a digest of all that makes a detector's scores and alarms."""
    digest = hashlib.sha256()
    arrays = [tensor.cpu().numpy() for tensor in detector.network_.state_dict().values()]
    arrays += [detector.causal_aggregation_.scale, detector.causal_aggregation_.levels]
    for array in (*arrays, detector.offset_, detector.scale_, detector.decision_scores_, detector.threshold_):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
