import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from data_provider import read_tsb_ad, read_ucr
from data_provider.prepare.__main__ import main
from data_provider.prepare.archives import ARCHIVES
from tests.support.paths import REPOSITORY

SHARED_UCR = REPOSITORY.parent / "shared" / "data" / "UCR_archive.zip"
PUBLISHED = dict(ARCHIVES)
# Miniatures of the two archives: folders as published, series that the benchmark uses, and others that it does not.
FOLDER = "AnomalyDatasets_2021/FilesAreInHere/UCR_Anomaly_FullData"
CONTENTS = {
    "UCR": {
        f"{FOLDER}/001_UCR_Anomaly_DISTORTEDa_2_4_6.txt": "1\n2\n3\n4\n5\n6\n7\n",
        f"{FOLDER}/079_UCR_Anomaly_b_1_2_2.txt": "  1e0  2.5  3\n",
        "AnomalyDatasets_2021/slides.pptx": "slides",
        f"__MACOSX/{FOLDER}/._001_UCR_Anomaly_DISTORTEDa_2_4_6.txt": "attributes",
    },
    "TSB-AD-U": {
        "TSB-AD-U/001_NAB_id_1_Facility_tr_2_1st_3.csv": "Data,Label\n1.5,0\n2,0\n3,0\n4,1\n",
        "TSB-AD-U/002_NAB_id_2_WebService_tr_1_1st_3.csv": "Data,Label\n1.5,0\n2,0\n3,0\n",
        "TSB-AD-U/870_YAHOO_id_9_Synthetic_tr_1_1st_3.csv": "not of the benchmark",
    },
}
WANTED = {name: [Path(member).name for member in list(members)[:2]] for name, members in CONTENTS.items()}


@pytest.fixture(autouse=True)
def lists(tmp_path, monkeypatch):
    """Let the benchmark's lists name the miniatures' series."""
    for name, series in WANTED.items():
        path = tmp_path / f"{name}_settings.csv"
        path.write_text("\n".join(["name,model_setting", *(f"{file},1" for file in series)]) + "\n")
        monkeypatch.setitem(ARCHIVES, name, ARCHIVES[name]._replace(series=path))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "dataset"


def pack(path, members, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as package:
        for member, content in members.items():
            package.writestr(member, content)
    return path


def run(name, source, out):
    return main([name, "--source", str(source), "--out", str(out)])


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expect_error(capsys, message, name, source, out):
    assert run(name, source, out) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert not out.parent.exists()


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("name", CONTENTS)
def test_archives(tmp_path, out, capsys, name, as_folder):
    path = pack(tmp_path / "downloads" / f"{name}.zip", CONTENTS[name])
    source = path.parent if as_folder else path
    target = out / ARCHIVES[name].folder
    expected = {Path(member).name: text.encode() for member, text in list(CONTENTS[name].items())[:2]}
    assert run(name, source, out) == 0
    assert capsys.readouterr().out == f"{name}: 2 series\n{target}: written\n"
    assert contents(target) == expected
    assert [path.name for path in out.iterdir()] == [target.name]
    (target / "other.txt").write_text("kept")
    assert run(name, source, out) == 0
    assert capsys.readouterr().out == f"{name}: 2 series\n{target}: already done, nothing changed\n"
    (target / next(iter(expected))).unlink()
    assert run(name, source, out) == 0
    assert contents(target) == expected | {"other.txt": b"kept"}


def test_the_lists_and_readers_of_the_benchmark():
    assert {name: archive.read for name, archive in PUBLISHED.items()} == {"UCR": read_ucr, "TSB-AD-U": read_tsb_ad}
    lines = {name: archive.series.read_text().splitlines() for name, archive in PUBLISHED.items()}
    assert {name: len(rows) - 1 for name, rows in lines.items()} == {"UCR": 250, "TSB-AD-U": 350}


FIRST, SECOND = WANTED["UCR"]
LINK = zipfile.ZipInfo("link.txt")
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16
OUTSIDE = [
    "../evil.txt",
    "a/../../evil.txt",
    "/etc/evil.txt",
    "C:\\evil.txt",
    "C:evil.txt",
    "\\\\host\\x\\evil",
    "..\\evil",
]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        *[({member: "x"}, f"holds '{member}', which leads outside it: get it from") for member in OUTSIDE],
        ({f"../{FIRST}": "1 2 3 4 5 6 7"}, f"holds '../{FIRST}', which leads outside it"),
        ({LINK: "/etc/passwd"}, "holds 'link.txt', which leads outside it"),
        ({f"again/{FIRST}": "1 2 3 4 5 6 8"}, f"contains two different files {FIRST}: get it from its publisher"),
        ({f"{FOLDER}/{FIRST}": "1 2 3 4 5 6 x"}, f"{FIRST}: cannot be read as a list of numbers: could not convert"),
        ({f"{FOLDER}/{FIRST}": "1 2 3 4 5"}, f"{FIRST}: the event 4-6 in the name does not fit 5 values"),
        ({f"{FOLDER}/{FIRST}": ""}, f"{FIRST}: "),
    ],
)
def test_faulty_archives(tmp_path, out, capsys, more, message):
    path = pack(tmp_path / "x.zip", CONTENTS["UCR"] | more)
    expect_error(capsys, f"{path}: {message}", "UCR", path, out)


