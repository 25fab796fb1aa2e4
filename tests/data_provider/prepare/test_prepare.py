import json
import os
import subprocess
import sys

import numpy as np
import pytest

from data_provider import Series, read_dataset
from data_provider.prepare import datasets, smd, swat
from data_provider.prepare.__main__ import main
from data_provider.prepare.staging import install, staging
from tests.support.paths import REPOSITORY

SHARED = REPOSITORY.parent / "shared"
HEADER = (REPOSITORY / "dataset" / "DETECT_META.csv").read_text().splitlines()[0]
# Rows of the test parts of MSL's channels, in the order of their sorted ids.
MSL_TEST_ROWS = {
    **{"C-1": 2264, "C-2": 2051, "D-14": 2625, "D-15": 2158, "D-16": 2191, "F-4": 3422, "F-5": 3922, "F-7": 5054},
    **{"F-8": 2487, "M-1": 2277, "M-2": 2277, "M-3": 2127, "M-4": 2038, "M-5": 2303, "M-6": 2049, "M-7": 2156},
    **{"P-10": 6100, "P-11": 3535, "P-14": 6100, "P-15": 2856, "S-2": 1827, "T-12": 2430, "T-13": 2430, "T-4": 2217},
    **{"T-5": 2218, "T-8": 1519, "T-9": 1096},
}


def run(name, source, out):
    """Run the command line in this process; return its exit code."""
    return main([name, "--source", str(source), "--out", str(out)])


