"""Shared by the tests of many series: a small benchmark in UCR's or TSB-AD's format, and its program."""

import copy
import functools
import json
import logging
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from exp.benchmark.suites import TSB_AD_U, UCR
from exp.cli import sweep
from exp.cli.sweep import main
from tests.support import command_line
from tests.support.command_line import SETTINGS, TEST_ROWS, TRAIN_ROWS, values

BEGIN, END = TRAIN_ROWS + TEST_ROWS - 80, TRAIN_ROWS + TEST_ROWS - 70


class ManySeries:
    """A folder with a benchmark of four series, a configuration, and room for results.

    Attributes
    ----------
    names : list of str
        The files of the series.
    root, config, save_path, results : Path
        The series' folder, the configuration, the folder for results, and in it that of this benchmark.
    """

    def __init__(self, path, *, tsb_ad=False):
        self.path, self.tsb_ad = path, tsb_ad
        self.benchmark = TSB_AD_U if tsb_ad else UCR
        self.root, self.config, self.save_path = path / "series", path / "config.yaml", path / "test_results"
        self.results = self.save_path / "MANY"
        form = f"00{{}}_{{}}_tr_{TRAIN_ROWS}_1st_{BEGIN}.csv" if tsb_ad else "00{}_UCR_Anomaly_{}_{}_{}_{}.txt"
        self.names = [form.format(k, "AABB"[k - 1], TRAIN_ROWS, BEGIN, END) for k in (1, 2, 3, 4)]
        self.root.mkdir(parents=True)
        for number, name in enumerate(self.names):
            points, label = values()
            points[label == 1] -= 2  # nothing to find, so that the ranks are not all 1
            points = np.roll(points[:, number % 2], 7 * (number // 2))
            if tsb_ad:
                pd.DataFrame({"Data": points, "Label": label}).to_csv(self.root / name, index=False)
            else:
                np.savetxt(self.root / name, points)
        self.configure()

    def configure(self, **sections):
        """Write the configuration, with whole sections changed, and the table of series."""
        content = copy.deepcopy(SETTINGS)
        content["data"] = {"name": "MANY", "format": "tsb-ad" if self.tsb_ad else "ucr"}
        content["train"]["train_epochs"] = 2
        content |= {"series": "settings.csv", "settings": {1: {"bank_size": 4}, 2: {"bank_size": 8}}, **sections}
        self.config.write_text(yaml.safe_dump(content))
        self.list(*zip(self.names, (1, 1, 2, 2), strict=True))

    def list(self, *rows):
        """Write the table of series."""
        pd.DataFrame(rows, columns=["name", "model_setting"]).to_csv(self.path / "settings.csv", index=False)

    def arguments(self, *more):
        """Return the program's arguments."""
        places = ("--config", self.config, "--root_path", self.root, "--save_path", self.save_path, "--jobs", 1)
        return [str(argument) for argument in (*places, *more)]

    def run(self, *more):
        """Run the program in this process and return its exit code."""
        return main(self.benchmark, "program", self.arguments(*more))

    def run_until(self, when, name, number):
        """Run it in a separate process that dies "before" or "after" a file with this name is written, and join it."""
        return self._die(functools.partial(command_line._die_at, when, name, number))

    def run_until_said(self, words, *more):
        """Run it in a separate process that dies when it logs these words, and join it."""
        return self._die(functools.partial(_die_saying, words), *more)

    def _die(self, prepare, *more):
        process = command_line._context().Process(target=_child, args=(self.tsb_ad, self.arguments(*more), prepare))
        process.start()
        process.join()
        return process.exitcode

    def table(self, folder="."):
        """Return the table of results without the times."""
        return pd.read_csv(self.results / folder / self.benchmark.table.format(detector="CrossAD")).drop(
            columns="Time", errors="ignore"
        )

    def not_counted(self):
        """Return status and reason of the series without results."""
        table = pd.read_csv(self.results / "not_counted.csv", keep_default_na=False)
        return {row.iloc[0]: (row["status"], row["reason"]) for _, row in table.iterrows()}

    def folder(self, number, seed=2025):
        """Return the folder of a series' job; series are counted from 1."""
        return self.results / "series" / Path(self.names[number - 1]).stem / f"seed_{seed}"

    def outcome(self, number, seed=2025):
        """Return what the job of a series has recorded."""
        return json.loads((self.folder(number, seed) / "result.json").read_text())


def _child(tsb_ad, arguments, prepare):
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    prepare()
    sys.exit(main(TSB_AD_U if tsb_ad else UCR, "program", arguments))


def _die_saying(words):
    def die(record):
        if words in record.getMessage():
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    logging.getLogger(sweep.__name__).addFilter(die)
