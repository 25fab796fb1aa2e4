"""Settings for a user's own series, on which those of benchmark runs have no effect."""

import logging
from collections.abc import Iterable

from exp.errors import UserError
from models import ConfigError

logger = logging.getLogger(__name__)

NAME = "series"  # instead of a dataset's name
WITH_EFFECT = ("scaling", "validation_share")  # keys of the section `data`
INSTEAD = {
    "name": "the series is the given one",
    "format": "the series is the given one",
    "file": "the series is the given one",
    "train_rows": "fit to that many rows, on the command line with --train-until",
    "drop_channels": "give only the other channels, on the command line with --channels",
    "standardise": "everything is standardised by the training part",
}


def check_overrides(overrides: Iterable[str]) -> None:
    """Refuse single settings that belong to benchmark runs.

    Raises
    ------
    UserError
        One line that names the setting and the remedy.
    """
    for override in overrides:
        section, _, key = str(override).partition("=")[0].partition(".")
        reason = _without_effect(section, key)
        if reason:
            raise UserError(f"--set {override}: has no effect on your own series: leave it out, {reason}")


def own_data(sections: dict, source: str, *, strict: bool) -> dict:
    """Return the section `data` for a user's own series.

    Parameters
    ----------
    sections : dict
        A whole configuration; each of its sections is a mapping.
    source : str
        Where it comes from.
    strict : bool
        Refuse settings of benchmark runs. Otherwise, as for a file that is also used for benchmark runs, they are
        listed in the log.

    Raises
    ------
    ConfigError
        If `strict`, one line that names the setting and the remedy.
    """
    found = [(section, key) for section in ("data", "evaluation") for key in sections.get(section) or {}]
    idle = [(section, key, reason) for section, key in found if (reason := _without_effect(section, key))]
    if idle and strict:
        section, key, reason = idle[0]
        raise ConfigError(f"{source}: {section}.{key} has no effect on your own series: leave it out, {reason}")
    if idle:
        names = ", ".join(f"{section}.{key}" for section, key, _ in idle)
        logger.info("%s: no effect here, as they belong to benchmark runs: %s", source, names)
    data = sections.get("data") or {}
    return {"name": NAME, **{key: data[key] for key in WITH_EFFECT if key in data}}


def _without_effect(section: str, key: str) -> str:
    """Return why a setting has no effect, or nothing."""
    if (section, key) == ("model", "name"):
        return "the model is chosen by the detector's name, on the command line with --detector"
    if section == "evaluation":
        return "how scores are measured is fixed here"
    return INSTEAD.get(key, "") if section == "data" else ""
