"""Every command of README.md and docs/ runs, on small data, and what they link to is there."""

import pytest

from tests.support.pages import PAGES, Clone, commands


def page_id(page):
    return page.name


def run_all(page, folder, *, slow):
    clone = Clone(folder / "clone")
    for command in commands(page):
        if command.skip or (command.slow and not slow):
            continue
        code, output = clone.run(command)
        assert code == 0, f"{command}\n{output[-3000:]}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_commands_of_a_page_run(page, tmp_path):
    run_all(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(one.slow for one in commands(page))], ids=page_id)
def test_its_long_commands_run(page, tmp_path):
    run_all(page, tmp_path, slow=True)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_what_is_not_run_has_a_reason(page):
    for command in commands(page):
        assert command.skip != "", f"{command}: skipped without a reason"
        assert command.text, command
