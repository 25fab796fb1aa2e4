"""The colours of the page's marks, as readers with and without a colour vision deficiency see them."""

import itertools
import re

import numpy as np
import pytest

from exp.report.page import FOLDER

MARKS = ("score", "flagged-line", "labelled", "ink")
# What is left of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
SIGHT = {
    "usual": np.eye(3),
    "without red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "without green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "without blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def themes():
    """Return the colours of the light and of the dark theme."""
    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    found = re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", style)
    return {"light": dict(found[: len(found) // 2]), "dark": dict(found[len(found) // 2 :])}


def lab(colour, sight):
    """Return the place of a colour in CIELAB, where distances are as they are seen."""
    share = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    white = XYZ.sum(axis=1)
    x, y, z = np.cbrt(XYZ @ np.clip(np.asarray(sight) @ linear, 0, 1) / white)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT.values(), ids=SIGHT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_are_told_apart(theme, sight):
    places = {mark: lab(themes()[theme][mark], sight) for mark in MARKS}
    distances = {pair: np.linalg.norm(places[pair[0]] - places[pair[1]]) for pair in itertools.combinations(MARKS, 2)}
    assert {pair: distance for pair, distance in distances.items() if distance < 25} == {}