def contents(folder):
    """Return the bytes of all files below a folder, by their relative paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expect_error(capsys, message, name, source, out):
    """Check that the command ends with exit code 2, one line with this start, and nothing written."""
    before = contents(out) if out.exists() else None
    assert run(name, source, out) == 2
    written = capsys.readouterr()
    lines = [line for line in written.err.splitlines() if not line.endswith("missing values become 0")]
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {message}")
    assert written.out == ""
    assert (contents(out) if out.exists() else None) == before
    assert not out.parent.exists() or not list(out.parent.rglob("*.tmp"))


def make_parts(rows, channels, seed=0):
    """Return values that text represents exactly, and labels of which a third are ones."""
    values = np.random.default_rng(seed).normal(size=(rows, channels)).astype(np.float32).astype(float)
    return values, (np.arange(rows) % 3 == 0).astype(np.uint8)


def write_rows(path, rows, head=None, separator=",", number=repr):
    lines = [separator.join(number(float(value)) for value in row) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(([head] if head else []) + lines) + "\n")


# One builder per source: writes a miniature of its layout and returns the expected result.


def build_smd(folder):
    base = folder / "OmniAnomaly" / "ServerMachineDataset"
    parts = {}
    # The published order, written out: 3-10 and 3-11 come before 3-2.
    order = [f"1-{n}" for n in range(1, 9)] + [f"2-{n}" for n in range(1, 10)] + ["3-1", "3-10", "3-11"]
    order += [f"3-{n}" for n in range(2, 10)]
    for seed, server in enumerate(order):
        train, _ = make_parts(4 + seed, 3, seed)
        test, label = make_parts(5 + seed, 3, 100 + seed)
        parts[server] = train, test, label
    for server in sorted(parts, reverse=True):
        for name, rows in zip(("train", "test", "test_label"), parts[server], strict=True):
            write_rows(base / name / f"machine-{server}.txt", np.atleast_2d(rows.T).T)
    (base / "interpretation_label").mkdir()
    return [np.concatenate(part) for part in zip(*parts.values(), strict=True)], ("channel_0", "channel_1", "channel_2")


def build_telemanom(folder, spacecraft):
    data = folder / "data"
    rows, parts = [], []
    for seed, channel in enumerate(["A-1", "A-10", "A-2", "P-2"]):
        train, _ = make_parts(4 + seed, 2, seed)
        test, _ = make_parts(9 + seed, 2, 100 + seed)
        label = np.zeros(len(test), np.uint8)
        label[1:4] = label[7:] = 1
        for name, values in (("train", train), ("test", test)):
            (data / name).mkdir(parents=True, exist_ok=True)
            np.save(data / name / f"{channel}.npy", values)
        rows.append(f'{channel},{spacecraft},"[[1, 3], [7, {len(test) - 1}]]","[point, contextual]",{len(test)}')
        parts.append((train, test, label))
    other = {"MSL": "SMAP", "SMAP": "MSL"}[spacecraft]
    rows = [rows[2], rows[3], rows[0], f'Z-9,{other},"[[0, 1]]",[point],9', rows[1], rows[3]]
    table = ["chan_id,spacecraft,anomaly_sequences,class,num_values", *rows]
    (folder / "labeled_anomalies.csv").write_text("\n".join(table) + "\n")
    return [np.concatenate(part) for part in zip(*parts[:3], strict=True)], ("channel_0", "channel_1")


def build_psm(folder):
    train, _ = make_parts(7, 3, 0)
    test, label = make_parts(6, 3, 1)
    head = "timestamp_(min),feature_0,feature_1,feature_2"
    stamped = [np.column_stack([np.arange(len(part)), part]) for part in (train, test)]
    write_rows(folder / "data" / "train.csv", stamped[0], head)
    write_rows(folder / "data" / "test.csv", stamped[1], head)
    write_rows(folder / "data" / "test_label.csv", np.column_stack([np.arange(6), label]), "timestamp_(min),label")
    path = folder / "data" / "train.csv"
    path.write_text(path.read_text().replace(repr(float(train[2, 1])), "").replace(repr(float(train[4, 0])), "nan"))
    train[2, 1] = train[4, 0] = 0
    return [train, test, label], ("feature_0", "feature_1", "feature_2")


def write_swat(path, values, label, *, above="", separator=",", names=("FIT101", "LIT101", "P101")):
    def number(value):
        return f" {value!r}".replace(".", ",") if separator == ";" else repr(value)

    spellings = [["Normal", " Normal"], ["Attack", "A ttack"]]
    lines = [above] if above else []
    lines.append(separator.join([" Timestamp", names[0], *(f" {name}" for name in names[1:]), "Normal/Attack"]))
    for index, (row, one) in enumerate(zip(values, label, strict=True)):
        time_and_values = [f" 28/12/2015 10:00:{index:02d} AM", *(number(float(value)) for value in row)]
        lines.append(separator.join([*time_and_values, spellings[one][index % 2]]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def build_swat(folder, *, with_start=False, **layout):
    train, _ = make_parts(7, 3, 0)
    test, label = make_parts(12, 3, 1)
    start = 2 if with_start else 0
    file = f"SWaT_Dataset_Normal_v{0 if with_start else 1}.csv"
    write_swat(folder / file, np.concatenate([test[:start], train]), np.zeros(7 + start, int), **layout)
    write_swat(folder / "SWaT_Dataset_Attack_v0.csv", test, label, **layout)
    return [train, test, label], ("FIT101", "LIT101", "P101")


def build_neurips_ts(folder, prefix, **label_as):
    train, _ = make_parts(7, 2, 0)
    test, label = make_parts(6, 2, 1)
    folder.mkdir(parents=True)
    np.save(folder / f"{prefix}_train.npy", train)
    np.save(folder / f"{prefix}_test.npy", test)
    np.save(folder / f"{prefix}_test_label.npy", label.reshape(label_as.get("shape", -1)).astype(label_as["dtype"]))
    return [train, test, label], ("channel_0", "channel_1")


BUILDERS = {
    "SMD": ("SMD", build_smd),
    "MSL": ("MSL", lambda folder: build_telemanom(folder, "MSL")),
    "SMAP": ("SMAP", lambda folder: build_telemanom(folder, "SMAP")),
    "PSM": ("PSM", build_psm),
    "SWAT": ("SWAT", build_swat),
    "SWAT, semicolons": ("SWAT", lambda folder: build_swat(folder, separator=";", above=";P1;;;")),
    "SWAT, version 0": ("SWAT", lambda folder: build_swat(folder, with_start=True, above=",P1,,,")),
    "SWAN": ("SWAN", lambda folder: build_neurips_ts(folder, "NIPS_TS_Swan", dtype=float, shape=(-1, 1))),
    "GECCO": ("GECCO", lambda folder: build_neurips_ts(folder, "NIPS_TS_Water", dtype=bool)),
}


@pytest.fixture
def miniature(tmp_path, monkeypatch):
    """Return a function that builds a source and expects its sizes: (name, folder, parts, channels)."""
    monkeypatch.setattr(swat, "START_ROWS", 2)

    def build(key):
        name, builder = BUILDERS[key]
        folder = tmp_path / "source"
        (train, test, label), channels = builder(folder)
        counts = {"channels": len(channels), "train_rows": len(train), "test_rows": len(test)}
        expected = datasets.MULTIVARIATE[name]._replace(**counts, anomalous=round(100 * label.mean(), 1))
        monkeypatch.setitem(datasets.MULTIVARIATE, name, expected)
        return name, folder, Series(name, train, test, label, channels)

    return build


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "dataset"


@pytest.mark.parametrize("key", BUILDERS)
def test_every_source(miniature, out, capsys, key):
    name, source, expected = miniature(key)
    assert run(name, source, out) == 0
    assert capsys.readouterr().out.endswith(f"{out / 'data' / name}.csv: written\n")
    assert sorted(contents(out)) == ["DETECT_META.csv", f"data/{name}.csv"]
    found = read_dataset(out, name)
    for part in ("train", "test", "test_label"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
    assert found.channels == expected.channels


@pytest.mark.parametrize("key", ["SMD", "PSM"])
def test_a_second_run_changes_nothing(miniature, out, capsys, key):
    name, source, _ = miniature(key)
    run(name, source, out)
    capsys.readouterr()
    before, status = contents(out), (out / "data" / f"{name}.csv").stat()
    assert run(name, source, out) == 0
    assert capsys.readouterr().out.endswith(f"{name}.csv: already done, nothing changed\n")
    assert contents(out) == before
    assert (out / "data" / f"{name}.csv").stat().st_mtime_ns == status.st_mtime_ns  # so that its cache stays valid
    (out / "data" / f"{name}.csv").write_text("another")
    assert run(name, source, out) == 0
    assert contents(out) == before


def test_missing_values_of_psm_are_counted(miniature, out, caplog):
    name, source, _ = miniature("PSM")
    with caplog.at_level("INFO"):
        run(name, source, out)
    missing = [message for message in caplog.messages if "missing values become" in message]
    assert missing == [f"{source / 'data' / 'train.csv'}: 2 missing values become 0"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"{HEADER}\nSWAN.csv,,,,,,Multi,,7,,FALSE,\n"),
        (f"{HEADER}\r\nX.csv{',' * 11}", f"{HEADER}\r\nX.csv{',' * 11}\nSWAN.csv,,,,,,Multi,,7,,FALSE,\n"),
        ("train_lens,file_name\n9,X.csv\n", "train_lens,file_name\n9,X.csv\n7,SWAN.csv\n"),
        ("\ufefffile_name,train_lens\nSWAN.csv,7\n", "\ufefffile_name,train_lens\nSWAN.csv,7\n"),
    ],
)
def test_the_list_of_datasets_gets_the_line_it_lacks(miniature, out, before, after):
    name, source, _ = miniature("SWAN")
    meta = out / "DETECT_META.csv"
    out.mkdir(parents=True)
    if before is not None:
        meta.write_bytes(before.encode())
    assert run(name, source, out) == 0
    assert meta.read_bytes().decode() == after
    assert len(read_dataset(out, name).train) == 7


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        (b"file_name,train_lens\nSWAN.csv,8\n", "column 'train_lens' of SWAN.csv holds 8, the dataset has 7 training"),
        (b"file_name\nX.csv\n", "has no column 'train_lens': copy the file from the repository's dataset folder"),
        (b"", "has no column 'file_name'"),
        (b"file_name,\xff\n", "not a text file"),
    ],
)
def test_a_faulty_list_of_datasets(miniature, out, capsys, meta, message):
    name, source, _ = miniature("SWAN")
    out.mkdir(parents=True)
    (out / "DETECT_META.csv").write_bytes(meta)
    expect_error(capsys, f"{out / 'DETECT_META.csv'}: {message}", name, source, out)


def replace(file, old, new):
    """Return a change of a source: replace text in one of its files."""

    def change(source):
        (path,) = source.rglob(file)
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def remove(file):
    return lambda source: next(source.rglob(file)).unlink()


def store(file, values, **options):
    return lambda source: np.save(next(source.rglob(file)), values, **options)


def cut(file, size=100):
    def change(source):
        (path,) = source.rglob(file)
        path.write_bytes(path.read_bytes()[:size])

    return change


def rename(file, new):
    return lambda source: next(source.rglob(file)).rename(source / new)


SMD_LABEL = "OmniAnomaly/ServerMachineDataset/test_label/machine-2-3.txt"
FAULTS = [
    ("SMD", remove("train/machine-2-3.txt"), "OmniAnomaly/ServerMachineDataset/train/machine-2-3.txt: no such file"),
    (
        "SMD",
        rename("test_label", "lost"),
        ": there is no test_label in it: name the folder of the unpacked source (see",
    ),
    (
        "SMD",
        replace("train/machine-1-2.txt", ",", ",x"),
        "OmniAnomaly/ServerMachineDataset/train/machine-1-2.txt: line 1",
    ),
    (
        "SMD",
        replace("train/machine-1-2.txt", "\n", ",1\n"),
        "OmniAnomaly/ServerMachineDataset/train/machine-1-2.txt: line",
    ),
    (
        "SMD",
        cut("train/machine-1-2.txt", 0),
        "OmniAnomaly/ServerMachineDataset/train/machine-1-2.txt: this is not a val",
    ),
    (
        "SMD",
        cut("train/machine-1-3.txt", 9),
        "OmniAnomaly/ServerMachineDataset/train/machine-1-3.txt: 1 columns, but",
    ),
    ("SMD", replace("test_label/machine-2-3.txt", "0.0\n", ""), f"{SMD_LABEL}: 14 x 1 labels for 15 test rows"),
    ("SMD", replace("test_label/machine-2-3.txt", "0.0", "2"), f"{SMD_LABEL}: row 2 holds 2; a label must be 0 or 1"),
    (
        "MSL",
        remove("train/A-2.npy"),
        "data/train/A-2.npy: no such file; the source is incomplete: download it again (see",
    ),
    ("MSL", remove("labeled_anomalies.csv"), ": there is no labeled_anomalies.csv in it: name the folder of"),
    ("MSL", cut("test/A-2.npy"), "data/test/A-2.npy: cannot be read as a NumPy array: "),
    ("MSL", cut("test/A-2.npy", 0), "data/test/A-2.npy: cannot be read as a NumPy array: "),
    ("MSL", cut("test/A-2.npy", -1), "data/test/A-2.npy: cannot be read as a NumPy array: "),
    (
        "MSL",
        store("test/A-2.npy", [[1.0, np.nan]]),
        "data/test/A-2.npy: row 1, column 2 holds nan, which is not a finite",
    ),
    ("MSL", store("test/A-2.npy", np.ones((9, 3))), "data/test/A-2.npy: 3 columns, but A-1.npy has 2: replace it"),
    (
        "MSL",
        store("test/A-2.npy", np.ones((3, 2))),
        "labeled_anomalies.csv: column 'anomaly_sequences' of A-2 is faulty",
    ),
    ("MSL", store("test/A-2.npy", np.array([{}]), allow_pickle=True), "data/test/A-2.npy: cannot be read as a NumPy"),
    (
        "MSL",
        store("test/A-2.npy", np.array(["x"])),
        "data/test/A-2.npy: contains no table of numbers: download it again",
    ),
    ("MSL", replace("labeled_anomalies.csv", "[[1, 3]", "[[1, 3"), "labeled_anomalies.csv: cannot be read as a list"),
    (
        "MSL",
        replace("labeled_anomalies.csv", "[[1, 3]", "[[3, 1]"),
        "labeled_anomalies.csv: column 'anomaly_sequences'",
    ),
    ("MSL", replace("labeled_anomalies.csv", "[[1, 3]", "[1"), "labeled_anomalies.csv: column 'anomaly_sequences' of"),
    ("MSL", replace("labeled_anomalies.csv", "[[1, 3]", '[["a", 3]'), "labeled_anomalies.csv: "),
    ("MSL", replace("labeled_anomalies.csv", "spacecraft", "craft"), "labeled_anomalies.csv: has no column 'spac"),
    ("PSM", remove("test_label.csv"), ": there is no test_label.csv in it: name the folder of the unpacked source"),
    ("PSM", replace("test.csv", "feature_1", "feature_9"), "data/test.csv: its columns differ from those of train.csv"),
    ("PSM", replace("train.csv", "\n0.0,", "\n0.0,inf"), "data/train.csv: "),
    ("PSM", replace("test_label.csv", "\n0.0,1.0", ""), "data/test_label.csv: 5 x 1 labels for 6 test rows"),
    ("SWAT", remove("SWaT_Dataset_Normal_v1.csv"), ": there is no SWaT_Dataset_Normal_v1.csv in it: name the folder"),
    (
        "SWAT",
        replace("SWaT_Dataset_Attack_v0.csv", "Normal/Attack", "Label"),
        "SWaT_Dataset_Attack_v0.csv: no line names",
    ),
    (
        "SWAT",
        replace("SWaT_Dataset_Attack_v0.csv", ",A ttack", ",Odd"),
        "SWaT_Dataset_Attack_v0.csv: column 'Normal/Att",
    ),
    ("SWAT", replace("SWaT_Dataset_Attack_v0.csv", "P101", "P102"), "SWaT_Dataset_Attack_v0.csv: its columns differ"),
    (
        "SWAT",
        replace("SWaT_Dataset_Normal_v1.csv", ",Normal\n", ",Attack\n"),
        "SWaT_Dataset_Normal_v1.csv: row 1 is an",
    ),
    (
        "SWAT",
        replace("SWaT_Dataset_Normal_v1.csv", "AM,", "AM,,"),
        "SWaT_Dataset_Normal_v1.csv: line 2: 6 cells, but",
    ),
    (
        "SWAT",
        replace("SWaT_Dataset_Normal_v1.csv", "AM,", "AM,x"),
        "SWaT_Dataset_Normal_v1.csv: line 2: column 'FIT101'",
    ),
    (
        "SWAT",
        replace("SWaT_Dataset_Normal_v1.csv", "P101", "FIT101"),
        "SWaT_Dataset_Normal_v1.csv: column 'FIT101' occurs",
    ),
    (
        "SWAT",
        lambda source: (source / "SWaT_Dataset_Attack_v0.csv").write_bytes(b"PK\xff"),
        "SWaT_Dataset_Attack_v0.csv: ",
    ),
    (
        "SWAN",
        remove("NIPS_TS_Swan_test.npy"),
        ": there is no NIPS_TS_Swan_test.npy in it: name the folder of the unpack",
    ),
    (
        "SWAN",
        store("NIPS_TS_Swan_test.npy", np.ones((6, 3))),
        "NIPS_TS_Swan_test.npy: 3 channels, the training part has 2",
    ),
    (
        "SWAN",
        store("NIPS_TS_Swan_test_label.npy", np.ones((2, 3))),
        "NIPS_TS_Swan_test_label.npy: 2 x 3 labels for 6 tes",
    ),
    ("SWAN", store("NIPS_TS_Swan_train.npy", np.float64(1)), "NIPS_TS_Swan_train.npy: contains no table of numbers"),
    ("SWAN", store("NIPS_TS_Swan_train.npy", np.ones((0, 2))), "NIPS_TS_Swan_train.npy: contains no numbers"),
    (
        "SWAN",
        store("NIPS_TS_Swan_train.npy", np.ones((8, 2))),
        ": SWAN has 8 training rows instead of 7: the so",
    ),
    ("SWAN", store("NIPS_TS_Swan_test_label.npy", np.ones(6)), ": SWAN has 100.0 % of the test rows anomalous instead"),
]


@pytest.mark.parametrize(("name", "change", "message"), FAULTS)
def test_faulty_sources(miniature, out, capsys, name, change, message):
    _, source, _ = miniature(name)
    change(source)
    place = str(source) if message.startswith(":") else f"{source}/"
    expect_error(capsys, place + message, name, source, out)


def test_wrong_places(miniature, out, capsys, tmp_path):
    name, source, _ = miniature("SMD")
    expect_error(
        capsys, f"{tmp_path / 'no'}: no such folder; unpack the source and name its", name, tmp_path / "no", out
    )
    file = next(source.rglob("*.txt"))
    expect_error(capsys, f"{file}: no such folder; unpack the source and name its folder", name, file, out)
    missing = "there is no NIPS_TS_Swan_train.npy, no NIPS_TS_Swan_test.npy, no NIPS_TS_Swan_test_label.npy in it: name"
    expect_error(capsys, f"{source}: {missing}", "SWAN", source, out)
    expect_error(capsys, f"{file}: not a folder: name one with --out", name, source, file)


def test_a_file_that_is_there_twice(miniature, out, capsys):
    name, source, _ = miniature("GECCO")
    for folder in ("__MACOSX", ".hidden", "one", "two"):
        (source / folder).mkdir()
        (source / folder / "NIPS_TS_Water_train.npy").write_bytes((source / "NIPS_TS_Water_train.npy").read_bytes())
    assert run(name, source, out) == 0  # the one at the highest level counts
    capsys.readouterr()
    (source / "NIPS_TS_Water_train.npy").unlink()
    message = f"{source}: contains NIPS_TS_Water_train.npy twice, as {source / 'one'}"
    expect_error(capsys, message, name, source, out)


@pytest.mark.parametrize("name", ["XYZ", "swan"])
def test_unknown_names(name, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(name, tmp_path, tmp_path / "out")
    assert ended.value.code == 2
    assert "'SMD', 'MSL', 'SMAP', 'SWAT', 'PSM', 'GECCO', 'SWAN', 'ASD', 'UCR', 'TSB-AD-U'" in capsys.readouterr().err


def test_expectations_are_those_of_the_benchmark():
    meta = (REPOSITORY / "dataset" / "DETECT_META.csv").read_text().splitlines()[1:]
    rows = {line.split(",")[0]: int(line.split(",")[8]) for line in meta}
    assert {f"{name}.csv": dataset.train_rows for name, dataset in datasets.MULTIVARIATE.items()} == rows
    assert len(smd.SERVERS) == 28
    label = SHARED / "data" / "SMD_test_labels.npz"
    if label.exists():
        with np.load(label) as arrays:
            found = arrays["label"]
        assert len(found) == datasets.MULTIVARIATE["SMD"].test_rows
        assert round(100 * found.mean(), 1) == datasets.MULTIVARIATE["SMD"].anomalous


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
@pytest.mark.parametrize("call", range(3))
def test_what_is_interrupted_leaves_nothing(miniature, out, capsys, monkeypatch, call, fault, keeps):
    """The names are those of the finished CSV, in its own folder, and then of both files in place."""
    name, source, _ = miniature("SWAN")
    if keeps:
        (out / "data").mkdir(parents=True)
        (out / "data" / "X.csv").write_text("kept")
    before, give_name, calls = contents(out), os.replace, iter(range(9))

    def fail(*names):
        if next(calls) == call:
            raise fault
        give_name(*names)

    monkeypatch.setattr("os.replace", fail)
    assert run(name, source, out) == (130 if fault is KeyboardInterrupt else 2)
    ending = "interrupted: run the command again\n" if fault is KeyboardInterrupt else "No space left on device\n"
    assert capsys.readouterr().err.endswith(ending)
    assert contents(out) == before
    assert out.parent.exists() == keeps
    monkeypatch.undo()


def test_staging_keeps_folders_that_others_use(tmp_path):
    out = tmp_path / "a" / "b"

    def fail():
        with staging(out) as stage:
            assert stage.parent == out
            (out / "other").write_text("of somebody else")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert contents(tmp_path) == {"a/b/other": b"of somebody else"}


def test_install_tells_what_changed(tmp_path):
    with staging(tmp_path / "out") as stage:
        (stage / "a").mkdir()
        for file in ("a/same", "a/new", "other"):
            (stage / file).write_text("1")
        (tmp_path / "out" / "a").mkdir()
        (tmp_path / "out" / "a" / "same").write_text("1")
        (tmp_path / "out" / "other").write_text("2")
        assert install(stage, tmp_path / "out") == [tmp_path / "out" / "a" / "new", tmp_path / "out" / "other"]
    assert contents(tmp_path / "out") == dict.fromkeys(["a/new", "a/same", "other"], b"1")


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("call", range(3))
def test_install_gives_back_what_it_has_replaced(tmp_path, monkeypatch, call, links):
    give_name, calls = os.replace, iter(range(9))

    def fail(*names):
        if next(calls) == call:
            raise KeyboardInterrupt
        give_name(*names)

    def no_links(*_):
        raise OSError("no links here")

    def write(content, *files):
        for file in files:
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)

    write("old", tmp_path / "out" / "a", tmp_path / "out" / "c")
    before = contents(tmp_path / "out")
    monkeypatch.setattr("os.replace", fail)
    if not links:
        monkeypatch.setattr("os.link", no_links)

    def replace_all():
        with staging(tmp_path / "out") as stage:
            write("new", stage / "a", stage / "b", stage / "c")
            install(stage, tmp_path / "out")

    with pytest.raises(KeyboardInterrupt):
        replace_all()
    assert contents(tmp_path / "out") == before


@pytest.fixture(scope="module")
def msl(tmp_path_factory):
    """Return telemanom's layout with the real numbers, and these; the training part is cut at arbitrary points."""
    path = SHARED / "data" / "MSL.npz"
    if not path.exists():
        pytest.skip("needs ../shared/data/MSL.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    source = tmp_path_factory.mktemp("telemanom")
    starts = np.cumsum([0, *MSL_TEST_ROWS.values()])
    assert starts[-1] == len(arrays["test"])
    cuts = np.linspace(0, len(arrays["train"]), len(starts)).astype(int)
    table = ["chan_id,spacecraft,anomaly_sequences,class,num_values", 'P-2,SMAP,"[[5350, 6575]]",[point],8209']
    for folder in ("train", "test"):
        (source / "data" / folder).mkdir(parents=True)
    for index, (channel, rows) in enumerate(MSL_TEST_ROWS.items()):
        span = slice(starts[index], starts[index + 1])
        np.save(source / "data" / "train" / f"{channel}.npy", arrays["train"][cuts[index] : cuts[index + 1]])
        np.save(source / "data" / "test" / f"{channel}.npy", arrays["test"][span])
        edges = np.flatnonzero(np.diff(arrays["test_label"][span], prepend=0, append=0))
        events = json.dumps([[int(first), int(end) - 1] for first, end in edges.reshape(-1, 2)])
        table.insert(1 + index % 2, f'{channel},MSL,"{events}",[point],{rows}')
    (source / "labeled_anomalies.csv").write_text("\n".join(table) + "\n")
    return source, arrays


def command(name, source, out):
    return [sys.executable, "-m", "data_provider.prepare", name, "--source", str(source), "--out", str(out)]


def test_msl_on_its_real_numbers(msl, tmp_path):
    source, arrays = msl
    call = command("MSL", source, tmp_path / "new" / "dataset")
    ended = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        "MSL: 55 channels, 58317 training rows, 73729 test rows, 10.5 % of the test rows anomalous\n"
        f"{tmp_path / 'new' / 'dataset' / 'data' / 'MSL.csv'}: written\n"
    )
    found = read_dataset(tmp_path / "new" / "dataset", "MSL")
    for part in ("train", "test", "test_label"):
        np.testing.assert_array_equal(getattr(found, part), arrays[part])


# The program, which a signal ends when the file has been written but is not yet in its place.
ENDED = """
import os, signal, sys
from data_provider.prepare.__main__ import main_of_process

replace = os.replace

def end_or_replace(source, target):
    if os.path.basename(target) == "MSL.csv":
        assert os.path.getsize(source) > 0
        os.kill(os.getpid(), signal.SIGTERM)
    replace(source, target)

os.replace = end_or_replace
sys.exit(main_of_process())
"""


def test_an_end_by_signal_while_the_file_is_written(msl, tmp_path):
    call = [sys.executable, "-c", ENDED, *command("MSL", msl[0], tmp_path / "new" / "dataset")[3:]]
    ended = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "interrupted: run the command again\n")
    assert not list(tmp_path.iterdir())
