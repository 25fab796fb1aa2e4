"""Damaged files: they are refused in one line, or read without loss."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_provider import DataError
from data_provider.read.recording import read_recording

DATES = "".join(
    f"2024-06-{12 + row // 24:02d} {row % 24:02d}:00,{row % 7}.5,{row},{int(row == 9)}\n" for row in range(30)
)
BASES = [
    "time,a,b,label\n" + DATES,
    DATES,
    "Zeit;Druck\n" + "".join(f"{12 + row // 24:02d}.06.2024 {row % 24:02d}:00;{row % 5},25\n" for row in range(30)),
    "ts\tx\n" + "".join(f"{1718150400 + 10 * row}\t{row * row}\n" for row in range(30)),
    "v\n" + "".join(f"{row % 9}\n" for row in range(30)),
    "date,data,cols\n" + "".join(f"{row},{row % 4},{key}\n" for key in ("a", "b", "label") for row in range(2)),
]
SNIPPETS = [
    "",
    ",",
    ";",
    "\t",
    '"',
    "\n",
    "\r\n",
    "\n\n",
    "nan",
    "inf",
    "1e400",
    "-999",
    "?",
    "x",
    "é",
    "\ufeff",
    "\0",
    "1,5",
    "#",
]
SNIPPETS += ["2024-06-12", "24:00", "12/06/2024", "0x1", "1_0", "99999999999999999999", " ", "Z", "true", "١"]
PLACE = st.floats(0, 1, exclude_max=True)
EDIT = st.tuples(
    st.sampled_from(["insert", "delete", "line", "double", "drop", "swap"]), PLACE, st.sampled_from(SNIPPETS)
)


def edited(text, kind, place, snippet):
    at = int(place * len(text))
    lines = text.split("\n")
    row = int(place * len(lines))
    if kind == "insert":
        return text[:at] + snippet + text[at:]
    if kind == "delete":
        return text[:at] + text[at + 1 + len(snippet) :]
    if kind == "line":
        lines[row] = snippet
    elif kind == "double":
        lines.insert(row, lines[row])
    elif kind == "drop":
        del lines[row]
    else:
        cells = lines[row].split(",")
        cells[int(place * len(cells))] = snippet
        lines[row] = ",".join(cells)
    return "\n".join(lines)


def read(path, missing):
    """Return what is read, or the error message."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read_recording(path, missing=missing), ""
    except DataError as error:
        return None, str(error)


@given(
    st.sampled_from(BASES),
    st.lists(EDIT, min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    st.sampled_from(["error", "interpolate"]),
)
@settings(max_examples=250)
def test_damaged_files(tmp_path_factory, base, edits, encoding, missing):
    text = base
    for edit in edits:
        text = edited(text, *edit)
    path = tmp_path_factory.mktemp("fuzz") / "X.csv"
    path.write_bytes(text.encode(encoding, errors="replace"))
    recording, fault = read(path, missing)
    if fault:
        assert fault.startswith(f"{path}: ")
        assert "\n" not in fault
        return
    assert np.isfinite(recording.values).all()
    assert recording.values.shape[1] == len(recording.channels)
    assert recording.times is None or (len(recording.times) == len(recording.values) and not recording.times.hasnans)
    assert recording.label is None or len(recording.label) == len(recording.values)
    filled = [line for line in text.replace("\ufeff", "").replace("\r", "\n").split("\n") if line.strip()]
    notes = " ".join(recording.notes)
    lost = len(filled) - len(recording.values)
    # A header is not a row; the rows of a long file are those of its blocks; quoted cells may hold ends of lines; and
    # in a single column, a blank line is a row without a value.
    if "long file" not in notes and text.count('"') == 0:
        assert lost <= (0 if "read as data" in notes else 1), (text, recording.notes)
