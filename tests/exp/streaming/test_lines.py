import json
import logging
import os
import runpy
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from exp.errors import UserError
from exp.streaming import lines as module
from exp.streaming import source as reading
from exp.streaming.lines import stream_lines
from exp.streaming.stream import StreamingDetector
from tests.support import command_line
from tests.support.command_line import REPOSITORY
from tests.support.detector_cases import STRIDE, WINDOW, fitted, fitted_to_names, waves

KEYS = ["row", "time", "score", "threshold", "alarm", "channels"]
GUARD = 120  # seconds after which a test gives up on a process


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A saved detector of two named channels; read-only."""
    folder = tmp_path_factory.mktemp("model") / "detector"
    fitted_to_names("cpu", "disk").save(folder)
    return folder


@pytest.fixture
def run(model, tmp_path, caplog):
    """Return a function that scores text or bytes, and returns the output."""
    caplog.set_level(logging.WARNING)

    def run(text, *, folder=model, **options):
        source, target = tmp_path / "source.csv", tmp_path / "target.jsonl"
        source.write_bytes(text if isinstance(text, bytes) else text.encode())
        with open(source) as lines, open(target, "w") as written:
            assert stream_lines(folder, lines, written, device="cpu", **options) == 0
        return [json.loads(line) for line in target.read_text().splitlines()]

    return run


def csv_lines(x, times=None, header=None):
    """Return the text of points (n, C) in CSV."""
    lines = [",".join(map(repr, point)) for point in x.tolist()]
    if times is not None:
        lines = [f"{time},{line}" for time, line in zip(times, lines, strict=True)]
    return "".join(f"{line}\n" for line in [*([header] if header else []), *lines])


def expected(x, detector=None, mode="window", **options):
    """Return the expected output for points without times."""
    detector = detector or fitted_to_names("cpu", "disk")
    names = [str(name) for name in getattr(detector, "feature_names_in_", range(detector.n_features_in_))]
    stream = StreamingDetector(detector, mode=mode, **options)
    first, last = stream.update(x), stream.finish()
    nothing = {"score": None, "threshold": None, "alarm": False, "channels": None}
    lines = [{"row": row, **nothing} for row in range(min(len(x), WINDOW - 1) if mode == "causal" else 0)]
    for scores in (first, last):
        for row, score, channels, threshold, alarm in zip(*scores, strict=True):
            by_name = dict(zip(names, channels.tolist(), strict=True))
            figures = {"score": float(score), "threshold": float(threshold), "alarm": bool(alarm)}
            lines.append({"row": int(row), **figures, "channels": by_name})
    return lines


def count_final(rows):
    """Return how many of the points have scores from whole windows before the end is known."""
    return max(0, ((rows - WINDOW) // STRIDE + 1) * STRIDE - AHEAD)


def timed(lines, times):
    return [{**line, "time": times[line["row"]]} for line in lines]


AHEAD = (WINDOW - 1) // 2  # points that the longest average reaches ahead
FIRST = WINDOW + AHEAD  # points before the first score
X = waves(40, seed=5)
X[30, 1] += 40
TIMES = [f"2024-05-01T10:{minute:02d}:00" for minute in range(40)]


class TestColumns:
    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_a_line_for_each_point(self, run, mode, caplog):
        lines = run(csv_lines(X, TIMES, "time,cpu,disk"), mode=mode)
        assert [line["row"] for line in lines] == list(range(40))
        assert all(list(line) == KEYS for line in lines)
        assert all(type(line["alarm"]) is bool for line in lines)
        assert lines == timed(expected(X, mode=mode), TIMES)
        assert lines[30]["alarm"]
        assert not caplog.messages

    def test_another_order_and_others_beside(self, run):
        places = np.stack([X[:, 1], np.full(40, 7.0), X[:, 0]], axis=1)
        text = "".join(f"a b,{line},{time},1\n" for line, time in zip(csv_lines(places).split(), TIMES, strict=True))
        assert run("place,disk,memory,cpu,Timestamp,label\n" + text) == timed(expected(X), TIMES)

    def test_no_header(self, run):
        assert run(csv_lines(X)) == expected(X)

    def test_no_header_and_the_time_first(self, run):
        assert run(csv_lines(X, TIMES)) == timed(expected(X), TIMES)

    def test_a_header_without_time(self, run):
        assert run(csv_lines(X[:, ::-1], header="disk,cpu")) == expected(X)

    def test_numbers_as_times(self, run):
        assert run(csv_lines(X, range(40))) == timed(expected(X), list(map(str, range(40))))

    @pytest.mark.parametrize(
        ("header", "form", "first"),
        [
            ("Date,Hour", "%Y-%m-%d,%H", "2024-06-12 00:00"),
            ("Date,Time", "%Y%m%d,%H%M", "20240612 00:00"),
            ("Date,Time", "%Y-%m-%d,%H:%M+02:00", "2024-06-12 00:00+02:00"),
            ("Date,Time", "%Y-%m-%d,%Y-%m-%d %H:%M", "2024-06-12 00:00"),
            ("year,month,day,hour", "%Y,%m,%d,%H", "2024-06-12 00:00:00"),
            ("time", "%Y%m%d%H", "2024061200"),
        ],
    )
    def test_times_in_several_columns(self, run, header, form, first):
        times = pd.date_range("2024-06-12", periods=40, freq="h").strftime(form)
        points = run(csv_lines(X, times, header=f"{header},cpu,disk"))
        assert points[0]["time"] == first
        assert [point["score"] for point in points] == [point["score"] for point in expected(X)]

    def test_a_detector_without_names(self, run, tmp_path, caplog):
        fitted().save(tmp_path / "nameless")
        assert run(csv_lines(X, TIMES), folder=tmp_path / "nameless") == timed(expected(X, fitted()), TIMES)
        assert not caplog.messages
        assert run(csv_lines(X, header="cpu,disk"), folder=tmp_path / "nameless") == expected(X, fitted())
        assert caplog.messages == [f"line 1: channel 0: 'cpu' is not a number{code('cpu')}: skipped"]

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("time,cpu,memory", "line 1 names columns, but not 'disk' of the channels"),
            ("CPU,DISK", "line 1 names columns, but not 'cpu', 'disk' of the channels"),
            ("cpu", "line 1 names columns, but not 'disk' of the channels"),
            ("time;cpu,disk;b", "line 1 names columns, but not 'cpu', 'disk' of the channels"),
            ("cpu,disk,cpu", "line 1: column 'cpu' occurs twice: rename one"),
        ],
    )
    def test_headers_that_do_not_fit(self, run, header, message):
        with pytest.raises(UserError, match=message) as caught:
            run(csv_lines(X, header=header))
        assert "\n" not in str(caught.value)


class TestForms:
    @pytest.mark.parametrize("header", ["time,cpu,disk", None])
    @pytest.mark.parametrize("start", ["", "\ufeff"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_line_ends_and_byte_order_marks(self, run, caplog, header, start, end):
        text = start + csv_lines(X, TIMES, header).replace("\n", end)
        assert run(text) == run(text.removesuffix(end)) == timed(expected(X), TIMES)
        assert not caplog.messages

    def test_quotes_and_blanks(self, run, caplog):
        times = [f"May 1, 2024 10:{minute:02d}" for minute in range(40)]
        quoted = "".join(f'"{time}", "{a!r}" , {b!r} \n' for time, (a, b) in zip(times, X.tolist(), strict=True))
        lines = timed(expected(X), times)
        assert run('"time" , "cpu", disk\n' + quoted) == run(quoted) == lines
        assert not caplog.messages

    def test_characters_beyond_ascii(self, run):
        beside = "".join(f"{line},{place}\n" for line, place in zip(csv_lines(X).split(), ["ᵗʰ"] * 40, strict=True))
        assert run("cpu,disk,Größe\n" + beside) == expected(X)

    def test_numbers_as_people_write_them(self, run):
        text = "".join(f"+{a:.6e},{b:.6E}\n" for a, b in np.abs(X).tolist())
        rounded = np.array([[float(cell) for cell in line.split(",")] for line in text.split()])
        assert run(text) == expected(rounded)


def code(text):
    """Return the remedy for a text that may stand for a missing value."""
    return f": correct it, or, if it stands for a missing value, use --missing-values '{text}'"


MALFORMED = [
    ("1.0,2.0,3.0", "3 cells instead of 2"),  # as the first line it would be one with a time
    ("1.0", "1 cell instead of 2"),
    ("", "0 cells instead of 2"),
    (" ", "1 cell instead of 2"),
    ("\r", "0 cells instead of 2"),
    ("1.0,abc", f"column 'disk': 'abc' is not a number{code('abc')}"),
    ("1.0,", "column 'disk': '' stands for a missing value"),
    ("1.0,1_000", "column 'disk': '1_000' is not a number"),
    ("1.0;2.0,3.0", "column 'cpu': '1.0;2.0' is not a number"),
    ("nan,1.0", "column 'cpu': 'nan' stands for a missing value"),
    ("1.0,-inf", "column 'disk': '-inf' is not finite"),
    ("1.0,1e999", "column 'disk': '1e999' is too large for a number"),
    ("1.0,1e200", "the value 1e+200 is too far from the training values: leave it out"),
    ('"1.0,2.0', "1 cell instead of 2"),
    ("cpu,2.0", f"column 'cpu': 'cpu' is not a number{code('cpu')}"),
    ("1.0,\x00", f"column 'disk': '\\x00' is not a number{code(chr(0))}"),
    ("1.0,é", f"column 'disk': 'é' is not a number{code('é')}"),
    ("1.0," + "9" * 200_000, "field larger than field limit (131072)"),
    ("1.0," + "x" * 200, f"column 'disk': '{'x' * 40}' is not a number"),
]


class TestMalformedLines:
    @pytest.mark.parametrize("mode", ["window", "causal"])
    def test_they_are_reported_by_number_and_skipped(self, run, caplog, mode):
        lines, messages = csv_lines(X).splitlines(), []
        for index, (line, message) in enumerate(MALFORMED):
            lines.insert(2 * index + 1, line)
            messages.append(f"line {2 * index + 2}: {message}: skipped")
        assert run("\n".join(lines) + "\n", mode=mode) == expected(X, mode=mode)
        assert caplog.messages == messages

    @pytest.mark.parametrize("number", range(1, len(MALFORMED)))
    def test_as_the_first_line(self, run, caplog, number):
        """They do not determine the positions of a line's cells."""
        line, message = MALFORMED[number]
        assert run(f"{line}\n" + csv_lines(X, TIMES)) == timed(expected(X), TIMES)
        assert caplog.messages == [f"line 1: {message}: skipped"]

    def test_times_in_another_format(self, run, caplog):
        """They are reported by the number of their line alone."""
        others = {7: "01.05.2024 10:07", 8: "1714557480"}
        lines = csv_lines(X, [others.get(minute, time) for minute, time in enumerate(TIMES)], "time,cpu,disk")
        kept = [minute for minute in range(40) if minute not in others]
        assert run(lines) == timed(expected(X[kept]), [TIMES[minute] for minute in kept])
        assert caplog.messages == [
            f"line {minute + 2}: '{told}' is not a time in the same format as the first ones: skipped"
            for minute, told in others.items()
        ]

    def test_further_columns_without_names(self, run):
        """The message says what is missing, as that of a stream which begins below its line of names."""
        message = "line 1: 4 cells instead of 2, or 3 with a time: only with a first line of names may there be more"
        with pytest.raises(UserError, match=message):
            run("".join(f"{line},OK\n" for line in csv_lines(X, TIMES).split()))

    def test_bytes_that_are_no_text(self, run, caplog):
        text = csv_lines(X, TIMES, "time,cpu,disk").encode().replace(TIMES[3].encode(), b"\xff\xfe")
        assert run(text.replace(b"\n", b"\n\xff,\xff,\xff\n", 1)) == timed(
            expected(np.delete(X, 3, axis=0)), [*TIMES[:3], *TIMES[4:]]
        )
        assert caplog.messages == [
            "line 2: column 'cpu': '\ufffd' is not a number: correct it, or, if it stands for a missing value, use "
            "--missing-values '\ufffd': skipped",
            "line 6: '\ufffd\ufffd' is not a time: skipped",
        ]

    def test_nothing_but_malformed_lines(self, run, caplog):
        with pytest.raises(UserError, match="none of the 3 lines is a point; line 1: 1 cell instead of 2"):
            run("1.0\n\nx,1.0\n")
        assert len(caplog.messages) == 3

    def test_no_lines(self, run, caplog):
        assert run("") == run("time,cpu,disk\n") == []
        assert not caplog.messages

    def test_too_few_points(self, run):
        with pytest.raises(UserError, match=f"the stream has 5 points, fewer than a window of {WINDOW}"):
            run(csv_lines(X[:5]))
        assert len(run(csv_lines(X[:5]), mode="causal")) == 5


