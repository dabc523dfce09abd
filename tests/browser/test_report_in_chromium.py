"""The stand-alone report as a colleague opens it: a file, no server, no network; and in a notebook's frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from helpers.boxes import box_of, layout_faults, nameless_stops
from playwright.sync_api import expect

import semrsm_widgets as srsm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

READY = "html[data-ready='true'] .srsm-rsm[data-ready='true'][data-complete='true']"
NASTY = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"

expect.set_options(timeout=30_000)


def make_analysis(n=12, grids=((4, 4), (7, 7), None), ids=None, seed=0):
    """Tokens of three layers: n images of three kinds, the last layer without a grid."""
    rng = np.random.default_rng(seed)
    pictures = [(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8), f"kind {k % 3}") for k in range(n)]
    images = srsm.load_images(pictures)
    images = replace(images, ids=tuple(ids or (f"photo {k}.jpg" for k in range(n))))
    tokens = {}
    for name, grid in zip(("first", "middle", "last"), grids, strict=True):
        size = 9 if grid is None else grid[0] * grid[1]
        kinds = rng.normal(size=(3, size, 8))
        values = np.stack([kinds[k % 3][rng.permutation(size)] for k in range(n)]) + rng.normal(size=(n, size, 8))
        tokens[name] = srsm.Tokens(
            values=torch.from_numpy(values.astype(np.float32)), grid=grid, native_grid=grid, layer=name
        )
    return srsm.Analysis(images, tokens, matcher=srsm.Exact())


@dataclass
class OpenReport:
    """A report in a page of its own.

    Attributes:
        page: Playwright's page.
        errors: what went wrong in it: uncaught errors, console errors (a refused script is one).
        requests: what it asked for besides itself and what it has in memory.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator:
    """A function that opens a file offline; errors and requests fail the test at its end."""
    opened: list[OpenReport] = []

    def open_file(path: Path, *, width: int = 1280, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 1100}, offline=True, reduced_motion="reduce", color_scheme=scheme
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        shown = OpenReport(page)
        opened.append(shown)
        page.on("pageerror", lambda error: shown.errors.append(str(error)))
        page.on("console", lambda message: shown.errors.append(message.text) if message.type == "error" else None)
        url = path.as_uri()
        context.on(
            "request",
            lambda request: (
                None
                if request.url == url or request.url[:5] in ("blob:", "data:")
                else shown.requests.append(request.url)
            ),
        )
        page.goto(url)
        return page

    yield open_file
    for shown in opened:
        shown.page.context.close()
        assert shown.errors == []
        assert shown.requests == []


@pytest.fixture(scope="module")
def analysis() -> srsm.Analysis:
    return make_analysis()


@pytest.fixture(scope="module")
def report(analysis, tmp_path_factory) -> Path:
    return srsm.to_html(analysis, tmp_path_factory.mktemp("report") / "report.html", layer="middle", neighbours=2)


def cell(page, row, column, size=12, panel=1):
    """Return the surface of a heatmap and the position of a cell on it."""
    surface = page.locator(".srsm-surface").nth(panel)
    box = box_of(surface)
    return surface, {"x": box["width"] * (column + 0.5) / size, "y": box["height"] * (row + 0.5) / size}


def held(page):
    return page.evaluate("JSON.parse(document.getElementById('srsm-page').textContent).pairs.held")


def test_slider_kernel_and_hover_show_what_the_core_computes(open_report, report, analysis):
    page = open_report(report)
    page.wait_for_selector(READY)
    rsm = page.locator(".srsm-rsm")
    expect(rsm).to_have_attribute("data-layer", "middle")
    # the chart by layer fills by itself, without a visit to any
    expect(page.locator(".srsm-layer-control").first).to_have_attribute("data-ready", str(len(analysis.layers)))
    page.locator(".srsm-rsm .srsm-slider").first.focus()
    before = page.locator(".srsm-surface").nth(1).screenshot()
    page.keyboard.press("Home")
    expect(rsm).to_have_attribute("data-layer", "first")
    expect(page.locator(".srsm-pair")).to_have_attribute("data-layer", "first")
    assert page.locator(".srsm-surface").nth(1).screenshot() != before
    rsm.get_by_role("button", name="More").click()
    rsm.get_by_role("radio", name="RBF").check(force=True)
    expect(rsm).to_have_attribute("data-kernel", "RBF")
    rsm.locator("select").first.select_option("cluster")
    expect(rsm).to_contain_text("clusters of first")
    rsm.locator("select").first.select_option("file")
    surface, position = cell(page, 2, 10)
    surface.hover(position=position)
    wanted = analysis.similarities("first", srsm.rbf)
    card = page.locator(".srsm-card")
    expect(card).to_have_attribute("data-semantic", re.compile("."))
    assert float(card.get_attribute("data-semantic")) == pytest.approx(wanted.semantic[2, 10], rel=1e-5)
    assert float(card.get_attribute("data-aligned")) == pytest.approx(wanted.aligned[2, 10], rel=1e-5)
    expect(card).to_contain_text("photo 10.jpg")


