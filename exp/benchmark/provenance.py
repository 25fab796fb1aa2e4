"""What results were made from: digests of data, labels, weights and settings, and what of it has changed since.

`run.json` and a sweep's `result.json` keep them, and they decide whether something is done already:

* `trained_on`: the training values that gave the weights;
* `scored_with`: weights, values and settings that gave the scores;
* `labels`: the labels that the scores are measured with.

Results of earlier versions have none of these. What they were made from is unknown then, which is never taken for
"unchanged" where it can be made again at little cost.
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

logger = logging.getLogger(__name__)

NAMES = {"train": "training values", "test": "test values", "labels": "labels"}
UNKNOWN = "made by an earlier version, which does not say from what data"

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
    """Return the digest of values (n, C), channel by channel as most readers hold them, so that none is copied."""
    hashed = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    for channel in values.T:
        hashed.update(np.ascontiguousarray(channel))
    return {"rows": values.shape[0], "channels": values.shape[1], "sha256": hashed.hexdigest()}


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the digest of a network's weights by name."""
    hashed = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.flatten().view(torch.uint8).numpy())
    return hashed.hexdigest()


def own_weights_digest(folder: RunFolder) -> str | None:
    """Return the digest of the weights that a run's training has left, or None where they are unknown.

    Those in its folder count; where they have been removed, what the record says of them.
    """
    if not folder.checkpoint.is_file():
        return folder.read_record().get("weights")
    weights = checkpoint.load(folder.checkpoint).get("weights")
    return digest_weights(weights) if isinstance(weights, Mapping) else None


def digest_file(path: Path) -> str | None:
    """Return the digest of a file's bytes, or None where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def changes(then: Mapping | None, now: Mapping, parts: Iterable[str] = ("train", "test")) -> list[str]:
    """Name the parts of the data that have changed, with their sizes where these differ.

    Parameters
    ----------
    then, now : mapping of str to dict
        As `digest_series` gives them; of `then` all that is missing is unknown and counts as unchanged.
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
    """See that a training, begun or finished, can be gone on with: that its data is what it was.

    Parameters
    ----------
    record : mapping
        The run.json of the training.
    now : mapping
        As `digest_series` gives it.
    place : Path
        The folder of the training.

    Raises
    ------
    UserError
        When the training values have changed.
    """
    then = record.get("trained_on")
    if then is None:
        if record:
            logger.warning("%s: %s: going on with it all the same", place, UNKNOWN)
        return
    changed = changes(then, now, ["train"])
    if changed:
        raise UserError(
            f"{place}: {changed[0]} have changed since this training began: put the old data back, name another folder "
            "with --save_path, or delete this one to retrain"
        )


def scoring_origin(config: ExperimentConfig, data: Mapping, weights: str) -> dict:
    """Return what decides on scores: the digests of weights and values, and the settings that have a part in them.

    Parameters
    ----------
    config : ExperimentConfig
    data : mapping
        As `digest_series` gives it.
    weights : str
        As `digest_weights` gives it.
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
    """Say in words in what the origin of scores differs, or return None where it is the same.

    Parameters
    ----------
    then : mapping or None
        Of the scores that are there, as `scoring_origin` gives it; None: unknown.
    now : mapping
        What scores would be made from now.
    """
    if then is None:
        return f"they were {UNKNOWN}"
    rows = changes(then, now)
    if then.get("weights") != now["weights"]:
        rows.append("the weights")
    rows += differences(then.get("settings", {}), now["settings"])
    return f"what gave them has changed ({', '.join(rows)})" if rows else None
