"""The page in a headless browser, offline."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exp.report import levels as levels_module
from exp.report import write_report
from exp.report.data import surroundings
from exp.report.levels import STEPS
from exp.report.times import read_times
from tests.support.report_cases import EVIL, NAMES, report

playwright = pytest.importorskip("playwright.sync_api", reason="the page is tested with playwright")

BROWSERS = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
N = 30_000
READY = "html[data-ready]"
VIEW = "({...document.getElementById('explorer').dataset})"
MODEL = "Bokeh.documents.find((figure) => figure.get_model_by_name('view')).get_model_by_name"
# The contrast of each text with its background, as in WCAG 2.
CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => channels(colour).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const opaque = (colour) => (channels(colour)[3] ?? 1) > 0;
  const paper = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return opaque(colour) || !element.parentElement ? colour : paper(element.parentElement);
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const ratios = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("script") || !element.checkVisibility()) continue;
    const name = `${element.tagName}.${element.className}`;
    const found = ratio(getComputedStyle(element).color, paper(element));
    ratios[name] = Math.min(ratios[name] ?? 21, found);
  }
  const probe = document.createElement("i");
  document.body.append(probe);
  const computed = (colour) => ((probe.style.color = colour), getComputedStyle(probe).color);
  const background = getComputedStyle(document.body).backgroundColor;
  for (const figure of Bokeh.documents) {
    for (const part of figure.all_models) {
      for (const property of ["major_label_text_color", "axis_label_text_color", "text_color"]) {
        if (!(property in part.properties)) continue;
        ratios[`${part.type} ${property}`] = ratio(computed(part[property]), background);
      }
      if (part.type === "Line" && part.tags.length) {
        ratios[`line ${part.tags}`] = ratio(computed(part.line_color.value ?? part.line_color), background);
      }
    }
  }
  probe.remove();
  return ratios;
}"""