def test_a_series_that_is_there_twice_alike(tmp_path, out):
    (member, text), *_ = CONTENTS["UCR"].items()
    assert run("UCR", pack(tmp_path / "x.zip", CONTENTS["UCR"] | {f"again/{Path(member).name}": text}), out) == 0


@pytest.mark.parametrize(
    "members",
    [{"readme.txt": "nothing"}, {}, {f"{FOLDER}/{FIRST}/": ""}, {f"{FOLDER}/001_UCR_Anomaly_other_2_4_6.txt": "1 2"}],
)
def test_an_archive_without_any_of_the_series(tmp_path, out, capsys, members):
    path = pack(tmp_path / "x.zip", members)
    expect_error(capsys, f"{path}: contains none of the 2 series, such as {FIRST}: name another (see", "UCR", path, out)


def test_an_archive_with_part_of_the_series(tmp_path, out, capsys):
    target = out / "UCR_Anomaly_FullData"
    path = pack(tmp_path / "x.zip", {f"{FOLDER}/{FIRST}/": "", f"{FOLDER}/{SECOND}": "1 2 3"})
    for ending in ("written", "already done, nothing changed"):
        assert run("UCR", path, out) == 0
        written = capsys.readouterr().out
        assert written == f"UCR: 1 of 2 series; {target} still lacks 1: 001\n{target}: {ending}\n"
    assert contents(target) == {SECOND: b"1 2 3"}
    path = pack(tmp_path / "y.zip", dict(list(CONTENTS["UCR"].items())[:1]))  # the other part, from another archive
    assert run("UCR", path, out) == 0
    assert capsys.readouterr().out == f"UCR: 1 of 2 series\n{target}: written\n"
    assert set(contents(target)) == {FIRST, SECOND}


