"""Single servers of SMD and ASD, from the publisher's files and from NumPy archives."""

import pickle

import numpy as np
import pytest

from data_provider import read_dataset
from data_provider.prepare import asd, smd
from data_provider.prepare.__main__ import main
from data_provider.read.interpretation import channels_of_events, read_interpretation
from tests.support.paths import REPOSITORY

SHARED = REPOSITORY.parent / "shared" / "data"
SIZES = {"SMD": (38, 7, 8), "ASD": (19, 7, 6)}  # channels, training rows, test rows of the miniatures


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Expect the miniatures' numbers of rows for all servers."""
    for module, name in ((smd, "SMD"), (asd, "ASD")):
        for server in module.ROWS:
            monkeypatch.setitem(module.ROWS, server, SIZES[name][1:])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "dataset"


def run(name, source, out, *servers):
    options = ["--server", *servers] if servers else []
    return main([name, "--source", str(source), "--out", str(out), *options])


def refuse(capsys, message, name, source, out, *servers):
    before = contents(out)
    assert run(name, source, out, *servers) == 2
    written = capsys.readouterr()
    assert written.err.startswith(f"error: {message}")
    assert (written.err.count("\n"), written.out) == (1, "")
    assert contents(out) == before


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def parts(name, server):
    channels, train, test = SIZES[name]
    draw = np.random.default_rng(sum(map(ord, server)))
    label = np.zeros(test)
    label[1:3] = 1
    return {"train": draw.random((train, channels)), "test": draw.random((test, channels)), "test_label": label}


def write(name, folder, *servers):
    """Write servers like their publisher, with the event at 1 and 2 and its channels."""
    for server in servers:
        for part, values in parts(name, server).items():
            if name == "SMD":
                path = folder / "ServerMachineDataset" / part / f"{server}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savetxt(path, values, "%.17g", delimiter=",")
            else:
                path = folder / "data" / "processed" / f"{server}_{part}.pkl"
                path.parent.mkdir(parents=True, exist_ok=True)
                old = pickle.dumps(values, protocol=2).replace(b"numpy._core", b"numpy.core")  # as NumPy 1 writes it
                path.write_bytes(old)
        base = folder / ("ServerMachineDataset" if name == "SMD" else "data")
        path = base / "interpretation_label" / f"{server}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text({"SMD": "1-3:2,5\n", "ASD": "1-2:2,5\n"}[name])
    return folder


def write_npz(name, folder, *servers):
    folder.mkdir()
    for server in servers:
        np.savez(folder / f"{server}.npz", **parts(name, server))
        (folder / f"{server}_interpretation_label.txt").write_text({"SMD": "1-3:2,5\n", "ASD": "1-2:2,5\n"}[name])
    return folder


FORMS = [(name, write_as) for name in SIZES for write_as in (write, write_npz)]
NAMES = {"SMD": ["machine-1-2", "machine-3-10"], "ASD": ["omi-1", "omi-12"]}


@pytest.mark.parametrize(("name", "write_as"), FORMS)
@pytest.mark.parametrize("chosen", ["one", "two", "all"])
def test_servers_become_datasets_of_their_own(tmp_path, out, capsys, name, write_as, chosen):
    source = write_as(name, tmp_path / "source", *NAMES[name])
    servers = NAMES[name][:1] if chosen == "one" else NAMES[name]
    assert run(name, source, out, *(["all"] if chosen == "all" else servers)) == 0
    written = capsys.readouterr().out
    assert written.startswith(f"{name}: {servers[0]} (7 training rows)")
    assert ("; the source lacks " in written) == (chosen == "all")
    files = [f"data/{server}.csv" for server in servers]
    files += [f"data/interpretation_label/{server}.txt" for server in servers]
    assert set(contents(out)) == {"DETECT_META.csv", *files}
    for server in servers:
        found = read_dataset(out, server)
        for part, values in parts(name, server).items():
            np.testing.assert_array_equal(getattr(found, part), values)
        events = read_interpretation(out / "data" / "interpretation_label" / f"{server}.txt")
        assert [(event.start, event.end) for event in events] == [(1, 3)]
        assert channels_of_events(events, found.test_label) == [(1, 4)]
    assert run(name, source, out, *servers) == 0
    assert capsys.readouterr().out.endswith("already done, nothing changed\n")


def test_asd_is_all_its_servers(tmp_path, out, capsys):
    source = write("ASD", tmp_path / "source", *(f"omi-{number}" for number in range(1, 13)))
    assert run("ASD", source, out) == 0
    assert "lacks" not in capsys.readouterr().out
    assert len(list((out / "data").glob("omi-*.csv"))) == 12


