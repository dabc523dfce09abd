"""CompareView as a person uses it: two sets of layers on the bundled photographs, by keyboard and mouse."""

from __future__ import annotations

import re

import pytest
from helpers.boxes import box_of
from playwright.sync_api import expect

import semrsm_widgets as srsm
from semrsm_widgets.views.compare.layer_map import PALETTES
from semrsm_widgets.views.compare.still import cell_colour

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

LAYERS = ("blocks.3", "blocks.4", "blocks.5")
CELLS = [
    "import semrsm_widgets as srsm",
    "images = srsm.demo_images(crops=2, overlap=0.5, seed=0)",
    "model = srsm.load_model()\n"
    "def see(layers):\n"
    "    return srsm.Analysis(images, srsm.extract(model, images, layers, max_grid=8), model=model)\n"
    f"a, b = see({list(LAYERS)}), see({list(LAYERS[1:])})",
    "view = srsm.CompareView(a, b, names=('<b>first</b>', 'second'))\nview",
]


@pytest.fixture(scope="module")
def analyses():
    """What the notebook compares, computed here by the same public calls."""
    images, model = srsm.demo_images(crops=2, overlap=0.5, seed=0), srsm.load_model()
    return tuple(
        srsm.Analysis(images, srsm.extract(model, images, list(layers), max_grid=8), model=model)
        for layers in (LAYERS, LAYERS[1:])
    )


def test_a_cell_is_read_and_opens_what_differs(lab_page, analyses):
    a, b = analyses
    lab_page.open_and_run(lab_page.lab.write_notebook("compare.ipynb", CELLS))
    page = lab_page.page
    view, detail = page.locator(".srsm-comparison"), page.locator(".srsm-detail")
    page.wait_for_selector(".srsm-comparison[data-complete='true'][data-ready='true']")
    comparison = srsm.compare(a, b)
    rows = {(row.layer_a, row.layer_b): row for row in comparison.rows if row.similarity == "semantic"}

    # every cell has the core's number, interval and colour; the same layer of the same model is 1
    cells = page.locator(".srsm-layer-cell")
    assert cells.count() == 6
    for k, (cell, row) in enumerate(rows.items()):
        node = cells.nth(k)
        assert float(node.get_attribute("data-value")) == pytest.approx(row.value, abs=1e-3)
        expect(node).to_have_attribute("aria-label", re.compile(f"{cell[0]} of A, {cell[1]} of B: CKA .*16 images"))
        red, green, blue = (int(cell_colour(row.value, PALETTES["map"])[at : at + 2], 16) for at in (1, 3, 5))
        expect(node).to_have_css("background-color", f"rgb({red}, {green}, {blue})")
    assert float(cells.nth(2).get_attribute("data-value")) == pytest.approx(1)
    expect(view).to_contain_text("<b>first</b>")  # text, not markup

    # by keyboard: to (blocks.3, blocks.5), which the card reads out, and open
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    row = rows["blocks.3", "blocks.5"]
    card = page.locator(".srsm-cell-card")
    expect(card).to_contain_text(f"{row.value:.2f}")
    expect(card).to_contain_text(f"{row.low:.2f} to {row.high:.2f}".replace("-", "−"))
    page.keyboard.press("Enter")
    expect(detail).to_have_attribute("data-cell", "blocks.3 blocks.5")
    expect(detail).to_have_attribute("data-ready", "true")
    expect(page.locator(".srsm-pair")).to_have_count(2)
    for k in (0, 1):  # what is still to come would move the page under the pointer
        expect(page.locator(".srsm-pair").nth(k)).to_have_attribute("data-null", re.compile(r"0\.\d+"))

    # a cell of the difference is read out with its ranks, and a click opens it in both PairViews
    difference = srsm.rsm_difference(a.rsm("blocks.3"), b.rsm("blocks.5"))
    surface = page.locator(".srsm-heatmap .srsm-surface").nth(2)
    box = box_of(surface)
    at = {"x": box["width"] * 10.5 / 16, "y": box["height"] * 2.5 / 16}
    surface.hover(position=at)
    line = page.locator(".srsm-pair-line")
    expect(line).to_contain_text(f"{a.images.ids[2]} and {a.images.ids[10]}")
    expect(line).to_contain_text(f"rank {difference.rank_a[2, 10]} of 120")
    expect(line).to_contain_text(f"rank {difference.rank_b[2, 10]} of 120")
    expect(line).to_contain_text("unrelated")
    surface.click(position=at)
    for k in (0, 1):
        expect(page.locator(".srsm-pair").nth(k)).to_have_attribute("data-matched", "2,10")

    # the pair that changed most
    change = difference.more_alike(True, 1)[0]
    first = page.locator(".srsm-changes").first.locator("button").first
    expect(first).to_have_attribute("data-pair", f"{change.pair[0]},{change.pair[1]}")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    for k in (0, 1):
        expect(page.locator(".srsm-pair").nth(k)).to_have_attribute(
            "data-matched", f"{change.pair[0]},{change.pair[1]}"
        )
    lab_page.screenshot("compare-light")
    lab_page.set_theme("dark")
    lab_page.screenshot("compare-dark")

    # another similarity, in the map and in the open cell
    page.get_by_role("radiogroup", name="similarity").get_by_role("radio", name="pooled").check()
    pooled = comparison.table("pooled")[0, 1]
    expect(view).to_have_attribute("data-similarity", "pooled")
    assert float(cells.nth(1).get_attribute("data-value")) == pytest.approx(pooled, abs=1e-3)
    expect(detail.locator(".srsm-detail-words")).to_contain_text(f"CKA {pooled:.2f}")
    expect(line).not_to_contain_text("unrelated")

    # closed by its button
    page.get_by_role("button", name="close this cell").click()
    expect(detail).to_be_hidden()
    expect(page.locator(".srsm-pair")).to_have_count(0)