def test_many_lines_that_are_not_points_are_not_all_shown(run, caplog):
    run("cpu,disk\n" + "1;2\n" * 250 + csv_lines(X))
    assert len(caplog.messages) == 22
    assert "the 100th" in caplog.messages[20] or "the 100th" in caplog.messages[21]
    caplog.clear()


@pytest.mark.parametrize(("seldom", "last", "shown"), [(30, 9, 0), (30, 10, 1), (30, 25, 1), (15, 10, 1), (0, 12, 0)])
def test_lines_that_all_are_no_points_are_soon_shown_again(run, caplog, seldom, last, shown):
    """A stream whose lines cannot be read from some line on is not silent because single ones were before."""
    lines = csv_lines(X).splitlines()
    alternating = [text for number, line in enumerate(lines) for text in [line, "1,"][: 1 + (number < seldom)]]
    run("\n".join(["cpu,disk", *alternating, *["2,"] * last]) + "\n")
    again = [message for message in caplog.messages if "in a row" in message and message.startswith("line")]
    assert [message.endswith(": skipped, the 10th in a row") for message in again] == [True] * shown


def test_alarms_follow_a_drift(run):
    lines = run(csv_lines(X), mode="causal", drift_window=10)
    assert lines == expected(X, mode="causal", drift_window=10)
    assert len({line["threshold"] for line in lines}) > 10