def test_a_click_opens_a_pair_and_a_missing_one_offers_others(open_report, report, analysis):
    page = open_report(report)
    page.wait_for_selector(READY)
    pairs = {tuple(pair) for pair in held(page)}
    pair = page.locator(".srsm-pair")
    i, j = max(pairs)
    surface, position = cell(page, j, i)  # below the diagonal: the file holds it the other way round
    surface.click(position=position)
    expect(pair).to_have_attribute("data-matched", f"{i},{j}")
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-pair", f"{i},{j}")
    assert float(pair.get_attribute("data-semantic")) == pytest.approx(
        analysis.matches("middle", i, j).semantic, rel=1e-6
    )
    assert page.locator(".srsm-side img").first.evaluate("(node) => node.naturalWidth") == 80

    absent = next((a, b) for a in range(12) for b in range(a + 1, 12) if (a, b) not in pairs)
    surface, position = cell(page, *absent)
    surface.click(position=position)
    notice = page.locator(".srsm-absent")
    expect(notice).to_contain_text(
        f"The patches of photo {absent[0]}.jpg and photo {absent[1]}.jpg are not in this file."
    )
    expect(pair).to_be_hidden()
    offered = notice.locator("button").first
    words = offered.inner_text()
    offered.click()
    expect(notice).to_be_hidden()
    expect(pair).to_be_visible()
    assert page.locator(".srsm-pair").get_attribute("data-pair").split(",") == re.findall(r"photo (\d+)", words)


def test_patches_are_matched_and_pinned_by_keyboard(open_report, report, analysis):
    page = open_report(report)
    page.wait_for_selector(READY)
    pair = page.locator(".srsm-pair")
    expect(pair).to_have_attribute("data-ready", "true")
    i, j = (int(k) for k in pair.get_attribute("data-pair").split(","))
    matches = analysis.matches("middle", i, j)
    page.locator(".srsm-picture").first.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(pair).to_have_attribute("data-token", "3")
    expect(pair).to_have_attribute("data-partner", str(matches.permutation[3]))
    page.keyboard.press("Enter")
    # the pin keeps its place where the next layer has another grid: (0, 3) of 7 x 7 is in (0, 2) of 4 x 4
    page.locator(".srsm-rsm .srsm-slider").first.focus()
    page.keyboard.press("Home")
    page.locator(".srsm-picture").first.blur()
    expect(pair).to_have_attribute("data-layer", "first")
    page.mouse.move(0, 0)
    expect(pair).to_have_attribute("data-token", "2")


def test_a_query_is_answered_and_an_answer_opens_its_pair(open_report, report, analysis):
    page = open_report(report)
    page.wait_for_selector(READY)
    view = page.locator(".srsm-retrieval")
    expect(view).to_have_attribute("data-ready", "true")
    page.locator(".srsm-rsm .srsm-slider").first.focus()
    page.keyboard.press("Home")
    expect(view).to_have_attribute("data-layer", "first")
    view.locator(".srsm-tile[data-index='7']").click()
    expect(view).to_have_attribute("data-answered", "7")
    nearest = srsm.nearest(analysis.rsm("first"), k=5)[7]
    row = view.locator(".srsm-rank[data-name='semantic'] .srsm-answer:visible")
    expect(row).to_have_count(5)
    shown = [int(row.nth(k).get_attribute("data-index")) for k in range(5)]
    assert sorted(shown) == sorted(nearest)
    assert row.first.locator("img").evaluate("(node) => node.naturalWidth") > 0
    row.first.click()
    i, j = sorted((7, shown[0]))
    expect(page.locator(".srsm-pair")).to_have_attribute("data-matched", f"{i},{j}")


def test_a_layer_without_places_says_so(open_report, report):
    page = open_report(report)
    page.wait_for_selector(READY)
    page.locator(".srsm-rsm .srsm-slider").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".srsm-pair")).to_have_attribute("data-layer", "last")
    expect(page.locator(".srsm-pair")).to_contain_text("no known place in the image")


def test_names_and_labels_are_shown_as_text(open_report, tmp_path):
    analysis = make_analysis(n=4, ids=[NASTY, "b", "<b>c</b>", "d & e"])
    page = open_report(srsm.to_html(analysis, tmp_path / "nasty.html", notices=[NASTY]))
    page.wait_for_selector(READY)
    surface, position = cell(page, 0, 2, size=4)
    surface.hover(position=position)
    expect(page.locator(".srsm-card")).to_contain_text(NASTY)
    expect(page.locator("header")).to_contain_text(NASTY)
    assert page.evaluate("window.hacked") is None
    assert page.locator("b").count() == 0