def test_one_archive_is_one_server(tmp_path, out, capsys):
    source = write_npz("ASD", tmp_path / "source", "omi-1") / "omi-1.npz"
    message = f"{source}: a file contains one server: say which with --server, or name a folder with --source"
    for servers in ([], ["all"], ["omi-1", "omi-2"]):
        refuse(capsys, message, "ASD", source, out, *servers)
    assert run("ASD", source, out, "omi-1") == 0


@pytest.mark.parametrize(
    ("name", "servers", "message"),
    [
        ("MSL", ["machine-1-1"], "--server: MSL is not a dataset of servers, only SMD and ASD are: leave it out"),
        ("UCR", ["all"], "--server: UCR is not a dataset of servers"),
        ("SMD", ["machine-1-9"], "--server machine-1-9: not a server of SMD, the nearest are machine-"),
        ("SMD", ["omi-1"], "--server omi-1: not a server of SMD, the nearest are "),
        ("ASD", ["omi-1", "all"], "--server all: not a server of ASD"),
        ("ASD", ["omi-1", "omi-1"], "--server omi-1: servers must be unique: name it once"),
        ("ASD", ["omi-3"], "SOURCE: there is no omi-3_train.pkl, no omi-3_test.pkl, no omi-3_test_label.pkl in it"),
        ("SMD", ["all"], "SOURCE: has no server of SMD: name the folder of the source"),
    ],
)
def test_wrong_servers(tmp_path, out, capsys, name, servers, message):
    source = write("ASD", tmp_path / "source", "omi-1")
    refuse(capsys, message.replace("SOURCE", str(source)), name, source, out, *servers)


class Evil:
    """Pickles as a call that creates a file."""

    def __reduce__(self):
        return open, ("evil", "w")


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("train", Evil(), "omi-2_train.pkl: cannot be read as a pickled array: it refers to "),
        ("train", np.array([None]), "omi-2_train.pkl: contains no table of numbers"),
        ("test", np.ones((6, 18)), "omi-2_test.pkl: 18 channels, the training part has 19"),
        ("test_label", np.ones(5), "omi-2_test_label.pkl: 5 x 1 labels for 6 test rows"),
        ("train", np.ones((6, 19)), "omi-2 has 6 training rows instead of 7: the source is incomplete"),
    ],
)
def test_a_faulty_server_leaves_nothing_of_the_others(tmp_path, out, capsys, monkeypatch, part, value, message):
    monkeypatch.chdir(tmp_path)
    source = write("ASD", tmp_path / "source", "omi-1", "omi-2")
    (source / "data" / "processed" / f"omi-2_{part}.pkl").write_bytes(pickle.dumps(value))
    assert run("ASD", source, out) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.parent.exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("size", [0, 20, 500])
def test_a_truncated_pickle(tmp_path, out, capsys, size):
    path = write("ASD", tmp_path / "source", "omi-1") / "data" / "processed" / "omi-1_test.pkl"
    path.write_bytes(path.read_bytes()[:size])
    refuse(capsys, f"{path}: cannot be read as a pickled array: ", "ASD", tmp_path / "source", out)


def test_a_faulty_list_of_events(tmp_path, out, capsys):
    source = write("SMD", tmp_path / "source", "machine-1-1")
    path = source / "ServerMachineDataset" / "interpretation_label" / "machine-1-1.txt"
    path.write_text("1-3:2\n4:5\n")
    refuse(capsys, f"{path}: line 2 is not START-END:CHANNEL", "SMD", source, out, "all")


def test_sizes_are_those_of_the_whole():
    sizes = {
        server: (rows, rows + (server.removeprefix("machine-") not in smd.EVEN))
        for server, rows in smd.TRAIN_ROWS.items()
    }
    assert [sum(part) for part in zip(*sizes.values(), strict=True)] == [708_405, 708_420]


@pytest.mark.skipif(not (SHARED / "SMD").exists(), reason="needs ../shared/data/SMD")
@pytest.mark.parametrize(("name", "server"), [("SMD", "machine-1-6"), ("ASD", "omi-4")])
def test_the_real_numbers(tmp_path, monkeypatch, name, server):
    monkeypatch.undo()
    assert run(name, SHARED / name, tmp_path, server) == 0
    found = read_dataset(tmp_path, server)
    expected = np.load(SHARED / name / f"{server}.npz")
    for part in ("train", "test", "test_label"):
        np.testing.assert_array_equal(getattr(found, part), expected[part])
    events = read_interpretation(tmp_path / "data" / "interpretation_label" / f"{server}.txt")
    edges = np.flatnonzero(np.diff(found.test_label.astype(int), prepend=0, append=0)).reshape(-1, 2)
    assert [(event.start, event.end) for event in events] == [tuple(edge) for edge in edges.tolist()]