class TestState:
    @given(cuts=st.lists(st.integers(0, 40), max_size=3), mode=st.sampled_from(["window", "causal"]), data=st.data())
    @hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_the_lines_of_an_uninterrupted_run(self, run, tmp_path, cuts, mode, data):
        """With malformed lines, and with the header only in the first part."""
        state = tmp_path / "state"
        state.unlink(missing_ok=True)
        kinds = st.sampled_from(["", "1.0", "a,b,c,d,e", "nan,nan,nan,t,1"])
        junk = data.draw(st.lists(kinds, min_size=40, max_size=40))
        turned = np.stack([X[:, 1], X[:, 0]], axis=1)
        texts = csv_lines(turned).splitlines()
        lines = [f"{text},7,{time},x\n{more}\n" for text, time, more in zip(texts, TIMES, junk, strict=True)]
        ends = sorted(cuts)
        parts = ["".join(lines[start:end]) for start, end in zip([0, *ends], [*ends, 40], strict=True)]
        written = []
        for number, part in enumerate(parts):
            written += run(("disk,cpu,memory,time,place\n" if number == 0 else "") + part, mode=mode, state=state)
        whole = timed(expected(X, mode=mode), TIMES)
        assert written == whole[: count_final(40) if mode == "window" else 40]

    def test_a_header_may_come_again(self, run, tmp_path):
        written = run(csv_lines(X[:17], TIMES[:17], "time,cpu,disk"), state=tmp_path / "state")
        written += run(csv_lines(X[17:, ::-1], header="disk,cpu"), state=tmp_path / "state")
        lines = expected(X)
        assert written == [*timed(lines[:17], TIMES), *lines[17:]][: count_final(40)]

    @pytest.mark.parametrize("name", ["no/such/folder/state", "."])
    def test_a_place_that_cannot_be_written_is_found_before_any_line(self, run, tmp_path, name):
        with pytest.raises(OSError, match=r"no folder|it is a folder"):
            run(csv_lines(X), state=tmp_path / name)
        assert (tmp_path / "target.jsonl").read_text() == ""

    def test_a_state_of_others(self, run, tmp_path):
        state = tmp_path / "state"
        run(csv_lines(X), state=state, mode="causal")
        before = state.read_bytes()
        for options in ({"mode": "window"}, {"mode": "causal", "drift_window": 5}):
            with pytest.raises(UserError, match="state: the state of a stream with other options"):
                run(csv_lines(X), state=state, **options)
        state.write_bytes(before[:-1])
        with pytest.raises(UserError, match="state: damaged"):
            run(csv_lines(X), state=state, mode="causal")
        assert state.read_bytes() == before[:-1]

    def test_a_refused_header_leaves_it(self, run, tmp_path):
        state = tmp_path / "state"
        run(csv_lines(X[:20], header="cpu,disk"), state=state)
        with pytest.raises(UserError, match="occurs twice"):
            run(csv_lines(X[20:], header="cpu,disk,cpu"), state=state)
        assert run(csv_lines(X[20:]), state=state) == expected(X)[count_final(20) : count_final(40)]


