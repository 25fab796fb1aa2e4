"""Settings for a series of one's own: those of benchmark runs have no effect on it."""

import logging
from collections.abc import Iterable

from exp.errors import UserError
from models import ConfigError

logger = logging.getLogger(__name__)

NAME = "series"  # in place of a dataset's
WITH_EFFECT = ("scaling", "validation_share")  # of the section `data`
INSTEAD = {
    "name": "the series is what is given",
    "format": "the series is what is given",
    "file": "the series is what is given",
    "train_rows": "fit to so many rows, on the command line with --train-until",
    "drop_channels": "give the other channels alone, on the command line with --channels",
    "standardise": "all is standardised by the training part",
}


def check_overrides(overrides: Iterable[str]) -> None:
    """Refuse single settings that belong to benchmark runs.

    Raises
    ------
    UserError
        With one line that names the setting and the remedy.
    """
    for override in overrides:
        section, _, key = str(override).partition("=")[0].partition(".")
        reason = _without_effect(section, key)
        if reason:
            raise UserError(f"--set {override}: has no effect on a series of one's own: leave it out, {reason}")


def own_data(sections: dict, source: str, *, strict: bool) -> dict:
    """Return the section `data` for a series of one's own.

    Parameters
    ----------
    sections : dict
        A whole configuration; each of its sections is a mapping.
    source : str
        Where it is from.
    strict : bool
        Refuse settings of benchmark runs. Otherwise, as for a file that is used for benchmark runs too, they are named
        in the log.

    Raises
    ------
    ConfigError
        When `strict`, with one line that names the setting and the remedy.
    """
    found = [(section, key) for section in ("data", "evaluation") for key in sections.get(section) or {}]
    idle = [(section, key, reason) for section, key in found if (reason := _without_effect(section, key))]
    if idle and strict:
        section, key, reason = idle[0]
        raise ConfigError(f"{source}: {section}.{key} has no effect on a series of one's own: leave it out, {reason}")
    if idle:
        names = ", ".join(f"{section}.{key}" for section, key, _ in idle)
        logger.info("%s: without effect here, for they belong to benchmark runs: %s", source, names)
    data = sections.get("data") or {}
    return {"name": NAME, **{key: data[key] for key in WITH_EFFECT if key in data}}


def _without_effect(section: str, key: str) -> str:
    """Return why a setting has no effect, or nothing."""
    if (section, key) == ("model", "name"):
        return "the model is chosen by the detector's name, on the command line with --detector"
    if section == "evaluation":
        return "how scores are measured is fixed here"
    return INSTEAD.get(key, "") if section == "data" else ""
