"""What a package index and a citing reader are given: one version, one list of packages."""

import re

import yaml
from packaging.requirements import Requirement

from exp.cli import __version__
from tests.support.paths import REPOSITORY
from ts_ad_evaluation import __version__ as evaluation_version

PAPER = "CrossAD: Time Series Anomaly Detection with Cross-scale Associations and Cross-window Modeling"


def text(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def requirements(name):
    """Return the packages of a requirements file by name, and the files that it includes."""
    lines = [line.split("#")[0].strip() for line in text(name).splitlines()]
    included = [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    packages = {}
    for line in lines:
        if line and not line.startswith("-"):
            packages.setdefault(Requirement(line).name.lower(), []).append(Requirement(line))
    return packages, included


def test_there_is_one_version():
    (project,) = re.findall(r'^version = "(.*)"$', text("pyproject.toml"), flags=re.MULTILINE)
    citation = yaml.safe_load(text("CITATION.cff"))["version"]
    assert {project, citation, __version__, evaluation_version} == {"1.0.0"}
    newest = text("CHANGELOG.md").split("\n## ")[1]
    assert newest.startswith(f"{project}\n") or f"The first version will be {project} " in newest


def test_the_paper_is_what_is_to_be_cited():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    paper = citation["preferred-citation"]
    assert (paper["title"], paper["year"], len(paper["authors"])) == (PAPER, 2025, 8)
    assert citation["license"] == "MIT"
    assert text("LICENSE").startswith("MIT License\n")


def test_requirements_are_pinned_and_none_stands_in_two_files():
    files = sorted(path.name for path in REPOSITORY.glob("requirements*.txt"))
    assert files == ["requirements-cluster.txt", "requirements-dev.txt", "requirements-report.txt", "requirements.txt"]
    found = {name: requirements(name) for name in files}
    assert [included for _, included in found.values()] == [
        ["requirements.txt"], ["requirements.txt"], [], ["requirements-report.txt"],
    ]  # fmt: skip
    names = [package for packages, _ in found.values() for package in packages]
    assert len(names) == len(set(names))
    for packages, _ in found.values():
        for pins in packages.values():
            assert all(str(pin.specifier).startswith("==") for pin in pins)


def test_every_requirements_file_is_in_the_metadata():
    project = text("pyproject.toml")
    assert 'files = ["requirements.txt", "requirements-report.txt"]' in project
    for extra in ("report", "cluster", "dev"):
        assert f'{extra} = ["requirements-{extra}.txt"]' in project


def test_ruff_has_one_version():
    pins, _ = requirements("requirements-dev.txt")
    assert f"rev: v{str(pins['ruff'][0].specifier).removeprefix('==')}\n" in text(".pre-commit-config.yaml")