class TestClosedOutput:
    def run(self, model, tmp_path, text, **options):
        (tmp_path / "source.csv").write_text(text)
        reader, writer = os.pipe()
        os.close(reader)
        with open(tmp_path / "source.csv") as source, open(writer, "w") as target:
            stream_lines(model, source, target, device="cpu", **options)

    def test_it_is_an_error_in_one_line(self, model, tmp_path):
        with pytest.raises(
            UserError, match=f"the output cannot be written after {FIRST} points: Broken pipe"
        ) as caught:
            self.run(model, tmp_path, csv_lines(X))
        assert "\n" not in str(caught.value)

    def test_the_state_is_kept(self, model, tmp_path, run):
        state = tmp_path / "state"
        with pytest.raises(UserError, match=f"the output cannot be written after {FIRST} points"):
            self.run(model, tmp_path, csv_lines(X, TIMES), state=state)
        rest = run(csv_lines(X[FIRST:], TIMES[FIRST:]), state=state)
        assert rest == timed(expected(X), TIMES)[count_final(FIRST) : count_final(40)]


class Interruption:
    """One that arrives after a number of reads."""

    def __init__(self, reads):
        self.reads = reads

    def lets_read(self, _):
        self.reads -= 1
        return self.reads >= 0


def read(reader, reads, encoding="utf-8"):
    return list(reading.read_lines(reader, Interruption(reads), lambda _: encoding))


