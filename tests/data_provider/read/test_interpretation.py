import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_provider import DataError
from data_provider.read.interpretation import Interpretation, channels_of_events, read_interpretation
from tests.support.paths import SHARED

SMD = SHARED / "data" / "SMD"
ASD = SHARED / "data" / "ASD"


def write(folder, text):
    path = folder / "machine-1-1.txt"
    path.write_bytes(text.encode())
    return path


def read_server(server):
    path = SMD / f"{server}_interpretation_label.txt"
    if not path.exists():
        pytest.skip("needs SMD's servers in ../shared")
    with np.load(SMD / f"{server}.npz") as arrays:
        return path, arrays["train"], arrays["test"], arrays["test_label"]


def test_points_and_channels_count_from_0_in_the_order_of_time(tmp_path):
    path = write(tmp_path, "20-25:3,1\n4-5:38\n")
    assert read_interpretation(path) == [Interpretation(4, 5, (37,)), Interpretation(20, 25, (0, 2))]


@pytest.mark.parametrize("text", ["4-5:1,2", "4-5:1,2\r\n\r\n", "\ufeff4-5:1,2\n", " 4 - 5 : 2 , 1,2 \n\n"])
def test_forms_of_the_same_line(tmp_path, text):
    assert read_interpretation(write(tmp_path, text)) == [(4, 5, (0, 1))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no lines START-END:CHANNEL,CHANNEL,…"),
        ("\n \n", "has no lines START-END:CHANNEL,CHANNEL,…"),
        ("1-2:1\n\n3-4\n", "line 3 is not START-END:CHANNEL,CHANNEL,…"),
        ("1-2:\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        ("1-2:1,\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        ("1-2:1,a\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        ("1-2:1.0\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        ("-1-2:1\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        ("1-2-3:1\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        (f"1-2:{'9' * 10}\n", "line 1 is not START-END:CHANNEL,CHANNEL,…"),
        ("1-2:1\n5-5:1\n", "line 2: 5-5 has no points, as END is after the last: correct it"),
        ("7-5:1\n", "line 1: 7-5 has no points"),
        ("1-2:1\n3-4:2,0\n", "line 2 holds channel 0, but they are counted from 1: correct it"),
    ],
)
def test_faulty_files(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_interpretation(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "machine-1-1.txt"
    with pytest.raises(DataError, match=r"machine-1-1\.txt: cannot be read as UTF-8 text"):
        read_interpretation(path)
    path.write_bytes(b"\xff\xfe1")
    with pytest.raises(DataError, match=r"machine-1-1\.txt: cannot be read as UTF-8 text"):
        read_interpretation(path)


def test_an_event_has_the_channels_of_all_lines_that_share_a_point_with_it():
    label = np.array([0, 1, 1, 1, 0, 0, 1, 0])
    split = [Interpretation(1, 2, (3, 5)), Interpretation(2, 4, (0, 5)), Interpretation(5, 7, (2,))]
    assert channels_of_events(split, label) == [(0, 3, 5), (2,)]
    assert channels_of_events([Interpretation(0, 8, (1,))], label) == [(1,), (1,)]
    beside = [Interpretation(0, 1, (7,)), Interpretation(4, 6, (8,)), Interpretation(7, 99, (9,))]
    assert channels_of_events([*beside, *split], label) == [(0, 3, 5), (2,)]
    assert channels_of_events(split, np.zeros(8)) == []


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_lines_of_the_runs_themselves_come_back(label, data):
    padded = [False, *label, False]
    starts = [t for t in range(len(label)) if padded[t + 1] and not padded[t]]
    ends = [t + 1 for t in range(len(label)) if padded[t + 1] and not padded[t + 2]]
    entries = [Interpretation(*run, (number,)) for number, run in enumerate(zip(starts, ends, strict=True))]
    shuffled = data.draw(st.permutations(entries))
    assert channels_of_events(shuffled, np.array(label)) == [entry.channels for entry in entries]


@pytest.mark.parametrize(
    ("rows", "channels", "told"),
    [
        (["10-20:1,2"], [(0, 1), ()], ["1 of 2 events have no line"]),
        (["50-55:3"], [(), (2,)], ["1 of 2 events have no line"]),
        (["10-20:1", "50-55:3", "70-80:4"], [(0,), (2,)], ["1 of 3 lines share no point"]),
        (["10-29:1", "50-55:3"], [(0,), (2,)], []),  # ends late
        (["12-18:1", "53-60:3"], [(0,), (2,)], []),  # late and early
        (["8-52:1", "52-55:3"], [(0,), (2,)], []),  # into the next event, by less than half of it
        (["8-53:1", "52-55:3"], [(0,), (0, 2)], []),  # by half of it and more
        (["10-11:1", "19-20:5", "54-55:3"], [(0, 4), (2,)], []),  # a point of it is enough where there is no other
    ],
)
def test_lines_belong_to_events_by_overlap(tmp_path, caplog, rows, channels, told):
    """The events are 10 to 19 and 50 to 54."""
    label = np.zeros(100, np.int8)
    label[10:20] = label[50:55] = 1
    path = write(tmp_path, "\n".join(rows))
    assert channels_of_events(read_interpretation(path), label, name="machine") == channels
    assert len(caplog.messages) == len(told)
    assert all(message.startswith(f"machine: {text}") for message, text in zip(caplog.messages, told, strict=True))


@pytest.mark.parametrize("name", [{}, {"name": "machine-1-1.txt"}])
def test_lines_of_another_series(name):
    called = name.get("name", "the interpretation")
    beside = [Interpretation(0, 3, (1,)), Interpretation(5, 9, (1,))]
    with pytest.raises(DataError, match=f"{called}: no line shares a point with any of the 1 events of the label"):
        channels_of_events(beside, np.array([0, 0, 0, 1, 1, 0]), **name)


def test_an_end_that_is_included(tmp_path):
    path = write(tmp_path, "4-5:1\n7-7:2\n")
    assert read_interpretation(path, end_included=True) == [(4, 6, (0,)), (7, 8, (1,))]
    with pytest.raises(DataError, match=r"line 1: 5-4 has no points, as END is the last"):
        read_interpretation(write(tmp_path, "5-4:1\n"), end_included=True)


# For each server whose lines differ from the runs of its label: events without a line.
UNEVEN = {"machine-1-3": 1, "machine-2-3": 0, "machine-3-2": 1}


@pytest.mark.parametrize("path", sorted(SMD.glob("*_interpretation_label.txt")), ids=lambda path: path.name)
def test_real_servers(path, caplog):
    server = path.name.removesuffix("_interpretation_label.txt")
    path, _, test, label = read_server(server)
    entries = read_interpretation(path)
    found = channels_of_events(entries, label, name=server)
    assert sum(not channels for channels in found) == UNEVEN.get(server, 0)
    assert len(caplog.messages) == int(UNEVEN.get(server, 0) > 0)
    assert {c for channels in found for c in channels} == {c for entry in entries for c in entry.channels}
    assert max(c for channels in found for c in channels) < test.shape[1]


@pytest.mark.parametrize("path", sorted(ASD.glob("*_interpretation_label.txt")), ids=lambda path: path.name)
def test_real_applications_include_the_end(path, caplog):
    with np.load(path.with_name(path.name.replace("_interpretation_label.txt", ".npz"))) as arrays:
        label = arrays["test_label"]
    entries = read_interpretation(path, end_included=True)
    rebuilt = np.zeros_like(label)
    for start, end, _ in entries:
        rebuilt[start:end] = 1
    np.testing.assert_array_equal(rebuilt, label)
    assert channels_of_events(entries, label) == [entry.channels for entry in entries]
    assert not caplog.messages


@pytest.mark.parametrize(("server", "events"), [("machine-1-6", 30), ("machine-2-1", 13)])
def test_the_lines_of_real_servers_are_the_runs_of_their_labels(server, events):
    path, _, test, label = read_server(server)
    entries = read_interpretation(path)
    rebuilt = np.zeros_like(label)
    for start, end, _ in entries:
        rebuilt[start:end] = 1
    np.testing.assert_array_equal(rebuilt, label)
    assert len(entries) == events
    assert channels_of_events(entries, label) == [entry.channels for entry in entries]
    assert all(0 <= channel < test.shape[1] for entry in entries for channel in entry.channels)


@pytest.mark.parametrize("server", ["machine-1-6", "machine-2-1"])
def test_the_channels_of_real_events_deviate_most_where_they_are_counted_from_1(server):
    path, train, test, _ = read_server(server)
    deviation = np.abs(test - train.mean(axis=0)) / np.maximum(train.std(axis=0), 0.01)

    def share_of_median_above(shift):
        above = []
        for start, end, channels in read_interpretation(path):
            means = deviation[start:end].mean(axis=0)
            above += [means[(channel + shift) % 38] > np.median(means) for channel in channels]
        return np.mean(above)

    assert share_of_median_above(0) > max(share_of_median_above(-1), share_of_median_above(1))