def test_series_that_lie_there_unpacked(tmp_path, out, capsys):
    source = tmp_path / "downloads"
    for member, content in CONTENTS["UCR"].items():
        (source / member).parent.mkdir(parents=True, exist_ok=True)
        (source / member).write_text(content)
    assert run("UCR", source, out) == 0
    target = out / "UCR_Anomaly_FullData"
    assert capsys.readouterr().out == f"UCR: 2 series\n{target}: written\n"
    assert set(contents(target)) == {FIRST, SECOND}
    (source / FIRST).write_text("1 2 3 4 5 6 8")
    assert run("UCR", source, tmp_path / "other") == 2
    assert capsys.readouterr().err.startswith(f"error: {source}: ")
    (source / FIRST).unlink()
    (source / FOLDER / FIRST).write_text("x")
    assert run("UCR", source, tmp_path / "other") == 2
    assert f"{source}: {FIRST}: cannot be read as a list of numbers" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_missing_series_are_told_by_their_numbers(tmp_path, out, capsys):
    names = [f"{number:03d}_NAB_id_1_Facility_tr_2_1st_3.csv" for number in (1, 2, 3, 5, 8, 9)]
    ARCHIVES["TSB-AD-U"].series.write_text("\n".join(["name,model_setting", *(f"{name},1" for name in names)]) + "\n")
    path = pack(tmp_path / "x.zip", {names[3]: "Data,Label\n1.5,0\n2,0\n3,0\n4,1\n"})
    assert run("TSB-AD-U", path, out) == 0
    assert "1 of 6 series; " in (written := capsys.readouterr().out)
    assert "still lacks 5: 001–003, 008–009\n" in written


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_UCR.exists(), reason="needs ../shared/data/UCR_archive.zip")
def test_part_of_the_real_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(ARCHIVES, "UCR", PUBLISHED["UCR"])
    assert run("UCR", SHARED_UCR, tmp_path / "dataset") == 0
    assert "UCR: 198 of 250 series; " in (written := capsys.readouterr().out)
    assert "still lacks 52: 001–002, 005, 010, 015, " in written
    folder = tmp_path / "dataset" / "UCR_Anomaly_FullData"
    numbers = [int(path.name[:3]) for path in sorted(folder.iterdir())]
    assert numbers == [number for number in range(3, 250) if number % 5]
    for number in (204, 206, 207, 208, 226, 243):  # all values on one line
        (path,) = folder.glob(f"{number}_*")
        assert len(read_ucr(path).test) > 1000


def test_wrong_places(tmp_path, out, capsys):
    expect_error(capsys, f"{tmp_path / 'no'}: no such file or folder; name the zip file", "UCR", tmp_path / "no", out)
    source = tmp_path / "downloads"
    source.mkdir()
    expect_error(capsys, f"{source}: 0 zip files in it, expected one: name the zip file", "UCR", source, out)
    for file in ("a.zip", "b.zip"):
        pack(source / file, CONTENTS["UCR"])
    expect_error(capsys, f"{source}: 2 zip files in it, expected one: name the zip file", "UCR", source, out)


def test_a_password(tmp_path, out, capsys):
    path = pack(tmp_path / "x.zip", CONTENTS["UCR"])
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", content, content.index(signature) + offset, 1)
    path.write_bytes(content)
    expect_error(capsys, f"{path}: '{FOLDER}/{FIRST}' needs a password: unpack it and zip", "UCR", path, out)


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.95, 0.999])
def test_truncated_archives(tmp_path, out, capsys, share):
    path = pack(tmp_path / "x.zip", CONTENTS["UCR"])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    expect_error(capsys, f"{path}: truncated, or not a valid zip file: ", "UCR", path, out)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_archives_give_what_they_held_or_an_error(tmp_path, capsys, method):
    draw = random.Random(method)
    buffer = io.BytesIO()
    series = {f"{FOLDER}/{FIRST}": "1 2 3 4 5 6 7 " * 30, f"{FOLDER}/{SECOND}": "1 2 3 "}
    with zipfile.ZipFile(buffer, "w", method) as package:
        for member, content in series.items():
            package.writestr(member, content)
    sound, path = buffer.getvalue(), tmp_path / "x.zip"
    expected = {Path(member).name: text.encode() for member, text in series.items()}
    refused = 0
    for number in range(80):
        damaged = bytearray(sound)
        for _ in range(draw.choice([1, 3])):
            damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        if run("UCR", path, tmp_path / str(number)) == 0:
            assert contents(tmp_path / str(number) / "UCR_Anomaly_FullData") == expected
        else:
            refused += 1
            assert not (tmp_path / str(number)).exists()
            error = capsys.readouterr().err
            assert error.startswith(f"error: {path}: ")
            assert error.count("\n") == 1
    assert refused > 25


@pytest.mark.parametrize("call", range(2))
def test_an_interrupt_between_two_files_takes_the_first_back(tmp_path, out, capsys, monkeypatch, call):
    path = pack(tmp_path / "x.zip", CONTENTS["UCR"])
    replace, calls = Path.replace, iter(range(9))

    def give_name(source, target):
        if next(calls) == call:
            raise KeyboardInterrupt
        replace(Path(source), target)

    monkeypatch.setattr("os.replace", give_name)
    assert run("UCR", path, out) == 130
    assert capsys.readouterr().err == "interrupted: run the command again\n"
    assert not out.parent.exists()