class TestReading:
    @pytest.fixture(autouse=True)
    def _small_chunks(self, monkeypatch):
        monkeypatch.setattr(reading, "CHUNK", 5)
        monkeypatch.setattr(reading, "PATIENCE", 0.01)

    @pytest.fixture
    def pipe(self):
        reader, writer = os.pipe()
        yield reader, writer
        os.close(reader)

    @given(text=st.text("ab\n\r", max_size=40), reads=st.lists(st.integers(0, 4), max_size=9))
    def test_no_line_is_lost_between_readers(self, text, reads):
        reader, writer = os.pipe()
        os.write(writer, text.encode())
        os.close(writer)
        lines = [line for count in reads for line in read(reader, count)]
        lines += read(reader, 99)
        os.close(reader)
        assert lines == text.removesuffix("\n").split("\n") * (text != "")

    def test_the_end_of_a_line_is_waited_for(self, pipe, caplog):
        reader, writer = pipe
        os.write(writer, b"12\n345")
        os.close(writer)
        assert read(reader, 1) == ["12", "345"]
        assert not caplog.messages

    def test_but_not_for_ever(self, pipe, caplog):
        reader, writer = pipe
        os.write(writer, b"12\n3")
        assert read(reader, 1) == ["12"]
        assert caplog.messages == ["an unfinished line is left out: '3'"]
        os.close(writer)

    def test_handlers_are_put_back(self):
        before = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with reading.Interruption() as interruption:
                os.kill(os.getpid(), signal.SIGINT)  # ignored before, so it is now
                assert not interruption.came
                os.kill(os.getpid(), signal.SIGTERM)
                assert interruption.came
                assert not interruption.lets_read(0)
            assert signal.getsignal(signal.SIGTERM) == before[0]
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            assert signal.set_wakeup_fd(-1) == -1
        finally:
            signal.signal(signal.SIGINT, before[1])


@pytest.mark.parametrize("at", [1, 2, 40])
def test_a_signal_amid_what_has_been_read(model, tmp_path, monkeypatch, at):
    """What has been read is scored; the rest is left to the next reader."""
    x, take, ends = waves(120, seed=6), module._Scorer.take, []
    state, target = tmp_path / "state", tmp_path / "target.jsonl"

    def take_and_signal(self, line):
        if self.journal.lines + 1 == at and not ends:
            os.kill(os.getpid(), signal.SIGTERM)
        take(self, line)

    monkeypatch.setattr(module._Scorer, "take", take_and_signal)
    reader, writer = os.pipe()
    os.write(writer, csv_lines(x).encode())
    os.close(writer)
    with open(reader) as source, open(target, "w") as written:
        for _ in range(2):
            assert stream_lines(model, source, written, state=state, mode="causal", device="cpu") == 0
            ends.append(StreamingDetector.load(model, state=state, mode="causal", device="cpu").seen)
    assert at < ends[0] < ends[1] == 120
    assert [json.loads(line) for line in target.read_text().splitlines()] == expected(x, mode="causal")


