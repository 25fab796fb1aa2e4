"""What results were made from: digests of data, labels, weights and settings, and what has changed since.

`run.json` and a sweep's `result.json` keep them, and they decide whether something is already done:

* `trained_on`: the training values behind the weights;
* `scored_with`: the weights, values and settings behind the scores;
* `labels`: the labels that the scores are evaluated with.

Results of earlier versions have none of these. Their origin is then unknown, which is never treated as
"unchanged" if the result can be recomputed cheaply.
"""

import hashlib
import logging
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data_provider import Series
from exp.benchmark.run_folder import RunFolder
from exp.config import ExperimentConfig, differences
from exp.errors import UserError
from exp.training import checkpoint
from exp.training.provenance import digest_values

logger = logging.getLogger(__name__)

NAMES = {"train": "training values", "test": "test values", "labels": "labels"}
UNKNOWN = "made by an earlier version, which does not record the data"

_known: weakref.WeakKeyDictionary[Series, dict] = weakref.WeakKeyDictionary()


def digest_series(series: Series) -> dict[str, dict]:
    """Return the digests of a series' training values, test values and labels; computed once for each series.

    Returns
    -------
    dict of str to dict
        Keys train, test and labels; each with rows, channels and sha256.
    """
    if series not in _known:
        parts = {"train": series.train, "test": series.test, "labels": series.test_label[:, None]}
        _known[series] = {name: _digest(values) for name, values in parts.items()}
    return _known[series]


def _digest(values: np.ndarray) -> dict:
    return {"rows": values.shape[0], "channels": values.shape[1], "sha256": digest_values(values)}


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the digest of a network's weights by name."""
    hashed = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.flatten().view(torch.uint8).numpy())
    return hashed.hexdigest()


def own_weights_digest(folder: RunFolder) -> str | None:
    """Return the digest of the weights from a run's training, or None if they are unknown.

    The weights in its folder count; if they have been removed, the record does.
    """
    if not folder.checkpoint.is_file():
        return folder.read_record().get("weights")
    weights = checkpoint.load(folder.checkpoint).get("weights")
    return digest_weights(weights) if isinstance(weights, Mapping) else None


def digest_file(path: Path) -> str | None:
    """Return the digest of a file's bytes, or None if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def changes(then: Mapping | None, now: Mapping, parts: Iterable[str] = ("train", "test")) -> list[str]:
    """Name the parts of the data that have changed, with their sizes if these differ.

    Parameters
    ----------
    then, now : mapping of str to dict
        As returned by `digest_series`; anything missing from `then` is unknown and counts as unchanged.
    parts : iterable of {"train", "test", "labels"}
    """
    rows = []
    for part in parts:
        old, new = (then or {}).get(part), now[part]
        if old is None or old == new:
            continue
        sizes = "" if _size(old) == _size(new) else f" ({_size(old)} then, {_size(new)} now)"
        rows.append(f"the {NAMES[part]}{sizes}")
    return rows


def _size(digest: Mapping) -> str:
    return f"{digest.get('rows')} rows of {digest.get('channels')} channels"


def check_training_data(record: Mapping, now: Mapping, place: Path) -> None:
    """Check that a training run, finished or not, can be continued: that its data is unchanged.

    Parameters
    ----------
    record : mapping
        The run.json of the training run.
    now : mapping
        As returned by `digest_series`.
    place : Path
        The folder of the training run.

    Raises
    ------
    UserError
        When the training values have changed.
    """
    then = record.get("trained_on")
    if then is None:
        if record:
            logger.warning("%s: %s: continuing with it anyway", place, UNKNOWN)
        return
    changed = changes(then, now, ["train"])
    if changed:
        raise UserError(
            f"{place}: {changed[0]} have changed since training began: restore the old data, name another folder "
            "with --save_path, or delete this one to retrain"
        )


def scoring_origin(config: ExperimentConfig, data: Mapping, weights: str) -> dict:
    """Return what determines scores: the digests of weights and values, and the settings that affect them.

    Parameters
    ----------
    config : ExperimentConfig
    data : mapping
        As returned by `digest_series`.
    weights : str
        As returned by `digest_weights`.
    """
    settings = config.to_dict()
    deciding = {
        "data": settings["data"],
        "model": settings["model"],
        "precision": settings["train"]["precision"],
        "cover_tail": settings["evaluation"]["cover_tail"],
    }
    return {"weights": weights, "train": data["train"], "test": data["test"], "settings": deciding}


def other_origin(then: Mapping | None, now: Mapping) -> str | None:
    """Describe how the origin of scores differs, or return None if it is the same.

    Parameters
    ----------
    then : mapping or None
        That of the existing scores, as returned by `scoring_origin`; None: unknown.
    now : mapping
        The origin that scores would have now.
    """
    if then is None:
        return f"they were {UNKNOWN}"
    rows = changes(then, now)
    if then.get("weights") != now["weights"]:
        rows.append("the weights")
    rows += differences(then.get("settings", {}), now["settings"])
    return f"their origin has changed ({', '.join(rows)})" if rows else None
