"""Time how long the report page of a large series takes to open in headless Chromium (Debian: chromium-headless-shell).

    python benchmarks/bench_report.py                        1 000 000 points of 38 channels, regular times
    python benchmarks/bench_report.py --irregular --runs 5   the same with irregular times

Needs the package playwright. The clock starts with the navigation. Printed are when the text is there, when score,
events and channels can be used, and when the page is complete.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from exp.detection.events import ranked_events
from exp.report import Report, write_report

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MARKS = {"text": "h1", "usable": "html[data-explorable]", "complete": "html[data-ready]"}


def large_report(points, channels, *, irregular):
    """Return a report of noisy waves with an event of 30 points about every 1500."""
    random = np.random.default_rng(0)
    values = np.sin(np.arange(points)[:, None] / 50) + random.normal(0, 0.2, (points, channels))
    scores = random.exponential(0.1, values.shape).astype(np.float32)
    label = np.zeros(points, np.uint8)
    for start in random.integers(points // 4, points - 40, max(1, points // 1500)):
        scores[start : start + 30] += 3
        label[start : start + 30] = 1
    steps = random.integers(1, 40, points) if irregular else np.full(points, 60)
    names, score = tuple(f"sensor {number}" for number in range(channels)), scores.mean(axis=1)
    return Report(
        title="a large series",
        facts={},
        times=pd.Timestamp("2026-01-01") + pd.to_timedelta(np.cumsum(steps), unit="s"),
        values=values,
        channels=names,
        score=score,
        channel_scores=scores,
        threshold=1.0,
        events=ranked_events(score, scores, 1.0, merge_gap=10, channels=names),
        label=label,
        measures={},
        epochs=[],
        notes=[],
        train_end=points // 4,
    )


def opening_times(browser, path):
    """Return the seconds from the navigation to each of `MARKS`."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    start = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    seconds = {}
    for name, selector in MARKS.items():
        page.wait_for_selector(selector, state="attached", timeout=300_000)
        seconds[name] = time.perf_counter() - start
    page.close()
    return seconds


def main():
    """Write the page and open it several times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, default=38)
    parser.add_argument("--irregular", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "report.html"
        write_report(path, large_report(options.points, options.channels, irregular=options.irregular))
        print(f"{options.points} points, {options.channels} channels: {path.stat().st_size / 1e6:.1f} MB")
        program = next(filter(None, map(shutil.which, BROWSERS)), driver.chromium.executable_path)
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(options.runs):
            seconds = opening_times(browser, path)
            print(", ".join(f"{name} after {value:.2f} s" for name, value in seconds.items()))
        browser.close()


if __name__ == "__main__":
    main()