def child(arguments, source, target, log):
    """Act as `python -m exp.detect` in a process that has already imported everything."""
    sys.stdin = os.fdopen(os.open(source, os.O_RDONLY))
    for descriptor, file in enumerate((target, log), start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background inherit none
    sys.argv = ["exp.detect", *arguments]
    runpy.run_module("exp.detect", run_name="__main__", alter_sys=True)


def wait_until(met):
    end = time.monotonic() + GUARD
    while not met():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)


@contextmanager
def started(source, target, log, *arguments):
    """Yield such a process; it is killed at the end."""
    arguments = ["--stream", "--device", "cpu", *map(str, arguments)]
    process = command_line._context().Process(target=child, args=(arguments, source, target, log))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, and a descriptor that keeps both ends of it open."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    yield path, descriptor
    os.close(descriptor)


def count_lines(file):
    return file.read_text().count("\n") if file.exists() else 0


def test_signals_lose_no_point(model, tmp_path, pipe):
    """Processes read one pipe in turn; each is stopped by a signal, the first ones before they have read all of it."""
    x = waves(450, seed=6)
    path, descriptor = pipe
    target, log, state = (tmp_path / name for name in ("target.jsonl", "log.txt", "state"))
    lines = csv_lines(x, header="cpu,disk").encode().splitlines(keepends=True)
    for number, part in ((signal.SIGTERM, lines[:301]), (signal.SIGINT, lines[301:401]), (signal.SIGTERM, lines[401:])):
        before = count_lines(target)
        os.write(descriptor, b"".join(part))
        with started(path, target, log, "--model", model, "--state", state) as process:
            wait_until(lambda before=before: count_lines(target) > before)
            if part[-1] is lines[-1]:
                wait_until(lambda: not select.select([descriptor], [], [], 0)[0])
            os.kill(process.pid, number)
            process.join(GUARD)
            assert process.exitcode == 0, log.read_text()
    written = [json.loads(line) for line in target.read_text().splitlines()]
    assert written == expected(x)[: count_final(len(x))]
    assert log.read_text().count("interrupted after") == 3
    assert "skipped" not in log.read_text()


def test_without_a_state_an_interruption_is_one(model, tmp_path, pipe):
    path, descriptor = pipe
    target, log = tmp_path / "target.jsonl", tmp_path / "log.txt"
    os.write(descriptor, csv_lines(X).encode())
    final = expected(X)[: count_final(len(X))]
    with started(path, target, log, "--model", model) as process:
        wait_until(lambda: count_lines(target) == len(final))
        os.kill(process.pid, signal.SIGINT)
        process.join(GUARD)
        assert process.exitcode == 130
    assert [json.loads(line) for line in target.read_text().splitlines()] == final
    assert "interrupted after 40 points" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_command(model, tmp_path):
    """Each line is answered before the next one arrives; when the output is closed, one line says so."""
    arguments = ["--stream", "--model", model, "--stream-mode", "causal", "--state", tmp_path / "state"]
    command = [sys.executable, "-m", "exp.detect", *map(str, arguments), "--device", "cpu"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPOSITORY, env=buffered, text=True, bufsize=1, **pipes) as process:
        try:
            written = []
            for line in csv_lines(X[:20]).splitlines(keepends=True):
                process.stdin.write(line)
                assert select.select([process.stdout], [], [], GUARD)[0], "no answer"
                written.append(json.loads(process.stdout.readline()))
            process.stdout.close()
            process.stdin.write(csv_lines(X[20:]))
            process.stdin.close()
            errors = process.stderr.read()
            assert process.wait(GUARD) == 2
        finally:
            process.kill()
    assert written == expected(X, mode="causal")[:20]
    assert [line for line in errors.splitlines() if "state after" not in line] == [
        "error: the output cannot be written after 21 points: Broken pipe: check its reader or the disk"
    ]
    assert (tmp_path / "state").exists()
