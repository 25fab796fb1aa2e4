"""Fetching sources from a server on this machine."""

import hashlib
import http.server
import io
import subprocess
import sys
import threading
import time
import zipfile

import numpy as np
import pytest

from data_provider import read_dataset
from data_provider.prepare import datasets, download
from data_provider.prepare.__main__ import main
from data_provider.prepare.archives import ARCHIVES
from data_provider.prepare.publishers import Mirror, Remote
from tests.support.local_site import Site, handler
from tests.support.paths import REPOSITORY


@pytest.fixture
def site(monkeypatch):
    site = Site()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(download, "PIECE", 10)
    yield site
    server.shutdown()
    server.server_close()


PREFIX = "NIPS_TS_Swan"
PARTS = {"train": np.arange(8.0).reshape(4, 2), "test": np.ones((5, 2)), "test_label": np.array([0.0, 0, 1, 0, 0])}


def as_npy(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


FILES = {f"{PREFIX}_{part}.npy": as_npy(values) for part, values in PARTS.items()}
TRAIN, TEST, LABEL = FILES


@pytest.fixture
def swan(site, monkeypatch):
    """Let SWAN be a miniature on the server, with a mirror at the same server's path mirror/."""
    sizes = {"channels": 2, "train_rows": 4, "test_rows": 5, "anomalous": 20.0}
    monkeypatch.setitem(datasets.MULTIVARIATE, "SWAN", datasets.MULTIVARIATE["SWAN"]._replace(**sizes))
    site.contents = {f"{place}{name}": content for place in ("", "mirror/") for name, content in FILES.items()}

    def mirrors(name, servers=()):
        assert name == "SWAN"
        return [
            Mirror("first", tuple(Remote(f"{site.address}/{file}", file) for file in FILES)),
            Mirror("second", tuple(Remote(f"{site.address}/mirror/{file}", file) for file in FILES)),
        ]

    monkeypatch.setattr(download, "mirrors", mirrors)
    return site


@pytest.fixture
def places(tmp_path):
    return tmp_path / "cache", tmp_path / "made" / "dataset"


def run(places, name="SWAN", *options):
    return main([name, "--download", "--cache", str(places[0]), "--out", str(places[1]), *options])


def check_swan(out):
    found = read_dataset(out, "SWAN")
    for part, values in PARTS.items():
        np.testing.assert_array_equal(getattr(found, part), values)


def error_of(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("error: ")


def kept(cache):
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def test_a_download_is_prepared_and_kept(swan, places, capsys):
    assert run(places) == 0
    assert capsys.readouterr().out.endswith("SWAN.csv: written\n")
    check_swan(places[1])
    assert swan.paths() == list(FILES)
    assert kept(places[0]) == sorted(f"first/{file}" for file in FILES)
    assert run(places) == 0
    assert capsys.readouterr().out.endswith("SWAN.csv: already done, nothing changed\n")
    assert swan.paths() == list(FILES)  # no further request


def test_a_missing_file_is_taken_from_the_mirror(swan, places):
    del swan.contents[TEST]
    assert run(places) == 0
    check_swan(places[1])
    assert swan.paths() == [TRAIN, TEST, *(f"mirror/{file}" for file in FILES)]


def test_no_mirror_has_it(swan, places, capsys):
    del swan.contents[TEST], swan.contents[f"mirror/{LABEL}"]
    assert run(places) == 2
    error = error_of(capsys)
    assert error.startswith(f"SWAN cannot be downloaded: {swan.address}/{TEST}: 404 Not Found; ")
    assert f"; {swan.address}/mirror/{LABEL}: 404 Not Found: try again later, or fetch it yourself" in error
    assert not places[1].parent.exists()
    swan.contents[TEST] = FILES[TEST]
    assert run(places) == 0
    assert swan.paths().count(TRAIN) == 1  # valid files are kept


def test_nobody_answers(swan, places, capsys, monkeypatch):
    monkeypatch.setattr(download, "mirrors", lambda *_: [Mirror("x", (Remote("http://127.0.0.1:9/x.npy", "x.npy"),))])
    assert run(places) == 2
    error = error_of(capsys)
    assert error.startswith(
        "SWAN cannot be downloaded: http://127.0.0.1:9/x.npy: Failed to establish a new connection: "
    )


@pytest.mark.parametrize("breaks", [[50], [0], [50, 10, 20]])
def test_a_break_is_gone_on_from(swan, places, breaks):
    swan.breaks[TEST] = list(breaks)
    assert run(places) == 0
    check_swan(places[1])
    starts = [sum(breaks[:count]) for count in range(len(breaks) + 1)]
    asked = [begin for path, begin in swan.requests if path == TEST]
    assert asked == [f"bytes={start}-" if start else None for start in starts]
    assert kept(places[0]) == sorted(f"first/{file}" for file in FILES)


def test_a_download_that_is_always_cut_short(swan, places, capsys):
    size = len(FILES[TEST])
    swan.version = None  # so that it starts over each time
    for path in (TEST, f"mirror/{TEST}"):
        swan.breaks[path] = [50] * download.ATTEMPTS
    assert run(places) == 2
    assert f"{swan.address}/{TEST}: " in (error := error_of(capsys))
    assert "50" in error
    assert str(size) in error or str(size - 50) in error
    assert not places[1].parent.exists()
    assert run(places) == 0
    check_swan(places[1])


def test_a_later_run_goes_on_with_what_is_there(swan, places):
    swan.breaks[TEST] = [40, 1, 1, 1]
    swan.breaks[f"mirror/{TEST}"] = [1, 1, 1, 1]
    assert run(places) == 2
    assert f"first/{TEST}.part" in kept(places[0])
    swan.requests.clear()
    assert run(places) == 0
    assert swan.requests == [(TEST, "bytes=40-"), (LABEL, None)]
    check_swan(places[1])


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_whole(swan, places, ranges):
    """The existing part has different bytes; joined, the two would be an array of wrong numbers."""
    swan.contents[TEST] = as_npy(np.full((5, 2), 7.0))
    swan.breaks[TEST] = [140, 1, 1, 1]
    swan.breaks[f"mirror/{TEST}"] = [1, 1, 1, 1]
    assert run(places) == 2
    swan.contents[TEST], swan.version, swan.ranges = FILES[TEST], '"2"', ranges
    assert run(places) == 0
    check_swan(places[1])


def test_a_part_that_is_longer_than_the_file(swan, places):
    folder = places[0] / "first"
    folder.mkdir(parents=True)
    (folder / f"{TEST}.part").write_bytes(b"x" * 10_000)
    (folder / f"{TEST}.part.mark").write_text(swan.version)
    assert run(places) == 0
    check_swan(places[1])


def test_a_part_of_an_unknown_version_is_not_used(swan, places):
    folder = places[0] / "first"
    folder.mkdir(parents=True)
    (folder / f"{TEST}.part").write_bytes(b"x" * 50)
    assert run(places) == 0
    check_swan(places[1])


def test_an_altered_file_is_refused_by_its_digest(swan, places, monkeypatch, capsys):
    digests = {file: f"md5:{hashlib.md5(content).hexdigest()}" for file, content in FILES.items()}
    files = tuple(Remote(f"{swan.address}/{file}", file, digests[file]) for file in FILES)
    monkeypatch.setattr(download, "mirrors", lambda *_: [Mirror("first", files)])
    swan.contents[TEST] = as_npy(np.full((5, 2), 7.0))
    assert run(places) == 2
    assert f"{swan.address}/{TEST}: its content does not match the publisher's digest (md5:" in error_of(capsys)
    assert kept(places[0]) == [f"first/{TRAIN}"]
    assert not places[1].parent.exists()
    swan.contents[TEST] = FILES[TEST]
    assert run(places) == 0
    (places[0] / "first" / TEST).write_bytes(b"altered where it is kept")
    assert run(places) == 0
    assert (places[0] / "first" / TEST).read_bytes() == FILES[TEST]


@pytest.mark.parametrize("content", [b"<html>sign in</html>", as_npy(np.ones((9, 2)))])
def test_an_altered_file_is_refused_by_its_content(swan, places, capsys, content):
    swan.contents[TEST] = content
    assert run(places) == 0
    check_swan(places[1])  # of the mirror
    assert kept(places[0]) == sorted(f"second/{file}" for file in FILES)
    swan.contents[f"mirror/{TEST}"] = content
    (places[0] / "second" / TEST).write_bytes(content)
    assert run(places) == 2
    assert "SWAN cannot be downloaded: " in error_of(capsys)
    assert kept(places[0]) == []
    check_swan(places[1])  # existing content stays


def test_a_cache_that_cannot_be_written(swan, places, capsys):
    places[0].write_text("a file")
    assert run(places) == 2
    error = error_of(capsys)
    assert error.startswith(f"{places[0] / 'first' / TRAIN}: cannot be written: ")
    assert error.endswith("; name another folder with --cache")
    assert swan.requests == []


def test_a_file_that_comes_packed(swan, places):
    swan.packed = True
    assert run(places) == 0
    check_swan(places[1])


def test_what_is_kept_and_damaged_is_fetched_again(swan, places):
    assert run(places) == 0
    (places[0] / "first" / TEST).write_bytes(b"damaged")
    swan.requests.clear()
    assert run(places) == 0
    assert swan.paths() == list(FILES)


def test_a_fault_of_the_target_is_none_of_the_source(swan, places, capsys):
    places[1].mkdir(parents=True)
    (places[1] / "DETECT_META.csv").write_text("file_name,train_lens\nSWAN.csv,5\n")
    assert run(places) == 2
    assert error_of(capsys).startswith(f"{places[1] / 'DETECT_META.csv'}: column 'train_lens' of SWAN.csv holds 5")
    assert len(kept(places[0])) == 3
    assert swan.paths() == list(FILES)


def test_a_mirror_whose_package_is_missing_is_passed_over(swan, places, monkeypatch, capsys):
    files = tuple(Remote(f"{swan.address}/{file}", file) for file in FILES)
    needing = Mirror("first", files, package="no_such_package")
    monkeypatch.setattr(download, "mirrors", lambda *_: [needing])
    assert run(places) == 2
    assert "127.0.0.1: needs the package no_such_package: pip install no_such_package: try" in error_of(capsys)
    assert swan.requests == []
    monkeypatch.setattr(download, "mirrors", lambda *_: [needing, Mirror("second", files)])
    assert run(places) == 0


def as_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def telemanom(site, monkeypatch):
    table = 'chan_id,spacecraft,anomaly_sequences,class,num_values\nA-1,MSL,"[[2, 2]]",[point],5\n'
    members = {f"data/{part}/A-1.npy": as_npy(PARTS[part]) for part in ("train", "test")}
    site.contents = {"data.zip": as_zip(members), "labeled_anomalies.csv": table.encode()}
    sizes = {"channels": 2, "train_rows": 4, "test_rows": 5, "anomalous": 20.0}
    monkeypatch.setitem(datasets.MULTIVARIATE, "MSL", datasets.MULTIVARIATE["MSL"]._replace(**sizes))
    files = tuple(Remote(f"{site.address}/{file}", file) for file in site.contents)
    monkeypatch.setattr(download, "mirrors", lambda *_: [Mirror("telemanom", files, unpacked=True)])
    return site


def test_a_zip_file_is_unpacked(telemanom, places, capsys):
    for _ in range(2):
        assert run(places, "MSL") == 0
    assert len(telemanom.requests) == 2
    found = read_dataset(places[1], "MSL")
    np.testing.assert_array_equal(found.test, PARTS["test"])
    np.testing.assert_array_equal(found.test_label, PARTS["test_label"])


@pytest.mark.parametrize("share", [0.3, 0.98])
def test_a_zip_file_that_is_damaged_at_its_source(telemanom, places, capsys, share):
    content = telemanom.contents["data.zip"]
    telemanom.contents["data.zip"] = content[: int(share * len(content))]
    assert run(places, "MSL") == 2
    assert "data.zip: truncated, or not a valid zip file: " in error_of(capsys)
    assert kept(places[0]) == []
    telemanom.contents["data.zip"] = content
    assert run(places, "MSL") == 0


def test_an_archive_of_series(site, places, monkeypatch, tmp_path, capsys):
    name = "001_UCR_Anomaly_a_2_4_6.txt"
    listed = tmp_path / "settings.csv"
    listed.write_text(f"name,model_setting\n{name},1\n002_UCR_Anomaly_b_2_4_6.txt,1\n")
    monkeypatch.setitem(ARCHIVES, "UCR", ARCHIVES["UCR"]._replace(series=listed))
    site.contents = {"x.zip": as_zip({f"deep/{name}": "1 2 3 4 5 6 7"})}
    remote = Remote(f"{site.address}/x.zip", "x.zip")
    monkeypatch.setattr(download, "mirrors", lambda *_: [Mirror("ucr", (remote,))])
    assert run(places, "UCR") == 0
    assert "UCR: 1 of 2 series; " in capsys.readouterr().out
    assert (places[1] / "UCR_Anomaly_FullData" / name).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["SWAT", "--download"],
            "SWAT cannot be downloaded: iTrust provides it on request only: ask for SWaT.A1 & A2 at ",
        ),
        (["SWAN", "--download", "--server", "all"], "--server: SWAN is not a dataset of servers"),
        (["SWAN", "--source", "x", "--cache", "y"], "--cache needs --download: leave it out, or add --download"),
    ],
)
def test_requests_without_an_effect(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert error_of(capsys).startswith(message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [[], ["--download", "--source", "x"]])
def test_a_source_or_a_download(capsys, options):
    with pytest.raises(SystemExit) as ended:
        main(["SWAN", *options])
    assert ended.value.code == 2


def test_an_interrupted_download_is_gone_on_with(tmp_path, site):
    """A real process that is killed while the server waits, followed by another one."""
    code = (
        "import sys\n"
        "from data_provider.prepare import download\n"
        "from data_provider.prepare.publishers import Mirror, Remote\n"
        "from pathlib import Path\n"
        f"files = (Remote('{site.address}/big.bin', 'big.bin'),)\n"
        "download.mirrors = lambda *_: [Mirror('x', files)]\n"
        "folder = download.download('SWAN', (), Path(sys.argv[1]), lambda source: source)\n"
        "print((folder / 'big.bin').stat().st_size)\n"
    )
    size = 4 << 20
    site.contents["big.bin"] = bytes(size)
    site.breaks["big.bin"] = [size // 2]
    site.release.clear()
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        part = tmp_path / "x" / "big.bin.part"
        while not (part.exists() and part.stat().st_size > size // 4):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    site.release.set()
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout == f"{size}\n"
    assert site.requests[-1][1] is not None
    assert not list(tmp_path.rglob("*.part*"))
