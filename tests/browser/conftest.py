"""Fixtures of the browser tests: `lab_page` is a page in a real JupyterLab.

Without a Chromium these tests are skipped; with SEMRSM_REQUIRE_BROWSER=1 they fail instead (as in continuous
integration, where a skipped test would look like a passed one). SEMRSM_SCREENSHOTS=folder keeps their pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.lab_harness import CHROMIUM_ARGUMENTS, Lab, LabPage, find_chromium, start_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m "not browser"` leaves it out."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    path = None
    try:
        path = find_chromium()
        missing = "no Chromium on the PATH: `apt install chromium`, or `python -m playwright install chromium`"
    except ModuleNotFoundError as error:
        missing = f'no {error.name}: pip install -e ".[lab,test]"'
    if path is not None:
        return path
    if os.environ.get("SEMRSM_REQUIRE_BROWSER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab, one for all tests; not started where no browser could visit it."""
    lab = start_lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


# Not for the whole session: while Playwright's blocking interface is open, no other test of this thread can run an
# event loop, and the notebooks' tests need one.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def lab_page(lab: Lab, browser: Browser) -> Iterator[LabPage]:
    """A page in JupyterLab; an error in it, or a request to another host, fails the test when it closes."""
    page = LabPage.open(browser, lab)
    yield page
    page.close()