def browser_file():
    """Return the browser to test with, or None."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    return found[0] if found else None


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        path = browser_file() or driver.chromium.executable_path
        if not Path(path).is_file():
            pytest.skip(f"no Chromium: install Debian's chromium-headless-shell, or one of {', '.join(BROWSERS)}")
        options = ["--no-sandbox"] if os.geteuid() == 0 else []  # which Chromium requires of root
        browser = driver.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


class Opened:
    """A page, with its messages and requests since it was opened."""

    def __init__(self, browser, path, **context):
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **context)
        self.context.set_default_timeout(300_000)  # a slow machine fails no test
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(READY, state="attached")

    def errors(self):
        """Return the page's messages, without Bokeh's start message."""
        return [line for line in self.said if "setting log level" not in line]

    def see(self, **media):
        """Change theme or medium, and wait until the page has noticed."""
        self.page.emulate_media(**media)
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def wait_until(self, condition):
        """Wait for a condition; the driver's own wait would need what the page's policy forbids."""
        for _ in range(3000):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"the page never came to {condition}")

    def view(self):
        """Return first and last row, rows in a column, and points drawn."""
        return {name: int(value) for name, value in self.page.evaluate(VIEW).items()}

    def act(self, name):
        self.page.click(f"[data-act={name}]")
        return self.view()

    def drawn(self, name):
        """Return the points of a line, arrays x and y."""
        data = self.page.evaluate(f"({{x: [...{MODEL}('{name}').data.x], y: [...{MODEL}('{name}').data.y]}})")
        return np.array(data["x"], dtype=float), np.array(data["y"], dtype=float)  # null, from NaN, becomes NaN

    def titles(self):
        """Return the titles of the channels that are shown."""
        slots = "[0, 1, 2, 3, 4, 5].filter((slot) => model(`channel_${slot}`).visible)"
        figure = f"(name) => {MODEL}(name)"
        return self.page.evaluate(f"((model) => {slots}.map((slot) => model(`title_${{slot}}`).text))({figure})")

    def allowed_points(self, lines):
        """Return how many points this many lines may have: two for each pixel, and a few at the ends."""
        width = self.page.evaluate(f"{MODEL}('score').inner_width")
        return lines * 2 * (width + 3)


@pytest.fixture(scope="module")
def contents():
    return report(n=N)


@pytest.fixture(scope="module")
def module_page(browser, contents, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "a page.html"
    write_report(path, contents)
    opened = Opened(browser, path, offline=True)
    yield opened
    opened.context.close()


@pytest.fixture
def opened(module_page):
    """The page after opening, with the whole series and the first event selected."""
    module_page.page.set_viewport_size({"width": 1280, "height": 900})
    module_page.page.evaluate("scrollTo(0, 0)")
    module_page.page.click("[data-event='0']")
    module_page.act("whole")
    yield module_page
    assert module_page.errors() == []
    assert {url.split(":")[0] for url in module_page.asked} == {"file"}


def test_the_page_opens_from_disk_and_asks_for_nothing_else(opened):
    assert len(opened.asked) == 1
    assert opened.view() == {
        "first": 0,
        "last": N - 1,
        "size": opened.view()["size"],
        "points": opened.view()["points"],
    }


def test_the_line_is_the_minima_and_maxima_of_the_score(opened, contents):
    size = opened.view()["size"]
    x, y = opened.drawn("score_line")
    starts = np.arange(0, N, size)
    low, high = np.minimum.reduceat(contents.score, starts), np.maximum.reduceat(contents.score, starts)
    pairs = np.sort(y.reshape(-1, 2), axis=1)
    np.testing.assert_allclose(pairs, np.stack([low, high], axis=1), atol=np.ptp(contents.score) / STEPS)
    middle = (starts + np.minimum(starts + size, N) - 1) / 2
    seconds = (x.reshape(-1, 2)[:, 0] / 1e3) - pd.Timestamp("2026-01-01").timestamp()
    np.testing.assert_allclose(seconds, 30 * middle, atol=1e-3)


def test_a_click_on_an_event_shows_it_and_its_channels(opened, contents):
    opened.page.click("[data-event='2']")
    event = contents.events.iloc[2]
    view = opened.view()
    margin = max(50, event.end - event.start + 1)
    assert abs(view["first"] - (event.start - margin)) <= 1
    assert abs(view["last"] - (event.end + margin)) <= 1
    assert view["size"] == 1
    assert opened.page.locator("[aria-current]").get_attribute("data-event") == "2"
    first = event.channels.split(" %")[0]  # "NAME 97"
    assert opened.titles()[0] == "{} — {} % of the event’s score".format(*first.rsplit(" ", 1))
    assert len(opened.titles()) == 5
    x, y = opened.drawn("line_0")
    channel = contents.channels.index(first.rsplit(" ", 1)[0])
    rows = np.round((x / 1e3 - pd.Timestamp("2026-01-01").timestamp()) / 30).astype(int)
    np.testing.assert_allclose(y, contents.values[rows, channel], atol=1e-3)


def test_the_list_is_worked_by_keys(opened, contents):
    opened.page.focus("[data-event='0']")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        opened.page.keyboard.press(key)
    assert opened.page.locator("[aria-current]").get_attribute("data-event") == "1"
    event = contents.events.iloc[1]
    assert opened.view()["first"] <= event.start <= event.end <= opened.view()["last"]


def test_zoom_and_pan_change_the_level_and_stay_within_the_bound(opened):
    allowed = opened.allowed_points(lines=6)
    sizes, views = [], []
    for act in ["whole", *["in"] * 9, "later", "later", "earlier", *["out"] * 9]:
        view = opened.act(act)
        assert view["points"] <= allowed
        assert view["last"] - view["first"] + 1 <= (view["size"] * allowed / 6 / 2)
        sizes.append(view["size"])
        views.append((view["first"], view["last"]))
    narrowing, widening = sizes[:10], sizes[-9:]
    assert narrowing == sorted(narrowing, reverse=True)
    assert widening == sorted(widening)
    assert narrowing[0] > 16
    assert narrowing[-1] == 1
    assert len(set(sizes)) > 5
    assert views[10][0] > views[9][0]
    assert views[12][0] < views[11][0]
    assert views[-1] == (0, N - 1)


def test_keys_on_the_plots(opened):
    opened.page.focus("#explorer")
    opened.page.keyboard.press("+")
    narrow = opened.view()
    assert narrow["last"] - narrow["first"] == pytest.approx(N / 2, abs=3)
    opened.page.keyboard.press("ArrowRight")
    assert opened.view()["first"] > narrow["first"]
    opened.page.keyboard.press("Home")
    assert (opened.view()["first"], opened.view()["last"]) == (0, N - 1)


def test_the_mouse_drags_and_zooms(opened):
    box = opened.page.locator("#explorer").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 150
    opened.page.mouse.move(x, y)
    opened.page.mouse.wheel(0, -200)  # scrolls the page, were there anything above
    assert opened.view()["last"] == N - 1
    opened.page.keyboard.down("Control")
    for _ in range(3):
        opened.page.mouse.wheel(0, -200)
    opened.page.keyboard.up("Control")
    opened.wait_until("document.getElementById('explorer').dataset.first > 500")
    before = opened.view()
    opened.page.mouse.down()
    opened.page.mouse.move(x - 100, y, steps=3)
    opened.page.mouse.up()
    after = opened.view()
    assert after["first"] > before["first"]
    assert after["last"] - after["first"] == pytest.approx(before["last"] - before["first"], abs=2)


def test_the_cursor_reads_values(opened, contents):
    opened.page.click("[data-event='0']")
    box = opened.page.locator("#explorer").bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 150)
    opened.wait_until("document.getElementById('readout').textContent.includes('row')")
    text = opened.page.locator("#readout").text_content()
    row = int(text.split("row ")[1].split(" ·")[0].replace("\u202f", ""))
    assert opened.view()["first"] < row < opened.view()["last"]
    assert str(contents.times[row]) in text
    shown = float(text.split("score ")[1].split(" ·")[0])
    assert shown == pytest.approx(contents.score[row], abs=1e-3)


def test_another_channel_is_shown_on_request(opened):
    assert len(opened.titles()) == 5
    opened.page.select_option("#channel", "1")
    assert opened.titles()[5] == EVIL
    opened.page.select_option("#channel", "")
    assert len(opened.titles()) == 5


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.page.set_viewport_size({"width": width, "height": 900})
    opened.wait_until(f"{MODEL}('score').inner_width < {width}")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert opened.page.evaluate(overflow) == 0
    wide = """[...document.querySelectorAll("body *")].filter((element) => !element.closest(".scroll, script")
      && element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1).length"""
    assert opened.page.evaluate(wide) == 0
    opened.wait_until(f"{MODEL}('score').inner_width > {0.5 * min(width, 900)}")
    assert opened.view()["points"] <= opened.allowed_points(lines=6)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_are_readable(opened, theme):
    opened.see(color_scheme=theme)
    ratios = opened.page.evaluate(CONTRAST)
    opened.see(color_scheme="light")
    assert any(name.startswith("line") for name in ratios)
    assert len(ratios) > 15
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_theme_is_the_readers(opened):
    light = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.see(color_scheme="dark")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    opened.see(color_scheme="light")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == light


def test_names_are_harmless_and_shown_as_they_are(opened):
    # `opened` sees at the end that no dialog came up.
    assert opened.page.evaluate("document.scripts.length") == 2 + 1 + 4 + len(NAMES)
    options = opened.page.locator("#channel option").all_text_contents()
    assert options == ["none", *NAMES]
    assert opened.page.title() == "Machine 3 <3"


def test_on_paper_the_figures_are_light_pictures(opened):
    opened.see(color_scheme="dark")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.wait_for_selector(".printed", state="attached")
    opened.see(media="print", color_scheme="dark")
    pictures = "document.querySelectorAll('.figure > .printed').length"
    assert opened.page.evaluate(pictures) == opened.page.locator(".figure").count() == 4
    colour = "getComputedStyle(document.documentElement).getPropertyValue('--score').trim()"
    assert opened.page.evaluate(f"{MODEL}('score').renderers.at(-1).glyph.line_color.value") == "#0b5c94"
    assert opened.page.evaluate(colour) == "#0b5c94"
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    opened.see(media="screen", color_scheme="light")
    assert opened.page.evaluate(pictures) == 0


def test_beyond_the_budget_events_are_drawn_point_by_point(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(levels_module, "BUDGET", 60_000)
    n, random = 20_000, np.random.default_rng(0)
    steps = random.integers(20, 40, n)
    steps[n // 2] = 86_400 * 3
    times = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.cumsum(steps), unit="s")
    contents = report(n=n, times=times, label=None)
    write_report(tmp_path / "page.html", contents)
    opened = Opened(browser, tmp_path / "page.html", color_scheme="dark")
    assert opened.view()["size"] >= 8
    x, y = opened.drawn("score_line")
    assert np.isnan(y).sum() == 1  # the line is broken at the gap of three days
    days = np.diff(x[~np.isnan(y)]).max() / 86_400e3
    assert days == pytest.approx(3, abs=0.01)
    opened.page.click("[data-event='0']")
    event = contents.events.iloc[0]
    assert "drawn: every point." in opened.page.text_content("#resolution")
    _, y = opened.drawn("line_0")
    exact = contents.values[:, contents.channels.index(opened.titles()[0].split(" — ")[0])]
    first, last = surroundings(event.start, event.end, n)
    np.testing.assert_allclose(y, exact[first : last + 1], atol=1e-3)
    assert opened.errors() == []
    opened.context.close()


SEVEN = 1718150400
JITTER = np.cumsum(np.random.default_rng(1).integers(1, 9, 500))


@pytest.mark.parametrize(
    ("times", "labels"),
    [
        (SEVEN + 10 * np.arange(500), ["1718150400", "1718150410", "1718150420"]),
        (10**9 * SEVEN + np.arange(500), ["1718150400000000000", "1718150400000000001", "1718150400000000002"]),
        (np.round(0.1 + 1e-4 * np.arange(500), 4), ["0.1000", "0.1001", "0.1002"]),
        (10**12 * JITTER, None),
        (np.cumsum(np.random.default_rng(0).random(500)), None),
        (pd.Timestamp(SEVEN, unit="s") + pd.to_timedelta(100 * np.arange(500), unit="us"),
         ["00:00:00.0000", "00:00:00.0001", "00:00:00.0002"]),
        (pd.Timestamp(SEVEN, unit="s") + pd.to_timedelta(np.arange(500), unit="ns"),
         ["00:00:00.000000000", "00:00:00.000000001", "00:00:00.000000002"]),
        (pd.Timestamp(SEVEN, unit="s") + pd.to_timedelta(JITTER, unit="ns"), None),
        (pd.Timestamp("1969-12-31 23:59:59.9") + pd.to_timedelta(JITTER, unit="us"), None),
        (pd.Timestamp(SEVEN, unit="s") + pd.to_timedelta(10**12 * JITTER + 1, unit="us"), None),
    ],
)  # fmt: skip
def test_times_are_read_out_in_full_digits(browser, tmp_path, times, labels):
    contents = report(n=500, count=1, times=times, label=None)
    write_report(tmp_path / "page.html", contents)
    opened, known = Opened(browser, tmp_path / "page.html"), read_times(contents.times, 500)
    box = opened.page.locator("#explorer").bounding_box()
    rows = set()
    for share in (0.2, 0.5, 0.8):
        opened.page.mouse.move(box["x"] + share * box["width"], box["y"] + 150)
        opened.wait_until("document.getElementById('readout').textContent.includes('row')")
        time, row = opened.page.locator("#readout").text_content().split(" · ")[:2]
        rows.add(int(row.removeprefix("row ")))
        assert time.replace("−", "-") == known.text(int(row.removeprefix("row ")))
    assert len(rows) == 3
    if labels:
        script = f"{MODEL}('time_lanes').formatter.doFormat({known.x[:3].tolist()}, {{}})"
        assert opened.page.evaluate(script) == labels
    assert opened.errors() == []
    opened.context.close()


def test_three_rows_without_anything_else(browser, tmp_path):
    contents = report(
        n=3,
        count=1,
        times=None,
        values=np.array([[1.0], [np.nan], [1.0]]),
        score=np.ones(3),
        channel_scores=np.ones((3, 1)),
        label=None,
        threshold=None,
        events=report().events.head(0),
        measures={},
        epochs=[],
        notes=[],
        train_end=None,
    )
    write_report(tmp_path / "page.html", contents)
    opened = Opened(browser, tmp_path / "page.html")
    assert opened.view()["size"] == 1
    assert opened.titles() == ["cpu"]
    assert opened.errors() == []
    opened.context.close()
