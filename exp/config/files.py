"""YAML configuration files, and single settings from the command line."""

import copy
import difflib
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from data_provider.shipped import CONFIGS
from exp.config.schema import DataConfig, EvaluationConfig, ExperimentConfig, TrainConfig
from exp.errors import UserError
from models import DETECTORS, ConfigError, Settings

logger = logging.getLogger(__name__)


class _Loader(yaml.SafeLoader):
    """YAML as people write it: 1e-4 is a number, and a duplicate key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node)
            if key in keys:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", key_node.start_mark)
            keys.append(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_config(path: Path, overrides: Iterable[str] = ()) -> ExperimentConfig:
    """Read a configuration file and apply overrides.

    Parameters
    ----------
    path : Path
        As for `config_file`.
    overrides : iterable of str
        Each `section.key=value`, the value written as in YAML.

    Raises
    ------
    UserError
        When the file is missing or not YAML, or an override does not have this form.
    ConfigError
        When a key or value is wrong; the message starts with the file.
    """
    file = config_file(path)
    return resolve(read_yaml(file), overrides, str(file))


def config_file(path: str | os.PathLike[str]) -> Path:
    """Return the configuration file that `path` refers to.

    Parameters
    ----------
    path : str or Path
        A YAML file, a folder with `config.yaml`, or, if there is neither, one of the repository's by name,
        `MSL` or `SMD/MIXAD.yaml` (`configs/` in front may stay).

    Raises
    ------
    UserError
        When there is no such file.
    """
    path = locate(path)
    file = path / "config.yaml" if path.is_dir() else path
    if file.is_file():
        return file
    names = {entry.name for entry in path.parent.iterdir()} if path.parent.is_dir() else set()
    if path.parent in (Path("."), Path("configs")):
        names |= {folder.name for folder in CONFIGS.glob("*/")}
    near = difflib.get_close_matches(path.name, sorted(names), n=1)
    hint = f"did you mean {path.parent / near[0]}?" if near else "give a YAML file, or a folder with config.yaml"
    raise UserError(f"{file}: no such file: {hint}")


def locate(path: str | os.PathLike[str]) -> Path:
    """Return the file or folder `path`, or, if there is none, that of the repository's configurations.

    The configurations are installed with the packages, so they are also available outside a clone.
    """
    path = Path(path)
    parts = path.parts[1:] if path.parts[:1] == (CONFIGS.name,) else path.parts
    installed = CONFIGS.joinpath(*parts)
    if path.exists() or path.is_absolute() or not parts or ".." in parts or not installed.exists():
        return path
    logger.info("%s: not found here, using the installed %s", path, installed)
    return installed


def read_yaml(file: Path) -> dict:
    """Return the mapping in a YAML file.

    Raises
    ------
    UserError
        When it is not YAML.
    ConfigError
        When it is not a mapping.
    """
    try:
        mapping = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise UserError(f"{file}{line}: not valid YAML: {problem}: correct it") from None
    if not isinstance(mapping, dict):
        raise ConfigError(f"{file}: expected the sections data, model, train and evaluation")
    return mapping


def resolve(mapping: dict, overrides: Iterable[str], source: str) -> ExperimentConfig:
    """Apply overrides to a nested mapping and check the result; errors start with `source`."""
    mapping = copy.deepcopy(mapping)
    for override in overrides:
        _apply(override, mapping)
    try:
        return ExperimentConfig.from_dict(mapping)
    except ConfigError as error:
        options = " with --set " + " ".join(overrides) if overrides else ""
        raise ConfigError(f"{source}{options}: {error}") from None


def _apply(override: str, mapping: dict) -> None:
    match = re.fullmatch(r"(\w+)\.(\w+)=(.*)", override, re.DOTALL)
    if match is None:
        like = _with_section(override, mapping) or "train.batch_size=64"
        raise UserError(f"--set {override}: expected section.key=value, such as {like}")
    section, key, text = match.groups()
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise UserError(f"--set {override}: the value is not valid YAML") from None
    if not isinstance(mapping.setdefault(section, {}), dict):
        raise ConfigError(f"section {section!r} must hold keys with values")
    mapping[section][key] = value


def _with_section(override: str, mapping: dict) -> str | None:
    """Return an override that names a key without its section, with it."""
    model = mapping.get("model")
    detector = DETECTORS.get(str(model.get("name"))) if isinstance(model, dict) else None
    sections: dict[str, type[Settings]] = {"train": TrainConfig, "evaluation": EvaluationConfig, "data": DataConfig}
    sections |= {"model": detector.config} if detector else {}
    key = override.partition("=")[0]
    return next((f"{name}.{override}" for name, kind in sections.items() if key in kind.model_fields), None)


def differences(first: dict, second: dict, prefix: str = "") -> list[str]:
    """Name the keys in which two nested mappings differ, with both values."""
    rows = []
    for key in sorted(first.keys() | second.keys(), key=str):
        one, other = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            rows += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            rows.append(f"{prefix}{key} {one!r} vs. {other!r}")
    return rows
