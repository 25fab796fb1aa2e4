"""Shared by the tests of run.py: a small dataset with its configuration, and run.py in separate processes."""

import copy
import itertools
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import yaml

from data_provider import Series
from data_provider.read.long_csv import write_long_csv
from tests.support.paths import REPOSITORY

TRAIN_ROWS, TEST_ROWS, WINDOW = 200, 130, 24
SETTINGS = {
    "data": {"name": "TOY"},
    "model": {
        "name": "CrossAD",
        "seq_len": WINDOW,
        "patch_len": 4,
        "ms_kernels": [4, 2],
        "topk": 3,
        "n_query": 3,
        "query_len": 2,
        "bank_size": 4,
        "e_layers": 1,
        "d_layers": 1,
        "m_layers": 1,
        "d_model": 16,
        "n_heads": 2,
    },
    "train": {"train_epochs": 3, "batch_size": 64, "learning_rate": 1e-3},
}

# What the programs import sooner or later; whatever is missing here, each process imports by itself.
PRELOADED = [
    *("tests.support.command_line", "exp.cli.run", "exp.cli.sweep", "exp.cli.detect", "exp.cli.report"),
    *("torch._dynamo", "pandas", "sklearn.metrics", "matplotlib.figure", "matplotlib.backends.backend_agg"),
]


def settings(**changes):
    """Return the small configuration with `section__key=value` changes."""
    changed = copy.deepcopy(SETTINGS)
    for name, value in changes.items():
        section, key = name.split("__")
        changed.setdefault(section, {})[key] = value
    return changed


def values(rows=TRAIN_ROWS + TEST_ROWS):
    """Return two noisy waves with one event, and its labels: arrays of shapes (rows, 2) and (rows,)."""
    time = np.arange(rows)
    waves = np.stack([np.sin(time / 3), 5 + np.cos(time / 5)], axis=1)
    waves += 0.1 * np.random.default_rng(0).standard_normal(waves.shape)
    label = np.zeros(rows, dtype=np.uint8)
    label[-80:-70] = 1
    waves[-80:-70] += 2
    return waves, label


class Place:
    """A folder with a dataset, a configuration, and room for results.

    Attributes
    ----------
    root, csv, meta : Path
        The dataset's folder and its two files.
    config : Path
    save_path, results : Path
        The folder for results, and in it that of the one run.
    """

    def __init__(self, path):
        self.path = path
        self.root, self.config, self.save_path = path / "dataset", path / "config.yaml", path / "test_results"
        self.csv, self.meta = self.root / "data" / "TOY.csv", self.root / "DETECT_META.csv"
        self.results = self.save_path / "TOY" / "results_0"

    def fill(self):
        """Write the dataset, in the long format, and the configuration."""
        self.csv.parent.mkdir(parents=True)
        self.meta.write_text(f"file_name,trend,train_lens\nTOY.csv,,{TRAIN_ROWS}\n")
        points, label = values()
        train, test = points[:TRAIN_ROWS], points[TRAIN_ROWS:]
        write_long_csv(self.csv, Series("TOY", train, test, label[TRAIN_ROWS:], ("a", "b")))
        self.configure()
        return self

    def configure(self, **changes):
        """Write the configuration with `section__key=value` changes."""
        self.config.write_text(yaml.safe_dump(settings(**changes)))

    def copy_to(self, path):
        """Return a copy of this place and its content."""
        return Place(shutil.copytree(self.path, path, dirs_exist_ok=True))

    def arguments(self, *more):
        """Return run.py's arguments for this place."""
        places = ("--config", self.config, "--root_path", self.root, "--save_path", self.save_path)
        return [str(argument) for argument in (*places, *more)]

    def run(self, *more, die_at=None):
        """Run run.py in this process, to its end."""
        return run(*self.arguments(*more), die_at=die_at)

    def bytes(self, *names):
        """Return the content of files of the run, by default the weights, scores and measures."""
        files = [self.results / name for name in names] or [
            *(self.results / name for name in ("checkpoint.pth", "a_test_energy.npy", "a_gt.npy")),
            *self.results.glob("_*.csv"),
        ]
        return {file.name: file.read_bytes() for file in files}


class Ended(NamedTuple):
    """How a process ended."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments, cwd=REPOSITORY):
    """Run run.py as a user does."""
    command = [sys.executable, str(REPOSITORY / "run.py"), *arguments]
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def run_program(*words, encoding=None, source=os.devnull):
    """Run `python WORDS` in a separate process that has already imported everything, which saves seconds.

    Parameters
    ----------
    *words : object
        A script, or "-m" and a module, and its arguments.
    encoding : str, optional
        That of its input and output, as PYTHONIOENCODING gives it.
    source : path, optional
        A file that is its standard input.

    Returns
    -------
    ended : Ended
    """
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "stdout.txt"), Path(folder, "stderr.txt")
        process = _context().Process(target=_program, args=([str(word) for word in words], files, encoding, source))
        process.start()
        process.join()
        return Ended(process.exitcode, *(file.read_text(encoding="utf-8", errors="replace") for file in files))


def run(*arguments, die_at=None):
    """Run run.py in a separate process that has already imported everything, which saves seconds.

    Parameters
    ----------
    *arguments : str
    die_at : (str, str or None, int), optional
        Kill the process, like a power cut, "before" or "after" a file with this name is moved into place, the time
        with this number (from 0); or, without a name, before or after any file is moved into place or removed.
    """
    with started(*arguments, die_at=die_at) as (process, output):
        process.join()
    return Ended(process.exitcode, *output())


@contextmanager
def started(*arguments, die_at=None):
    """Yield such a process while it runs, and a function that returns its output to stdout and stderr."""
    folder = Path(arguments[arguments.index("--save_path") + 1]).parent
    files = folder / "stdout.txt", folder / "stderr.txt"
    process = _context().Process(target=_child, args=(arguments, files, die_at))
    process.start()
    try:
        yield process, lambda: tuple(file.read_text() if file.exists() else "" for file in files)
    finally:
        process.kill()
        process.join()


@cache
def _context():
    """Start the process that has imported everything, from which the others are forked."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    # Killed processes release nothing, which multiprocessing's tracker would warn about at the end of the tests.
    changes = {"PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore:resource_tracker"}
    with mock.patch.dict(os.environ, changes):
        forkserver.ensure_running()
    return context


def _write_to(files):
    for descriptor, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)


def _child(arguments, files, die_at):
    _write_to(files)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background inherit none
    if die_at is not None:
        _die_at(*die_at)
    run_words([str(REPOSITORY / "run.py"), *arguments])


def _program(words, files, encoding, source):
    _write_to(files)
    name, _, errors = (encoding or "utf-8").partition(":")
    sys.stdin = os.fdopen(os.open(source, os.O_RDONLY), encoding=name, errors=errors or "strict")
    sys.stdout = os.fdopen(1, "w", encoding=name, errors=errors or "strict")
    sys.stderr = os.fdopen(2, "w", encoding=name, errors="backslashreplace")
    os.chdir(REPOSITORY)
    run_words(words)


def run_words(words):
    """Do what `python WORDS` does, in this process."""
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(words)
        runpy.run_path(words[0], run_name="__main__")


def _die_at(when, name, number):
    numbers = itertools.count()

    def or_die(change, counts):
        def change_or_die(*paths, **options):
            dies = counts(Path(paths[-1]).name) and next(numbers) == number
            if dies and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            change(*paths, **options)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)

        return change_or_die

    os.replace = or_die(os.replace, lambda target: name in (None, target))
    os.unlink = or_die(os.unlink, lambda _: name is None)
