import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from exp.detection.events import channel_shares
from exp.report import data as data_module
from exp.report import levels as levels_module
from exp.report import write_report
from exp.report.data import EVENT_CHANNELS, LISTED, surroundings
from exp.report.levels import STEPS
from exp.report.text import duration, met_events, number
from tests.support.report_cases import EVIL, NAMES, block, description, numbers, report, text_of


def page_of(contents, folder):
    """Write a page, and return its text."""
    write_report(folder / "report.html", contents)
    assert [file.name for file in folder.iterdir()] == ["report.html"]
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_of(report(), tmp_path_factory.mktemp("page"))


class Elements(HTMLParser):
    """Collects the page's elements and the content of its scripts."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.elements and self.elements[-1] == ("script", {}) and data.strip():
            self.scripts.append(data)


# What is loaded, and what may run


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, attributes in Elements(page).elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert not {"src", "href", "srcset", "action"} & attributes.keys()
    style = re.search("<style>(.*?)</style>", page, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_the_two_scripts_of_the_page_alone(page):
    elements = Elements(page)
    [policy] = [attributes["content"] for tag, attributes in elements.elements if "http-equiv" in attributes]
    allowed = re.search("script-src ([^;]*);", policy).group(1).split()
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in elements.scripts]
    assert allowed == [f"'sha256-{digest}'" for digest in digests]
    assert len(digests) == 2
    assert policy.startswith("default-src 'none'; ")


def test_names_and_facts_are_text_only(page):
    assert EVIL not in page
    assert "& <b>" not in page
    for name in NAMES:
        assert name in text_of(page)
    assert EVIL in text_of(page)
    assert [channel["name"] for channel in description(page)["channels"]] == list(NAMES)


def test_a_name_that_is_no_unicode_text(tmp_path):
    assert "a?" in text_of(page_of(report(channels=("a\udcff", *NAMES[1:])), tmp_path))


# Data


def test_every_row_is_embedded(page):
    contents, described = report(), description(page)
    for name, levels, values in [
        ("score", described["score"], contents.score),
        *((f"channel-{i}", c["levels"], contents.values[:, i]) for i, c in enumerate(described["channels"])),
    ]:
        (kept, _), *coarser = numbers(levels, block(page, name))
        assert np.abs(kept - values).max() <= 0.51 * np.ptp(values) / STEPS
        assert levels[0]["bucket"] == 1
        assert [level["bucket"] for level in levels[1:]] == [64] * len(coarser)
        assert len(coarser) == 1


def test_a_score_with_far_peaks_is_kept_as_its_logarithm(tmp_path):
    score = np.random.default_rng(0).exponential(size=6000)
    score[[100, 200]] = 1e6, 0
    page = page_of(report(score=score), tmp_path)
    described = description(page)
    (kept, _), *_ = numbers(described["score"], block(page, "score"))
    assert described["log"]
    assert np.isnan(kept[200])
    np.testing.assert_allclose(10 ** np.delete(kept, 200), np.delete(score, 200), rtol=2e-3)


def test_events_with_their_rows_and_shares(page):
    contents, described = report(), description(page)
    assert len(contents.events) == 5
    for row, event in zip(contents.events.itertuples(), described["events"], strict=True):
        shares = channel_shares(contents.channel_scores[row.start : row.end + 1])
        assert (event["start"], event["end"]) == (row.start, row.end)
        assert (event["first"], event["last"]) == surroundings(row.start, row.end, 6000)
        assert len(event["channels"]) == EVENT_CHANNELS
        assert [share for _, share in event["channels"]] == sorted(np.round(shares, 4), reverse=True)[:EVENT_CHANNELS]
        assert event["channels"][0][0] == shares.argmax()
    stretches = np.frombuffer(block(page, "flagged"), "<u4").reshape(2, -1)
    in_time = contents.events.sort_values("start")
    np.testing.assert_array_equal(stretches, in_time[["start", "end"]].T)


def test_true_events(page):
    starts, ends = np.frombuffer(block(page, "labelled"), "<u4").reshape(2, -1)
    label = np.zeros(6000, dtype=np.uint8)
    for start, end in zip(starts, ends, strict=True):
        label[start : end + 1] = 1
    np.testing.assert_array_equal(label, report().label)
    assert "3 of 4 labelled events were detected, at least in part" in text_of(page)


def test_beyond_the_budget_the_surroundings_of_events_keep_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr(levels_module, "BUDGET", 17_000)
    contents = report(n=4000)
    page = page_of(contents, tmp_path)
    described = description(page)
    assert described["score"][-1]["bucket"] == 1  # a quarter of the budget suffices
    for index, channel in enumerate(described["channels"]):
        packed = numbers(channel["levels"], block(page, f"channel-{index}"))
        assert channel["levels"][-1]["bucket"] == 8
        assert channel["levels"][-1]["count"] == 500
        for level, (low, high) in zip(channel["levels"], packed, strict=True):
            values = contents.values[level["first"] : level["first"] + level["count"] * level["bucket"], index]
            values = values.reshape(-1, level["bucket"])
            np.testing.assert_allclose(low, values.min(axis=1), atol=1e-3)
            np.testing.assert_allclose(high, values.max(axis=1), atol=1e-3)
    first = described["events"][0]
    for index, _ in first["channels"]:
        level = described["channels"][index]["levels"][0]
        assert (level["bucket"], level["first"]) == (1, first["first"])
        assert level["count"] == first["last"] - first["first"] + 1


def test_the_size_of_a_page(tmp_path):
    def data_bytes(contents):
        page = page_of(contents, tmp_path)
        library = max(len(script) for script in Elements(page).scripts)
        return len(page.encode()) - library

    assert data_bytes(report(n=10_000, count=1)) < 0.4e6
    rows, channels = 125_000, 7
    assert data_bytes(report(n=rows, count=channels)) < 2.75 * rows * (channels + 1) + 0.3e6


def test_only_so_many_events_are_listed(tmp_path):
    n = 4 * LISTED
    events = pd.DataFrame({"rank": range(1, n + 1), "start": np.arange(n) * 8, "end": np.arange(n) * 8 + 3})
    events = events.assign(peak=events["start"], peak_score=1.0, channels="cpu 100 %")
    page = page_of(report(n=8 * n, count=1, events=events), tmp_path)
    assert page.count("data-event=") == len(description(page)["events"]) == LISTED
    assert len(block(page, "flagged")) == 8 * n
    assert f"The first {LISTED} of 2\u202f000 are listed" in text_of(page)


# What the page says


def test_the_facts_of_data_and_run(page):
    text = text_of(page)
    for expected in (
        "5 events flagged",
        "every 30 s",
        "2026-01-01 00:00:00 – 2026-01-03 01:59:30",
        "the first 1\u202f500 points",
        "AUC_ROC 0.91234",
        "thre_raw F1_raw 0.1 0.2 0.3 0.4",
        "model CrossAD",
        "irregular sampling",
        "lowest validation loss, epoch 3",
    ):
        assert expected in text
    values = report().values[:, 0]
    assert f"cpu {number(values.min())} {number(values.mean())} {number(values.max())}" in text


def test_values_that_differ_little_are_told_apart(tmp_path):
    values = report().values.copy()
    values[:, 1] = 1e6 + np.linspace(0, 5, len(values))
    assert f"{NAMES[1]} 1\u202f000\u202f000 1000002.5 1\u202f000\u202f005" in text_of(
        page_of(report(values=values), tmp_path)
    )


def test_rows_without_times_are_named_so(tmp_path):
    text = text_of(page_of(report(times=None), tmp_path))
    event = report().events.iloc[0]
    assert f"rows {event.start:,} – {event.end:,}".replace(",", "\u202f") in text


@pytest.mark.parametrize("count", [1, 5, 6])
def test_another_channel_is_offered_where_not_all_fit(tmp_path, count):
    page = page_of(report(count=count), tmp_path)
    assert ('id="channel"' in page) is (count > EVENT_CHANNELS)


def test_what_zooms_comes_first(page):
    assert list(description(page)["figures"]) == ["explorer", "roc", "pr", "training"]


def test_missing_values_are_counted(tmp_path):
    contents = report()
    values = contents.values.copy()
    values[5:9, 0] = np.nan
    values[:, 2] = np.nan
    page = page_of(dataclasses.replace(contents, values=values), tmp_path)
    text = text_of(page)
    assert "channel min mean max missing" in text
    assert f"{NAMES[2]} – – – 6\u202f000" in text


def test_without_values_the_scores_of_the_channels_are_drawn(tmp_path):
    page = page_of(report(values=None), tmp_path)
    assert "the plots below the score show the channels’ scores instead of their values" in text_of(page)
    (kept, _), *_ = numbers(description(page)["channels"][1]["levels"], block(page, "channel-1"))
    np.testing.assert_allclose(kept, report().channel_scores[:, 1], atol=1e-3)


def test_without_values_and_scores_of_channels_only_the_score_is_drawn(tmp_path):
    scores = report().channel_scores.mean(axis=1, keepdims=True)
    page = page_of(report(values=None, channel_scores=scores), tmp_path)
    assert "only the score is drawn" in text_of(page)
    assert description(page)["channels"] == []


def test_channels_without_scores_of_their_own_have_no_shares(tmp_path):
    scores = report().channel_scores.mean(axis=1, keepdims=True)
    page = page_of(report(channel_scores=scores), tmp_path)
    for event in description(page)["events"]:
        assert event["channels"] == [[index, None] for index in range(EVENT_CHANNELS)]


def test_a_report_without_labels_threshold_events_and_training(tmp_path):
    empty = report().events.head(0)
    page = page_of(
        report(label=None, threshold=None, events=empty, measures={}, epochs=[], notes=[], times=None, train_end=None),
        tmp_path,
    )
    text = text_of(page)
    assert "No threshold was set, so no events are flagged." in text
    for absent in ("Measures", "Training", "labelled", "trained on", "Notes"):
        assert absent not in text
    assert list(description(page)["figures"]) == ["explorer"]


def test_labels_of_one_kind_have_no_curves_and_infinity_is_no_line(tmp_path):
    described = description(page_of(report(label=np.zeros(6000), threshold=np.inf), tmp_path))
    assert set(described["figures"]) == {"explorer", "training"}
    assert described["threshold"] is None


def test_rows_without_a_score(tmp_path):
    score = report().score.copy()
    score[:100] = np.nan
    page = page_of(report(score=score), tmp_path)
    (kept, _), *_ = numbers(description(page)["score"], block(page, "score"))
    np.testing.assert_array_equal(np.isnan(kept), np.isnan(score))


@pytest.mark.parametrize(
    "changes",
    [
        {"score": np.zeros((6000, 1))},
        {"score": np.zeros(0)},
        {"channel_scores": np.zeros((6000, 2))},
        {"values": np.zeros((5999, 7))},
        {"label": np.zeros(5999)},
        {"times": pd.date_range("2026", periods=3)},
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(changes):
    with pytest.raises(ValueError, match=f"{next(iter(changes))} must have the shape"):
        report(**changes)


def test_the_same_report_gives_the_same_data(tmp_path):
    first, second = (page_of(report(), tmp_path) for _ in range(2))
    for name in ("score", "channel-3", "flagged", "times"):
        assert block(first, name) == block(second, name)


# Texts


def test_met_events():
    label = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1], dtype=bool)
    events = pd.DataFrame({"start": [6, 1, 3], "end": [7, 2, 4]})
    overlapping, met, total = met_events(label, events)
    assert overlapping.tolist() == [False, True, True]
    assert (met, total) == (2, 3)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (3600, "1 h"), (86400 * 12.4, "12 d")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_every_row_belongs_to_the_surroundings_of_a_long_event():
    assert surroundings(10, 89, 100) == (0, 99)
    assert surroundings(500, 500, 10_000) == (500 - data_module.LEAST_MARGIN, 500 + data_module.LEAST_MARGIN)


# Cases at the edge


def one_event(start, end):
    row = {"rank": 1, "start": start, "end": end, "peak": start, "peak_score": 1.0, "channels": "cpu 100 %"}
    return pd.DataFrame([row])


@pytest.mark.parametrize(
    "changes",
    [
        {"score": np.ones(6000), "channel_scores": np.ones((6000, 7)), "threshold": 1.0, "events": one_event(3, 2)[:0]},
        {"score": np.zeros(6000), "channel_scores": np.zeros((6000, 7))},
        {"events": one_event(0, 0)},
        {"events": one_event(5999, 5999)},
        {"events": one_event(0, 5999)},
        {"channels": ("cpu",) * 7},
        {"channels": ("",) * 7},
        {"channel_scores": np.full((6000, 7), np.nan)},
        {"channel_scores": np.full((6000, 7), np.inf)},
        {"values": np.full((6000, 7), np.nan)},
        {"values": np.full((6000, 7), 1e308)},
    ],
)
def test_edges(tmp_path, changes):
    page = page_of(report(**changes), tmp_path)
    described = description(page)
    for event in described["events"]:
        shares = [share for _, share in event["channels"]]
        assert sum(shares) == pytest.approx(EVENT_CHANNELS / 7) or sum(shares) <= 1.001
    assert len(described["channels"]) == 7
    text = text_of(page)
    assert "nan" not in text.lower().replace("finance", "")
    if changes.get("events") is not None and len(changes["events"]):
        points = changes["events"]["end"][0] - changes["events"]["start"][0] + 1
        assert f"{points:,} point".replace(",", "\u202f") in text
