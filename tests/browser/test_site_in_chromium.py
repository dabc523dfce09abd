"""The documentation site as a reader opens it: from a file, without a server and without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from helpers.site import SITE, built
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("sphinx", reason='the site needs: pip install ".[docs]"')
pytest.importorskip("myst_nb", reason='the site needs: pip install ".[docs]"')

expect.set_options(timeout=30_000)
LAYER = ".srsm-rsm input[type='range'] >> nth=0"


@pytest.fixture(params=["light", "dark"])
def reader(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page without a network, light or dark; an error in it, or a request to another host, fails the test."""
    assert built().returncode == 0, built().stderr
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, color_scheme=request.param, offline=True, reduced_motion="reduce"
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    local = ("file:", "data:", "blob:", "about:")
    page.on("request", lambda asked: None if asked.url.startswith(local) else faults.append(asked.url))
    page.scheme = request.param  # type: ignore[attr-defined]
    yield page
    context.close()
    assert faults == []


def test_the_top_leads_to_the_start_and_its_report_slides(reader: Page) -> None:
    reader.goto(f"{SITE.as_uri()}/index.html")
    expect(reader.locator("h1")).to_have_text("See what a vision model finds alike#")
    assert reader.evaluate("document.documentElement.dataset.theme") == reader.scheme  # type: ignore[attr-defined]
    frame = reader.frame_locator("iframe.live")
    expect(frame.locator("html[data-ready='true']")).to_be_attached()
    dark = frame.locator("html").evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (reader.scheme == "dark")  # type: ignore[attr-defined]
    slider = frame.locator(LAYER)
    expect(slider).to_be_in_viewport()
    expect(frame.get_by_text("blocks.4", exact=True).first).to_be_visible()
    slider.press("End")
    expect(frame.get_by_text("blocks.6", exact=True).first).to_be_visible()


def test_it_is_searched_and_its_formulas_are_drawn(reader: Page) -> None:
    reader.goto(f"{SITE.as_uri()}/search.html?q=auction")
    results = reader.locator("#search-results li a")
    expect(results.nth(5)).to_be_visible()  # they come one by one
    # Under each: what stands around the word, though a file may not fetch another.
    excerpts = reader.locator("#search-results li p.context")
    expect(excerpts.nth(5)).to_contain_text(re.compile("auction", re.IGNORECASE))
    expect(excerpts.nth(5).locator(".highlighted").first).to_have_text(re.compile("auction", re.IGNORECASE))
    reader.goto(f"{SITE.as_uri()}/docs/concepts/rsm.html")
    expect(reader.locator("mjx-container[display='true'] svg").first).to_be_visible()
    expect(reader.locator("mjx-merror")).to_have_count(0)


def test_no_line_of_a_lesson_runs_out_of_its_box(reader: Page) -> None:
    lessons = sorted(SITE.glob("notebooks/0*.html"))
    assert lessons
    wider = (
        "() => [...document.querySelectorAll('div.highlight pre')].filter(e => e.scrollWidth > e.clientWidth).length"
    )
    for lesson in lessons:
        reader.goto(lesson.as_uri())
        assert (lesson.stem, reader.evaluate(wider)) == (lesson.stem, 0)
