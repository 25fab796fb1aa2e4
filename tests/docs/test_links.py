"""What README.md and the pages link to is there: files, headings, pictures."""

import re

import pytest

from tests.support.pages import PAGES
from tests.support.paths import REPOSITORY

LINKED = [
    *PAGES,
    *sorted(set(REPOSITORY.glob("*.md")) - set(PAGES)),
    *(REPOSITORY / name / "README.md" for name in ("dataset", "models", "test_results", "ts_ad_evaluation")),
]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
LARGEST = 150_000  # bytes of a picture


def without_code(page):
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    targets = LINK.findall(without_code(page))
    for target in targets:
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        assert file.resolve().is_relative_to(REPOSITORY), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}: one of {sorted(anchors(file))}"


def test_every_page_is_reached_from_the_readme():
    linked = set(LINK.findall(without_code(REPOSITORY / "README.md")))
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert any(link.partition("#")[0] == f"docs/{page.name}" for link in linked), page.name


def test_pictures_are_small_and_shown():
    shown = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (REPOSITORY / "docs" / "images").iterdir():
        assert picture.stat().st_size < LARGEST, picture.name
        assert f"images/{picture.name}" in shown, picture.name
