"""Imports run one way: the rule of the layout, checked in the code itself."""

import ast
import subprocess
import sys

import pytest

from tests.support.paths import REPOSITORY

# Each package may use itself and those before it.
ROOMS = ["exp.errors", "exp.config", "exp.training", "exp.detection", "exp.streaming", "exp.benchmark", "exp.report"]
ROOMS += ["exp.cli"]
BELOW = ["data_provider", "models", "ts_ad_evaluation"]
ALIASES = {"exp/detector.py", "exp/detect.py", "exp/summary.py", "exp/report/__main__.py"}  # older names, one line each
PROGRAMS = {"run.py", "run_UCR.py", "run_TSBAD.py"}


def files(folder):
    return [path.relative_to(REPOSITORY).as_posix() for path in sorted((REPOSITORY / folder).rglob("*.py"))]


def imported(file):
    """Return the modules that a file imports anywhere, with the names imported from them."""
    found = set()
    package = file.removesuffix(".py").replace("/", ".").rsplit(".", 1)[0]
    for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def belongs(module, room):
    return module == room or module.startswith(f"{room}.")


def room_of(module):
    return next((room for room in ROOMS if belongs(module, room)), None)


@pytest.mark.parametrize("file", [file for file in files("exp") if file not in ALIASES and file != "exp/__init__.py"])
def test_a_room_uses_the_rooms_before_it(file):
    own = ROOMS.index(room_of(file.removesuffix(".py").replace("/", ".")))
    for module in imported(file):
        if belongs(module, "exp"):
            room = room_of(module)
            assert room is not None, f"{file} imports {module}, which is in no room"
            assert ROOMS.index(room) <= own, f"{file} imports {module}, a later room"


@pytest.mark.parametrize("package", BELOW)
def test_the_three_packages_do_not_know_each_other(package):
    for file in files(package):
        for module in imported(file):
            others = [other for other in ["exp", *BELOW] if other != package and belongs(module, other)]
            assert not others, f"{file} imports {module}"


def test_torch_is_imported_by_the_models_the_experiment_and_the_windows_alone():
    for file in [*files("data_provider"), *files("ts_ad_evaluation")]:
        if file != "data_provider/windows.py":
            assert not any(belongs(module, "torch") for module in imported(file)), file


@pytest.mark.parametrize("module", ["ts_ad_evaluation", "data_provider.read.recording", "data_provider.series"])
def test_reading_and_measuring_need_no_torch(module):
    check = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=REPOSITORY, check=False).returncode == 0


def test_no_name_of_a_model_outside_its_folder():
    """A string such as "MIXAD" in code would invite a comparison."""
    names = {path.name for path in (REPOSITORY / "models").iterdir() if (path / "config.py").is_file()}
    for file in [*files("exp"), *files("data_provider"), *files("ts_ad_evaluation"), *sorted(PROGRAMS)]:
        for node in ast.walk(ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in names, f"{file}, line {node.lineno}: {node.value!r}"
