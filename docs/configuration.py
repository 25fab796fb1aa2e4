"""Write docs/configuration.md from the settings' classes: their types, limits, defaults, and the comments beside them.

python docs/configuration.py
"""

import ast
import inspect
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from exp.config.schema import DataConfig, EvaluationConfig, TrainConfig
from models import DETECTORS, Settings
from ts_ad_evaluation.evaluator import MEASURES

PAGE = Path(__file__).with_suffix(".md")
BEGINNING = """\
# Configuration

<!-- Written by `python docs/configuration.py` from the settings' classes: change those, then run it again. -->

A configuration is a YAML file with the sections `data`, `model`, `train` and `evaluation`; only `data.name`,
`model.name` and the keys without a default below must be there. [`configs/`](../configs) has a folder for each
benchmark. `--set section.key=value` changes single settings on any command line, lists as `[8, 4]`:

<!-- small: --set train.epoch_windows=64 model.d_model=8 -->
```sh
python run.py --config configs/quickstart --set train.train_epochs=1 train.batch_size=64 "model.ms_kernels=[4, 2]"
```

Types are checked and unknown keys are errors that name the nearest valid key. A setting that would have no effect is
refused. `run.json` in a folder of results holds all settings, with the defaults filled in.

Configurations for [many series](reproducing.md#ucr) also have `series`, a CSV file with the columns `name` and
`model_setting`, and, where the series differ, `settings`, the keys of `model` for each setting.
"""


def page() -> str:
    """Return the text of the page."""
    parts = [
        BEGINNING,
        _section("data", "`data`", DataConfig),
        _section("train", "`train`", TrainConfig),
        _section("evaluation", "`evaluation`", EvaluationConfig),
        f"The measures: {', '.join(f'`{name}`' for name in MEASURES)}; [evaluation.md](evaluation.md) explains them.\n",
    ]
    for name, model in DETECTORS.items():
        parts.append(_section("model", f"`model` of {name}", model.config))
    return "\n".join(parts)


def _section(prefix: str, title: str, settings: type[Settings]) -> str:
    """Return a table of the settings of one class."""
    own = [kind for kind in reversed(settings.__mro__) if issubclass(kind, Settings)]  # with those it is made from
    meanings = {name: meaning for kind in own for name, meaning in comments(kind).items()}
    schema = settings.model_json_schema()["properties"]
    rows = [f"## {title}\n", "| Key | Values | Default | Meaning |", "|---|---|---|---|"]
    if prefix == "model":
        rows.append(f"| `model.name` | `{title.split()[-1]}` |  | this model |")
    for name, field in settings.model_fields.items():
        default = "" if field.is_required() else f"`{_written(field.default)}`"
        rows.append(f"| `{prefix}.{name}` | {_values(schema[name])} | {default} | {meanings[name]} |")
    return "\n".join(rows) + "\n"


def comments(settings: type) -> dict[str, str]:
    """Return the comment of each field: the one that ends its line, else the sentences above it."""
    lines = textwrap.dedent(inspect.getsource(settings)).splitlines()
    (definition,) = ast.parse("\n".join(lines)).body
    found = {}
    for node in definition.body:
        if isinstance(node, ast.AnnAssign):
            own = [line.partition("  # ")[2] for line in lines[node.lineno - 1 : node.end_lineno]]
            text = " ".join(filter(None, own)) or _sentences_above(lines, node.lineno - 1)
            found[node.target.id] = text.replace("|", "\\|")
    return found


def _sentences_above(lines: list[str], end: int) -> str:
    """Return the lines of comment that end before a line, nothing where they are only the title of a group."""
    begin = end
    while lines[begin - 1].strip().startswith("# "):
        begin -= 1
    text = " ".join(line.strip()[2:] for line in lines[begin:end])
    return text if text.endswith(".") else ""


def _values(schema: dict) -> str:
    """Describe in words what a field takes, by its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(_values(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema["type"] == "array":
        return f"list: {_values(schema['items'])}"
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "null": "`null`"}
    return words.get(schema["type"], "text") + _limits(schema)


def _limits(schema: dict) -> str:
    """Return the limits of a number."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema and schema[key] < 2**31]
    return f" {', '.join(limits)}" if limits else ""


def _written(default) -> str:
    """Write a default as YAML has it."""
    if default is None:
        return "null"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(map(_written, default))}]"
    return f"{default:g}" if isinstance(default, float) else str(default)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
