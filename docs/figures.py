"""Draw the pictures of README.md and of the pages in docs/ into docs/images.

    python docs/figures.py            # all of them
    python docs/figures.py vus        # some: event, report, vus

`event` trains CrossAD on the embedded series, which takes about half a minute; `report` takes the default detector, and
needs playwright and a Chromium (Debian: chromium-headless-shell).
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_provider import read_ucr
from exp.cli.detect import main as detect
from ts_ad_evaluation import r_auc, vus

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "docs" / "images"
PICTURES = ("event", "report", "vus")
SERIES = REPOSITORY / "dataset/UCR_Anomaly_FullData/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"
BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
BLUE, ORANGE, GREY, TRUTH = "#1f6fb4", "#c4501b", "#6b7280", "#f3c98b"


def detected(folder: Path, detector: str) -> tuple[Path, int]:
    """Run `exp.detect` on the embedded series; return the folder of results and how many rows trained."""
    series = read_ucr(SERIES)
    values = np.concatenate([series.train, series.test])[:, 0]
    label = np.concatenate([np.zeros(len(series.train), int), series.test_label])
    file, out = folder / "blood_pressure.csv", folder / detector
    pd.DataFrame({"arterial_pressure": values, "label": label}).to_csv(file, index=False)
    options = ["--train-until", str(len(series.train)), "--detector", detector, "--device", "cpu"]
    if detect([str(file), "--out", str(out), *options]):
        sys.exit("exp.detect failed")
    return out, len(series.train)


def draw_event(out: Path, train_rows: int, picture: Path) -> None:
    """Draw series and score, whole and around the highest score, which is the detection by the archive's rule."""
    scores = pd.read_csv(out / "scores.csv")
    series = read_ucr(SERIES)
    values = np.concatenate([series.train, series.test])[:, 0]
    lines = values, scores["score"].to_numpy()
    truth = np.flatnonzero(series.test_label) + train_rows
    middle = int(lines[1].argmax())

    figure = Figure(figsize=(10, 3.7), dpi=100, layout="constrained")
    grid = figure.subplots(2, 2, sharex="col", width_ratios=(3, 2))
    for column, (low, high) in enumerate([(0, len(values)), (middle - 330, middle + 330)]):
        rows = np.arange(max(low, 0), min(high, len(values)))
        for axes, line, colour in zip(grid[:, column], lines, (BLUE, ORANGE), strict=True):
            axes.axvspan(truth[0] - 0.5, truth[-1] + 0.5, color=TRUTH, lw=2, ec=TRUTH, label="true anomaly")
            axes.plot(rows, line[rows], color=colour, lw=0.6 if column == 0 else 1.1)
            axes.spines[["top", "right"]].set_visible(False)
            axes.margins(x=0)
        grid[1, column].plot(middle, lines[1][middle], "o", color=GREY, ms=4, label="highest score")
        grid[1, column].set_xlabel("point")
    grid[0, 0].axvspan(0, train_rows, color="#e5e7eb", zorder=0)
    grid[0, 0].set_ylabel("arterial pressure")
    grid[1, 0].set_ylabel("score of CrossAD")
    grid[0, 0].set_title("UCR series 135; grey: the part trained on", loc="left", fontsize=10)
    grid[0, 1].set_title("around the highest score", loc="left", fontsize=10)
    grid[1, 1].legend(loc="upper right", frameon=False, fontsize=9)
    save(figure, picture)


def draw_report(out: Path, picture: Path) -> None:
    """Take a picture of the report page."""
    from playwright.sync_api import sync_playwright  # the one picture that needs it

    with sync_playwright() as driver:
        path = next(filter(None, map(shutil.which, BROWSERS)), driver.chromium.executable_path)
        options = ["--no-sandbox"] if os.geteuid() == 0 else []  # which Chromium asks of root
        browser = driver.chromium.launch(executable_path=path, args=options)
        page = browser.new_page(viewport={"width": 1180, "height": 760})
        page.goto((out / "report.html").as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        page.wait_for_timeout(1000)
        page.screenshot(path=picture)
        browser.close()
    shrink(picture)


def save(figure: Figure, picture: Path) -> None:
    """Write a figure as a small PNG file."""
    figure.savefig(picture, metadata={"Software": None})
    shrink(picture)


def shrink(picture: Path) -> None:
    """Write a picture again with 128 colours, a third of the bytes."""
    with Image.open(picture) as image:
        image.convert("RGB").quantize(128).save(picture, optimize=True)


def vus_by_length() -> pd.DataFrame:
    """Return the areas by each definition for events of some lengths, at one quality of detection.

    Ten events among 20 000 points; the score of an anomalous point is that of a normal one plus 1.5 standard
    deviations, and so is the score of the ten points after each event, as a window's score spreads.
    """
    rows = []
    for length in (3, 5, 10, 20, 40, 80, 160, 320):
        rng = np.random.default_rng(0)
        label, raised = np.zeros((2, 20_000), dtype=int)
        for start in range(1000, 20_000, 2000):
            label[start : start + length] = 1
            raised[start : start + length + 10] = 1
        score = rng.standard_normal(len(label)) + 1.5 * raised
        for name, areas in (
            ("vus, rule of 2024", vus(label, score)),
            ("vus, rule of 2022", vus(label, score, rule="2022")),
            ("r_auc, one buffer", r_auc(label, score)),
        ):
            rows.append({"length": length, "definition": name, "ROC": areas.roc, "PR": areas.pr})
    return pd.DataFrame(rows)


def draw_vus(picture: Path) -> None:
    """Draw how three definitions of the volume differ with the length of the events."""
    table = vus_by_length()
    figure = Figure(figsize=(9, 3.3), dpi=100, layout="constrained")
    grid = figure.subplots(1, 2)
    looks = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREY, "^", ":"))
    for axes, area in zip(grid, ("PR", "ROC"), strict=True):
        for (name, rows), (colour, marker, style) in zip(table.groupby("definition", sort=False), looks, strict=True):
            axes.plot(rows["length"], rows[area], color=colour, marker=marker, ls=style, ms=5, label=name)
        axes.set_xscale("log")
        axes.set_xticks(sorted(table["length"].unique()), sorted(table["length"].unique()))
        axes.minorticks_off()
        axes.set_xlabel("length of an event, in points")
        axes.set_ylabel(f"area, {area}")
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].legend(frameon=False)
    save(figure, picture)


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description="Draw the pictures of README.md and docs/.")
    parser.add_argument("pictures", nargs="*", metavar="PICTURE", help=f"some of {', '.join(PICTURES)} (all)")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder to draw into (docs/images)")
    options = parser.parse_args()
    wanted = set(options.pictures or PICTURES)
    if not wanted <= set(PICTURES):
        parser.error(f"choose some of {', '.join(PICTURES)}")
    torch.set_num_threads(1)
    if "vus" in wanted:
        draw_vus(options.out / "vus.png")
    with tempfile.TemporaryDirectory() as folder:
        if "event" in wanted:
            draw_event(*detected(Path(folder), "CrossAD"), options.out / "event.png")
        if "report" in wanted:
            draw_report(detected(Path(folder), "auto")[0], options.out / "report.png")


if __name__ == "__main__":
    main()