def test_without_images_the_page_shows_numbers(open_report, analysis, tmp_path):
    page = open_report(srsm.to_html(analysis, tmp_path / "private.html", images=False))
    page.wait_for_selector(READY)
    expect(page.locator(".srsm-pair")).to_have_attribute("data-ready", "true")
    assert page.locator(".srsm-side img").first.evaluate(
        "(node) => node.naturalWidth / node.naturalHeight"
    ) == pytest.approx(80 / 60, rel=0.02)
    expect(page.locator("header")).to_contain_text("neither pictures nor file names nor labels")
    assert "photo" not in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_900_pixels_in_both_themes(open_report, report, scheme):
    page = open_report(report, width=900, scheme=scheme)
    page.wait_for_selector(READY)
    expect(page.locator(".srsm-pair")).to_have_attribute("data-ready", "true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    ground, ink = page.evaluate(
        """() => [[document.body, 'backgroundColor'], [document.querySelector('.srsm'), 'color']]
          .map(([node, name]) => getComputedStyle(node)[name].match(/\\d+/g).slice(0, 3).map(Number))
          .map(([red, green, blue]) => (red + green + blue) / 3)"""
    )
    assert (ground > 200 > 100 > ink) if scheme == "light" else (ground < 100 < 200 < ink)


def test_a_script_that_is_not_of_the_file_is_refused(browser, report, tmp_path):
    changed = tmp_path / "changed.html"
    changed.write_text(report.read_text().replace("</body>", "<script>window.hacked = 1</script></body>"))
    page = browser.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.goto(changed.as_uri())
    page.wait_for_selector(READY)
    assert page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in text for text in refused)
    page.close()


def test_a_notebook_shows_it_without_a_kernel(lab_page):
    cells = [
        "import semrsm_widgets as srsm",
        "srsm.explore(images=srsm.demo_images(crops=1), layers=['blocks.4', 'blocks.5'], live=False)",
    ]
    lab_page.open_and_run(lab_page.lab.write_notebook("static.ipynb", cells), timeout=240)
    lab_page.lab.stop_kernels()
    frame = lab_page.page.frame_locator("iframe[title='semantic RSMs']")
    frame.locator(READY).wait_for(state="attached")
    expect(frame.locator(".srsm-pair")).to_have_attribute("data-ready", "true")
    frame.locator(".srsm-rsm .srsm-slider").first.focus()
    lab_page.page.keyboard.press("End")
    expect(frame.locator(".srsm-rsm")).to_have_attribute("data-layer", "blocks.5")
    expect(frame.locator(".srsm-pair")).to_have_attribute("data-layer", "blocks.5")


@pytest.fixture(scope="module")
def wide_names(tmp_path_factory):
    """A report whose layers and images have long names, with a search field, a badge and class tokens."""
    analysis = make_analysis(20, ids=[f"a rather long name of a picture, number {k}.jpg" for k in range(20)])
    long = {f"model.backbone.stages.{name}.blocks.very_long.attention": each for name, each in analysis.tokens.items()}
    analysis = srsm.Analysis(analysis.images, long, matcher=srsm.Exact())
    analysis.provenance = {"name": "net", "weights": "random"}
    path = tmp_path_factory.mktemp("report") / "report.html"
    return srsm.to_html(analysis, path, layer=list(long)[1])


@pytest.mark.parametrize("width", [390, 560, 660, 820, 1100, 1366])
def test_nothing_is_cut_at_any_width(open_report, wide_names, width):
    page = open_report(wide_names, width=width)
    page.wait_for_selector(READY)
    expect(page.locator(".srsm-pair")).to_have_attribute("data-ready", "true")
    assert layout_faults(page) == []


@pytest.mark.parametrize("width", [700, 1366])
def test_answers_stay_in_their_rows_in_large_type(open_report, wide_names, width):
    page = open_report(wide_names, width=width)
    page.wait_for_selector(READY)
    page.evaluate("document.documentElement.dataset.srsmType = 'large'")
    page.evaluate("document.documentElement.style.setProperty('--srsm-type', '1.4')")
    assert page.locator(".srsm-answer").count() > 0
    assert [fault for fault in layout_faults(page) if "srsm-answer" in fault] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_tab_stop_has_a_name(open_report, wide_names):
    page = open_report(wide_names)
    page.wait_for_selector(READY)
    expect(page.locator(".srsm-canvas .bk-Figure").first).to_be_attached()
    assert nameless_stops(page, 60) == []
