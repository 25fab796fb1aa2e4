"""README.md and the pages of docs/: their commands, links and headings, and a folder like a clone to run commands in.

A comment above a fenced block says how the tests run it; without one it runs as it stands.

    <!-- skip: REASON -->        not at all
    <!-- slow -->                in the slow tests alone
    <!-- small: OPTIONS -->      with these options behind each of its commands
    <!-- instead: COMMAND -->    this in place of each of its commands

With a number, as in `<!-- skip 2: REASON -->`, each of them is about that command of the block alone, counted from 1.
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data_provider import Series
from data_provider.read.long_csv import write_long_csv
from tests.support import command_line
from tests.support.paths import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
LINKED = ("exp", "models", "data_provider", "ts_ad_evaluation", "benchmarks", "tests", "configs", "docs")
SCRIPTS = ("run.py", "run_UCR.py", "run_TSBAD.py")
CHANNELS = {"GECCO": 9, "SMD": 38, "MSL": 55}
TRAIN_ROWS, TEST_ROWS = 300, 250
DIRECTIVE = re.compile(r"<!-- (skip|slow|small|instead)(?: (\d+))?(?:: (.*))? -->$")
SHELL = re.compile(r"[|;&<>$]")


@dataclass
class Command:
    """A command of a page, or a whole block of Python."""

    page: str
    line: int
    text: str
    python: bool = False
    skip: str | None = None
    slow: bool = False
    shown: str = ""

    def __str__(self):
        return f"{self.page}:{self.line}: {self.text}"


@dataclass
class Fence:
    """A fenced block and the directives above it."""

    line: int
    language: str
    lines: list = field(default_factory=list)
    directives: list = field(default_factory=list)


def fences(text):
    """Yield the fenced blocks of a page."""
    fence, directives = None, []
    for number, line in enumerate(text.splitlines(), start=1):
        if fence is not None:
            if line.strip() == "```":
                yield fence
                fence = None
            else:
                fence.lines.append(line)
        elif line.strip().startswith("```"):
            fence, directives = Fence(number, line.strip()[3:], directives=directives), []
        elif DIRECTIVE.match(line.strip()):
            directives.append(DIRECTIVE.match(line.strip()).groups())
        else:
            directives = []


def commands(page):
    """Return the commands of a page, in order."""
    name = str(page.relative_to(REPOSITORY))
    found = []
    for fence in fences(page.read_text(encoding="utf-8")):
        if fence.language == "python":
            block = [Command(name, fence.line, "\n".join(fence.lines), python=True)]
        elif fence.language == "sh":
            texts = "\n".join(fence.lines).replace("\\\n", " ").splitlines()
            texts = [" ".join(re.sub(r"(^|\s)#.*", "", text).split()) for text in texts]
            block = [Command(name, fence.line, text) for text in texts if text]
        else:
            block = []
        for command in block:
            command.shown = command.text
        for what, number, value in fence.directives:
            for command in block if number is None else [block[int(number) - 1]]:
                _apply(command, what, value)
        found += block
    return found


def _apply(command, what, value):
    if what == "skip":
        command.skip = value
    elif what == "slow":
        command.slow = True
    elif what == "small":
        command.text += f" {value}"
    else:
        command.text = value


class Clone:
    """A folder like a clone, with small stand-ins for the data, in which the commands of a page run."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        for name in LINKED:
            (path / name).symlink_to(REPOSITORY / name)
        for name in SCRIPTS:
            shutil.copy(REPOSITORY / name, path)
        shutil.copytree(REPOSITORY / "scripts", path / "scripts")
        shutil.copytree(REPOSITORY / "test_results" / "MSL", path / "test_results" / "MSL")
        self._fill_dataset()
        self._write_series()
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": "as if one were active",
        }
        self._python = []

    def _fill_dataset(self):
        root = self.path / "dataset"
        (root / "data").mkdir(parents=True)
        (root / "UCR_Anomaly_FullData").mkdir()
        (embedded,) = (REPOSITORY / "dataset" / "UCR_Anomaly_FullData").glob("135_*.txt")
        shutil.copy(embedded, root / "UCR_Anomaly_FullData")
        lines = ["file_name,trend,train_lens"]
        for name, channels in CHANNELS.items():
            points, label = waves(TRAIN_ROWS + TEST_ROWS, channels)
            names = tuple(f"c{k}" for k in range(channels))
            series = Series(name, points[:TRAIN_ROWS], points[TRAIN_ROWS:], label[TRAIN_ROWS:], names)
            write_long_csv(root / "data" / f"{name}.csv", series)
            lines.append(f"{name}.csv,,{TRAIN_ROWS}")
        (root / "DETECT_META.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _write_series(self):
        times = pd.date_range("2024-02-01", periods=1000, freq="h")
        (self.path / "pumps").mkdir()
        for name, seed in (("SERIES", 0), ("NEW", 1), ("sensor", 2), ("pumps/north", 3), ("pumps/south", 4)):
            points, _ = waves(1000, 2, seed)
            table = pd.DataFrame({"time": times, "pressure": points[:, 0], "flow": points[:, 1]})
            table.to_csv(self.path / f"{name}.csv", index=False)
        points, label = waves(500, 1)
        pd.DataFrame({"label": label, "score": abs(points[:, 0])}).to_csv(self.path / "data.csv", index=False)

    def run(self, command):
        """Run a command; return its exit code and what it wrote."""
        if command.python:
            self._python.append(command.text)
            return self._fork(_run_blocks, self._python)
        words = shlex.split(command.text)
        if words[0] == "python" and not SHELL.search(command.text):
            return self._fork(command_line.run_words, [found for word in words[1:] for found in self._matches(word)])
        ended = subprocess.run(
            ["sh", "-c", command.text], cwd=self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    def _matches(self, word):
        """Return what the shell makes of a word that may hold a star."""
        return sorted(glob.glob(word, root_dir=self.path)) or [word]

    def _fork(self, work, argument):
        log = self.path.parent / "log.txt"
        process = command_line._context().Process(target=_child, args=(work, argument, self.path, log))
        process.start()
        process.join()
        return process.exitcode, log.read_text(encoding="utf-8", errors="replace")


def waves(rows, channels, seed=0):
    """Return noisy waves of shape (rows, channels) an event 190 rows before the end, and labels."""
    time = np.arange(rows)[:, None]
    points = np.sin(2 * np.pi * (time / 24 + np.arange(channels) / channels))
    points += 0.1 * np.random.default_rng(seed).standard_normal(points.shape)
    label = np.zeros(rows, dtype=np.uint8)
    label[-190:-180] = 1
    points[-190:-180] += 2
    return points, label


def _child(work, argument, folder, log):
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.chdir(folder)
    work(argument)


def _run_blocks(texts):
    """Run blocks of Python, one after another, in one namespace."""
    space = {"__name__": "__main__"}
    for text in texts:
        exec(compile(text, "page", "exec"), space)
