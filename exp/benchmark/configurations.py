"""Configurations of results and how they differ: runs of one configuration differ only in the seed."""

from collections.abc import Iterable

# Keys that change no measured result, or are part of the metric's name.
INERT = {
    "data.name",
    "model.name",
    "train.seed",
    "train.compile",
    "evaluation.metrics",
    "evaluation.spot_risks",
    "evaluation.anomaly_ratio",
}


def flatten(config: object) -> dict[str, str]:
    """Return the settings of a nested configuration by `section.key`, without those that do not affect results.

    Parameters
    ----------
    config : object
        The entry `config` of run.json; anything but a mapping has no settings.
    """
    sections = config.items() if isinstance(config, dict) else ()
    settings = {
        f"{section}.{key}": str(value)
        for section, keys in sections
        if isinstance(keys, dict)
        for key, value in keys.items()
    }
    return {key: value for key, value in settings.items() if key not in INERT}


def merge(settings: Iterable[dict[str, str]]) -> dict[str, str]:
    """Return the common settings of many series, such as a benchmark's; where they differ, all values."""
    values = {}
    for own in settings:
        for key, value in own.items():
            values.setdefault(key, set()).add(value)
    values.pop("data.file", None)  # names the series
    return {key: " | ".join(sorted(found)) for key, found in values.items()}


def name_differences(settings: Iterable[dict[str, str]]) -> list[str]:
    """Name each of several configurations by the settings in which they differ.

    Parameters
    ----------
    settings : iterable of dict of str to str

    Returns
    -------
    list of str
        "" for all if they are the same; "unknown" for one without settings among others.

    Examples
    --------
    >>> name_differences([{"model.topk": "3", "train.eps": "1"}, {"model.topk": "5", "train.eps": "1"}, {}])
    ['model.topk=3', 'model.topk=5', 'unknown']
    """
    settings = list(settings)
    known = [own for own in settings if own]
    keys = [
        key for key in dict.fromkeys(key for own in known for key in own) if len({own.get(key) for own in known}) > 1
    ]
    has_several = len({tuple(sorted(own.items())) for own in settings}) > 1
    named = []
    for own in settings:
        differing = ", ".join(f"{key}={own[key]}" for key in keys if key in own)
        named.append((differing if own else "unknown") if has_several else "")
    return named
