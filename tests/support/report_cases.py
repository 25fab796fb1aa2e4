"""Reports for the tests of exp.report, and the content of a page, decoded like its script does."""

import base64
import html
import json
import re

import numpy as np
import pandas as pd

from exp.detection.events import ranked_events
from exp.report import Report
from exp.report.levels import BLOCK, MISSING

EVIL = "</script><script>alert(1)</script>"
NAMES = ("cpu", EVIL, 'disk "C:" & <b>', "Temperatur °C — 温度", "net", "queue", "latency-" * 25)


def report(n=6000, count=7, **changes):
    """Return a report of `count` noisy waves with five events; the labels have three of them and one more."""
    random = np.random.default_rng(3)
    time = np.arange(n)
    values = np.stack([np.sin(time / (40 + 9 * c)) * (c + 1) + 10 * c for c in range(count)], axis=1)
    values += random.normal(0, 0.1, values.shape)
    scores, label = random.exponential(0.1, values.shape), np.zeros(n, dtype=np.uint8)
    for number, start in enumerate(np.linspace(n // 3, n - 60, 5).astype(int)):
        rows = slice(start, start + 10 + 5 * number)
        values[rows, number % count] += 4
        scores[rows, number % count] += 6 + number
        label[rows] = number < 3
    label[n // 4 : n // 4 + 20] = 1
    score, names = scores.mean(axis=1), NAMES[:count]
    events = ranked_events(score, scores, 0.6, merge_gap=10, channels=names)
    contents = {
        "title": "Machine 3 <3",
        "facts": {"model": "CrossAD", "seed": "2025", EVIL: EVIL},
        "times": pd.date_range("2026-01-01", periods=n, freq="30s"),
        "values": values,
        "channels": names,
        "score": score,
        "channel_scores": scores,
        "threshold": 0.6,
        "events": events,
        "label": label,
        "measures": {
            "auc": pd.DataFrame([[0.91234, 0.5]], columns=["AUC_ROC", "AUC_PR"]),
            "f1_raw": pd.DataFrame([[0.1, 0.2], [0.3, 0.4]], columns=["thre_raw", "F1_raw"]),
        },
        "epochs": [
            {"epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1 / epoch + epoch / 10}
            for epoch in range(1, 6)
        ],
        "notes": ["irregular sampling", EVIL],
        "train_end": n // 4,
    }
    return Report(**contents | changes)


def script(page, name):
    """Return the text of a script element of the page."""
    return re.search(f'<script type="[^"]*" id="{name}">(.*?)</script>', page, re.DOTALL).group(1)


def description(page):
    """Return the page's description of its data."""
    return json.loads(script(page, "description"))


def numbers(levels, data):
    """Decode packed levels: a list of (low, high) arrays."""
    lengths = [level["count"] for level in levels for _ in range(1 if level["bucket"] == 1 else 2)]
    blocks = [-(-length // BLOCK) for length in lengths]
    scales = np.frombuffer(data, "<f8", 2 * sum(blocks)).reshape(-1, 2)
    codes = np.frombuffer(data, "<u2", sum(lengths), offset=scales.nbytes)
    arrays = []
    for length, count in zip(lengths, blocks, strict=True):
        (own, scales), (code, codes) = (scales[:count], scales[count:]), (codes[:length], codes[length:])
        scale = own[np.arange(length) // BLOCK]
        arrays.append(np.where(code == MISSING, np.nan, scale[:, 0] + scale[:, 1] * code))
    pairs = []
    for level in levels:
        low = arrays.pop(0)
        pairs.append((low, low if level["bucket"] == 1 else arrays.pop(0)))
    return pairs


def block(page, name):
    """Return the bytes of one of the page's blocks of data."""
    return base64.b64decode(script(page, f"data-{name}"))


def text_of(page):
    """Return what a reader sees of the page's elements, without scripts and styles."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub("[ \n]+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))
