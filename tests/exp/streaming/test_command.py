"""The stream command: restarts, kills and signals, gaps, and the forms of lines."""

import json
import logging
import os
import runpy
import signal
import sys
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from exp.cli.detect import main
from exp.streaming.stream import StreamingDetector
from tests.support import command_line
from tests.support.command_line import run_program
from tests.support.detector_cases import WINDOW, fitted_to_names, waves

GUARD = 120  # seconds after which a test gives up on a process
X = np.round(waves(60, seed=5), 2)
Y = np.round(waves(60, channels=1, seed=5), 2)
HOURS = pd.date_range("2024-06-05", periods=60, freq="h")


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    points: list
    notes: list
    errors: str


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Saved detectors of one and two channels, by this number; read-only."""
    folder = tmp_path_factory.mktemp("models")
    fitted_to_names("Druck, bar").save(folder / "1")
    fitted_to_names("cpu", "disk").save(folder / "2")
    return {1: folder / "1", 2: folder / "2"}


def child(arguments, source, target, log):
    """Act as `python -m exp.detect` in a process that has already imported everything."""
    sys.stdin = os.fdopen(os.open(source, os.O_RDONLY))
    for descriptor, file in enumerate((target, log), start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.argv = ["exp.detect", *arguments]
    runpy.run_module("exp.detect", run_name="__main__", alter_sys=True)


class Command:
    """The command, on a detector, in its own folder."""

    def __init__(self, models, folder, monkeypatch, caplog, capsys):
        self.models, self.state = models, folder / "state"
        self.target, self.log, self.source = folder / "target.jsonl", folder / "log.txt", folder / "source"
        self.monkeypatch, self.caplog, self.capsys = monkeypatch, caplog, capsys

    def arguments(self, options, channels):
        return ["--stream", "--device", "cpu", "--model", str(self.models[channels]), *map(str, options)]

    def start(self, source, *options, channels=2):
        """Return the process that reads a file."""
        paths = (source, self.target, self.log)
        process = command_line._context().Process(target=child, args=(self.arguments(options, channels), *paths))
        process.start()
        return process

    def ended(self, process):
        """Return how a process ended."""
        process.join(GUARD)
        return self.written(process.exitcode, self.log.read_text())

    def written(self, code, errors):
        lines = [json.loads(line) for line in self.target.read_text().splitlines()]
        points, notes = ([line for line in lines if ("note" in line) is is_note] for is_note in (False, True))
        return Ended(code, points, notes, errors)

    def __call__(self, text, *options, channels=2):
        """Run the command in this process on text or bytes, to its end."""
        self.caplog.set_level(logging.INFO)
        self.caplog.clear()
        self.source.write_bytes(text if isinstance(text, bytes) else text.encode())
        with open(self.source) as source, open(self.target, "w") as target, self.monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", source)
            patch.setattr(sys, "stdout", target)
            code = main(self.arguments(options, channels))
        return self.written(code, "\n".join([*self.caplog.messages, self.capsys.readouterr().err]))


@pytest.fixture
def command(models, tmp_path, monkeypatch, caplog, capsys):
    return Command(models, tmp_path, monkeypatch, caplog, capsys)


def lines(x, times, separator=",", decimal="."):
    """Return the lines of points (n, C), preceded by their times."""
    points = [[str(value).replace(".", decimal) for value in point] for point in x.tolist()]
    return [separator.join([str(time), *point]) + "\n" for time, point in zip(times, points, strict=True)]


def scores_of(x):
    """Return the scores of a separate series."""
    names = ("cpu", "disk") if x.shape[1] == 2 else ("Druck, bar",)
    return fitted_to_names(*names).decision_function(pd.DataFrame(x, columns=list(names))).tolist()


def scores(points):
    return [point["score"] for point in points]


class TestMemoryOfTime:
    text = lines(X, HOURS)

    def test_a_repeated_tail_leaves_no_trace(self, command):
        whole = command("".join(self.text), "--state", command.state.with_name("whole"))
        first = command("".join(self.text[:30]), "--state", command.state)
        second = command("".join(self.text[20:]), "--state", command.state)
        assert first.points + second.points == whole.points
        assert (first.code, second.code) == (0, 0)
        last = str(HOURS[29])
        assert second.notes == [
            {"note": "skipping", "time": str(HOURS[20]), "last": last},
            {"note": "skipped", "repeated": 1, "older": 9},
        ]
        assert "points skipped because of their time: 1 repeat the last one seen, 9 are older" in second.errors

    def test_a_doubt_about_the_clock(self, command):
        """It is not cast on points that come again because a stream is resumed on the whole of its file."""
        doubt = "are the times too coarse, or has the clock restarted?"
        first = command("".join(self.text[:30]), "--state", command.state)
        second = command("".join(self.text[:39]), "--state", command.state)
        assert (first.code, second.code) == (0, 0)
        assert "1 repeat the last one seen, 29 are older" in second.errors
        assert doubt not in second.errors
        third = command("".join(self.text[10:40] + self.text[:10]), "--state", command.state)
        assert "1 repeat the last one seen, 38 are older" in third.errors
        assert doubt in third.errors

    def test_a_tail_that_is_all_there_is(self, command):
        command("".join(self.text[:30]), "--state", command.state)
        again = command("".join(self.text[20:30]), "--state", command.state)
        assert (again.code, again.points) == (0, [])
        assert again.notes[-1] == {"note": "skipped", "repeated": 1, "older": 9}

    @pytest.mark.parametrize(
        "times",
        [
            range(1718150400, 1718150400 + 600, 10),
            [1718150400 + place / 10_000 for place in range(60)],
            [f"2024-06-12 00:00:00.{place:04d}" for place in range(60)],
            range(60),
            [str(time) for time in pd.date_range("2024-10-27", periods=60, freq="10min", tz="Europe/Berlin")],
            [time.strftime("%d.%m.%Y %H:%M:%S") if time.hour else time.strftime("%d.%m.%Y") for time in HOURS],
            [time.strftime("%b %d %Y %H:%M:%S CEST") for time in HOURS],
            [time.strftime("%Y%m%d%H%M") for time in HOURS],
            [time.strftime("%m/%d/%Y %I:%M %p") for time in HOURS + pd.Timedelta("20D")],
        ],
        ids=["unix", "unix-fine", "fine", "numbers", "offsets", "midnight", "zone", "compact", "month-first"],
    )
    def test_forms_of_time(self, command, times):
        """In each of them, an older and a repeated point are skipped, and nothing else."""
        text = lines(X, times)
        ended = command("time,cpu,disk\n" + "".join([*text[:40], text[39], text[20], *text[40:]]))
        assert scores(ended.points) == scores_of(X)
        assert [point["time"] for point in ended.points] == list(map(str, times))
        assert ended.notes[1:] == [{"note": "skipped", "repeated": 1, "older": 1}]
        assert ended.code == 0

    def test_the_hour_that_comes_twice(self, command):
        times = pd.date_range("2024-10-26T22:00", periods=60, freq="10min", tz="UTC").tz_convert("Europe/Berlin")
        text = "".join(lines(X, [time.strftime("%Y-%m-%d %H:%M") for time in times]))
        without, named = command(text), command(text, "--timezone", "Europe/Berlin")
        assert scores(named.points) == scores_of(X)
        assert len(without.points) == 54
        assert without.notes[1:] == [{"note": "skipped", "repeated": 1, "older": 5}]


class TestGap:
    after = pd.Timedelta("14D")
    text = "".join(lines(X, HOURS.where(np.arange(60) < 30, HOURS + after)))
    place = (("row", 30), ("time", str(HOURS[30] + after)), ("last", str(HOURS[29])))
    note = (("note", "gap"), *place, ("step", 3600 + 14 * 86400.0), ("usual", 3600.0))

    def test_it_is_told(self, command):
        ended = command(self.text)
        assert scores(ended.points) == scores_of(X)
        assert ended.notes == [{**dict(self.note), "fresh": False}]
        assert "gaps in time: 1" in ended.errors

    @pytest.mark.parametrize("gap", ["10", "2h"])
    def test_a_fresh_window(self, command, gap):
        ended = command(self.text, "--gap", gap)
        assert scores(ended.points) == scores_of(X[:30]) + scores_of(X[30:])
        assert [point["row"] for point in ended.points] == list(range(60))
        assert ended.notes == [{**dict(self.note), "fresh": True}]

    def test_at_once(self, command):
        ended = command(self.text, "--gap", "10", "--stream-mode", "causal")
        assert [point["row"] for point in ended.points if point["score"] is None] == [
            *range(WINDOW - 1),
            *range(30, 30 + WINDOW - 1),
        ]

    def test_parts_shorter_than_a_window(self, command):
        times = HOURS.where(np.arange(60) < 55, HOURS + self.after)
        ended = command("".join(lines(X, times)), "--gap", "10")
        assert scores(ended.points) == scores_of(X[:55]) + [None] * 5

    @pytest.mark.parametrize(
        ("options", "text", "message"),
        [
            (["--gap", "soon"], text, "--gap soon: give a number of usual steps above 0"),
            (["--gap", "-2"], text, "--gap -2: give a number"),
            (["--gap", "10"], "1.5,2.5\n", "--gap needs times: name their column with --time"),
            (["--gap", "2h"], "5,1.5,2.5\n", "the times are numbers without a unit"),
        ],
    )
    def test_what_has_no_effect(self, command, options, text, message):
        ended = command(text, *options)
        assert ended.code == 2
        assert message in ended.errors
        assert ended.points == []


def wait_until(met):
    end = time.monotonic() + GUARD
    while not met():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)


class TestEnds:
    every = 20
    x = waves(100, seed=6)
    text = lines(x, pd.date_range("2024-01-01", periods=100, freq="min"))

    @pytest.fixture
    def pipe(self, tmp_path):
        """A named pipe, and a descriptor that keeps both ends of it open."""
        path = tmp_path / "pipe"
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDWR)
        yield path, descriptor
        os.close(descriptor)

    def end(self, command, pipe, number, rows):
        """Give the command some rows, wait for its output, send it a signal, and return how it ended."""
        os.write(pipe[1], "".join(self.text[:rows]).encode())
        options = ("--state", command.state, "--state-every", self.every, "--stream-mode", "causal")
        process = command.start(pipe[0], *options)
        wait_until(lambda: command.target.exists() and command.target.read_text().count("\n") == rows)
        os.kill(process.pid, number)
        return command.ended(process)

    @pytest.mark.parametrize("rows", [5, 50, 60])
    def test_after_a_kill_at_most_so_many_rows_come_again(self, command, pipe, rows):
        killed = self.end(command, pipe, signal.SIGKILL, rows)
        options = ("--state", command.state, "--state-every", self.every, "--stream-mode", "causal")
        again = command("".join(self.text), *options)
        first = again.points[0]["row"]
        assert rows - self.every <= first <= rows
        assert again.notes[0] == {"note": "restart", "row": first, "at_most": self.every}
        assert f"the previous run was killed: its state is that after {first} points" in again.errors
        whole = command("".join(self.text), "--stream-mode", "causal").points
        assert killed.points == whole[:rows]
        assert again.points == whole[first:]
        assert not command("", *options).notes

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_leaves_the_state(self, command, pipe, number):
        ended = self.end(command, pipe, number, 50)
        assert ended.code == 0
        assert "interrupted after 50 points" in ended.errors
        stream = StreamingDetector.load(command.models[2], state=command.state, mode="causal", device="cpu")
        assert stream.seen == 50
        again = command("".join(self.text), "--state", command.state, "--stream-mode", "causal")
        assert [point["row"] for point in again.points] == list(range(50, 100))
        assert [note["note"] for note in again.notes] == ["skipping", "skipped"]


PRESSURES = lines(Y, HOURS.strftime("%Y-%m-%d %H:%M:%S"), ";", ",")
TWO = lines(X, HOURS)
DATES_AND_TIMES = lines(X, HOURS.strftime("%Y-%m-%d,%H:%M:%S"))


class TestReading:
    @pytest.mark.parametrize(
        ("text", "channels", "options"),
        [
            ("Zeit;Druck, bar\n" + "".join(PRESSURES), 1, []),
            ("".join(PRESSURES), 1, []),
            ("Zeit;Druck, bar\n" + "".join(PRESSURES), 1, ["--sep", "semicolon", "--decimal", ","]),
            ("Druck, bar\n" + "".join(line.split(";")[1] for line in PRESSURES), 1, ["--sep", ";", "--decimal", ","]),
            ("time\tcpu\tdisk\n" + "".join(TWO).replace(",", "\t"), 2, []),
            ("time|cpu|disk\n" + "".join(TWO).replace(",", "|"), 2, ["--sep", "pipe"]),
            ("\ufefftime,cpu,disk\r\n" + "".join(TWO).replace("\n", "\r\n"), 2, []),
            ("Datum,cpu,disk\n" + "".join(TWO), 2, []),
            ("epoch,time,cpu,disk\n" + "".join("," + line for line in TWO), 2, []),
            ("when,cpu,disk\n" + "".join(TWO), 2, ["--time", "when"]),
            ("Date,Time,cpu,disk\n" + "".join(DATES_AND_TIMES), 2, []),
            ("Day,Hour,cpu,disk\n" + "".join(DATES_AND_TIMES), 2, ["--time", "Day", "Hour"]),
            ("".join(DATES_AND_TIMES), 2, []),
            ("when,cpu,disk\n" + "".join(TWO), 2, ["--header", "yes"]),
            ("".join(TWO), 2, ["--header", "no"]),
        ],
    )
    def test_lines(self, command, text, channels, options):
        ended = command(text, *options, channels=channels)
        assert ended.code == 0, ended.errors
        assert scores(ended.points) == scores_of(Y if channels == 1 else X)
        assert "skipped" not in ended.errors

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
    @pytest.mark.parametrize("header", ["Zeit;Druck, bar\n", ""])
    def test_encodings(self, command, encoding, header):
        ended = command((header + "".join(PRESSURES)).encode(encoding), channels=1)
        assert scores(ended.points) == scores_of(Y)
        assert ("UTF-16" in ended.errors) is encoding.startswith("utf-16")

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16", "UTF16", "utf-16-le"])
    def test_a_named_encoding(self, command, encoding):
        """UTF-16 has its byte order mark at the beginning only, and not again where the stream goes on."""
        written = "utf-16" if encoding == "UTF16" else encoding
        rest = "utf-16-le" if written == "utf-16" else "utf-8" if written == "utf-8-sig" else written
        options = ("--encoding", encoding, "--state", command.state)
        first = command(("Zeit;Druck, bar\n" + "".join(PRESSURES[:25])).encode(written), *options, channels=1)
        second = command("".join(PRESSURES[25:]).encode(rest), *options, channels=1)
        assert (first.code, second.code) == (0, 0), first.errors + second.errors
        written = scores(first.points) + scores(second.points)
        assert len(written) > 40
        assert written == scores_of(Y)[: len(written)]

    def test_over_a_restart(self, command):
        """The encoding, the marks and the columns stay those of the first lines."""
        parts = ["Zeit;Druck, bar\n" + "".join(PRESSURES[:25]), "".join(PRESSURES[25:])]
        first = command(parts[0].encode("utf-16"), "--state", command.state, channels=1)
        second = command(parts[1].encode("utf-16-le"), "--state", command.state, channels=1)
        assert (first.code, second.code) == (0, 0), second.errors
        written = scores(first.points) + scores(second.points)
        assert written == scores_of(Y)[: len(written)]
        assert len(written) > 40
        assert {point["time"] for point in first.points + second.points} <= set(map(str, HOURS))

    def test_another_encoding(self, command):
        text = ("Größe;Zeit;Druck, bar\n" + "".join("1;" + line for line in PRESSURES)).encode("latin-1")
        refused = command(text, channels=1)
        assert refused.code == 2
        assert "--encoding latin-1" in refused.errors
        assert scores(command(text, "--encoding", "latin-1", channels=1).points) == scores_of(Y)

    def test_missing_values(self, command):
        text = [*PRESSURES[:30], f"{HOURS[29]}.5;-999,0\n", *PRESSURES[30:]]
        ended = command("".join(text), "--missing-values", "-999", channels=1)
        assert scores(ended.points) == scores_of(Y)
        assert "line 31: column 'Druck, bar': '-999,0' stands for a missing value: skipped" in ended.errors

    def test_a_given_order_of_day_and_month(self, command):
        text = "".join(lines(X, HOURS.strftime("%d/%m/%Y %H:%M")))
        assert scores(command(text, "--date-format", "%d/%m/%Y %H:%M").points) == scores_of(X)

    @pytest.mark.parametrize(
        ("text", "channels", "options", "message"),
        [
            ("0,0189\n0,0190\n", 1, [], "ambiguous: '0,0189' may hold a comma"),
            ("5,02\n", 1, [], "use --sep comma, or --sep semicolon --decimal ','"),
            ("x,cpu\n1,2\n", 2, [], "line 1 names columns, but not 'disk'"),
            ("time;cpu;disk\n" * 3, 2, ["--sep", "comma"], "none of the 3 lines is a point; line 1: 1 cell"),
            ("".join(line.replace("2024", "x") for line in TWO), 2, [], "none of the 60 lines is a point; line 1: "),
            ("a,b,c,d,e\n", 2, ["--header", "yes"], "line 1 names columns, but not 'cpu', 'disk'"),
            ("".join(lines(X, HOURS.strftime("%d/%m/%Y %H:%M"))), 2, [], "--date-format"),
            ("".join(lines(X, HOURS.strftime("05/05/2024 %H:%M"))), 2, [], "--date-format"),
            ("".join(lines(X, HOURS.strftime("%Y-%m-%d %H:%M XYZ"))), 2, [], "zone XYZ is not known"),
            ("".join(TWO), 2, ["--time", "when"], "--time when: the first line does not name the columns"),
            (
                "time,cpu,disk\n",
                2,
                ["--time", "when"],
                "no column 'when' for --time: the columns are 'time', 'cpu', 'disk'",
            ),
            ("time,cpu,disk\n", 2, ["--time", "cpu"], "--time cpu: the detector was trained on this column"),
            ("".join(TWO), 2, ["--sep", "xx"], "--sep 'xx'"),
            ("".join(TWO), 2, ["--encoding", "utf-99"], "--encoding utf-99: unknown"),
            ("".join(TWO), 2, ["--timezone", "Mars"], "--timezone Mars: unknown"),
            ("".join(TWO), 2, ["--state-every", "5"], "--state-every needs --state"),
            ("".join(TWO), 2, ["--state", "s", "--state-every", "0"], "--state-every 0: give a number of points"),
            ("".join(TWO), 2, ["--time", "a", "b", "c"], "--time a b c: name one column"),
            (b"\x1f\x8b\x08\x00\xff\xfe\n", 2, [], "--encoding"),
        ],
    )
    def test_what_is_refused_in_one_line(self, command, text, channels, options, message):
        ended = command(text, *options, channels=channels)
        assert ended.code == 2
        assert ended.points == []
        *_, last = ended.errors.splitlines()
        assert last.startswith("error: ")
        assert message in last
        assert "Traceback" not in ended.errors


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_an_output_that_is_not_utf_8(models, tmp_path, encoding):
    text = "time,cpu,disk,\u2026\n" + "".join(f"{line.strip()},\u2026\n" for line in TWO) + "\u2026\n"
    source = tmp_path / "source"
    source.write_text(text, encoding="utf-8")
    options = ["--stream", "--model", models[2], "--device", "cpu"]
    ended = run_program("-m", "exp.detect", *options, encoding=encoding, source=source)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.isascii()
    assert scores(map(json.loads, ended.stdout.splitlines())) == scores_of(X)
    assert "line 62: 1 cell instead of 4: skipped" in ended.stderr
