"""The notebook runs from top to bottom, and shows what it did when it was saved."""

import json

import pytest

from tests.support.paths import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "first-steps.ipynb"
LARGEST = 300_000  # bytes, with its pictures


def kinds(cells):
    """Return the kinds of output of each cell of code."""
    return [
        [set(output.get("data", {})) or output["output_type"] for output in cell["outputs"]]
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def test_it_is_small_and_was_saved_after_a_whole_run():
    assert NOTEBOOK.stat().st_size < LARGEST
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert sum({"image/png"} <= kind for cell in kinds(cells) for kind in cell if isinstance(kind, set)) == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of Jupyter are not ours
def test_it_runs():
    nbformat = pytest.importorskip("nbformat", reason="requirements-dev.txt has nbclient, which brings it")
    client = pytest.importorskip("nbclient", reason="requirements-dev.txt has it")
    notebook = nbformat.read(str(NOTEBOOK), as_version=4)
    saved = kinds(notebook.cells)
    client.NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    assert kinds(notebook.cells) == saved
