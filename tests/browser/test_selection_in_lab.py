"""Who is who in the heatmaps: names, found images and a selection, by mouse, by keyboard and from Python.

Also of 200 images with names that are long, from right to left, or not there.
"""

from __future__ import annotations

import re
from itertools import pairwise

from helpers.boxes import box_of, in_columns, layout_faults, nameless_stops
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

MAKE = """import numpy as np, torch, semrsm_widgets as srsm
def explored(labels, layers='ab', side=3, **options):
    rng = np.random.default_rng(0)
    n = len(labels)
    pictures = [np.full((32, 32, 3), rng.integers(0, 255, 3), dtype=np.uint8) for _ in range(n)]
    images = srsm.load_images(pictures, labels=labels)
    values = lambda: torch.from_numpy(rng.normal(size=(n, side * side, 6)).astype(np.float32))
    grid = (side, side)
    tokens = {name: srsm.Tokens(values=values(), grid=grid, native_grid=grid, layer=name) for name in layers}
    return srsm.explore(srsm.Analysis(images, tokens, matcher=srsm.Exact()), **options)
"""
LONG = "a label of two hundred characters, " * 6
RIGHT_TO_LEFT = "חתול שחור"


def show(lab_page, *cells, explorers=1):
    lab_page.open_and_run(lab_page.lab.write_notebook("selection.ipynb", [MAKE, *cells]))
    for k in range(explorers):
        expect(lab_page.page.locator(".srsm-rsm").nth(k)).to_have_attribute("data-complete", "true")
    return lab_page.page


def named(page, axis="left"):
    """Return the boxes of the names along an axis of the shown heatmap, and whose they are, once they have settled."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    # Found and measured at once: a name that is drawn anew in between has no box any more.
    return page.evaluate(
        """(axis) => [...document.querySelectorAll(`.srsm-map .srsm-axis-${axis} bdi`)]
            .filter((node) => node.checkVisibility())
            .map((node) => [node.title, node.textContent, node.getBoundingClientRect().toJSON()])""",
        axis,
    )


def test_images_are_found_and_selected_on_screen_and_from_python(lab_page):
    page = show(lab_page, "explorer = srsm.explore(layers=['blocks.5', 'blocks.6'], layer='blocks.5')\nexplorer")
    rsm = page.locator(".srsm-rsm")
    page.get_by_label("order of the images").select_option("label")
    expect(page.locator(".srsm-map:visible .srsm-axis-left bdi")).to_have_count(8)

    # found by name: the rows are marked, arrow keys go to them, Enter selects
    page.locator(".srsm-find-image").focus()
    expect(page.locator(".srsm-found-line")).to_have_count(16)
    page.keyboard.type("coffee")
    expect(rsm).to_have_attribute("data-found", "8,9")
    lab_page.screenshot("find")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    expect(rsm).to_have_attribute("data-selection", "8,9")
    expect(page.locator(".srsm-card-pair figcaption").first).to_have_text("coffee/1")
    page.keyboard.press("Escape")
    assert lab_page.run_code("print(*explorer.selection, len(explorer.selection.to_frame()))").split() == [
        "coffee/0",
        "coffee/1",
        "2",
    ]

    # a block of the heatmap, and only those are shown; the cell under the pointer is still the pair that it says
    page.locator(".srsm-who").get_by_role("radio", name="select").check()
    surface = page.locator(".srsm-map:visible .srsm-surface")
    box = box_of(surface)
    at = lambda k: (k + 0.5) / 16  # noqa: E731
    page.mouse.move(box["x"] + box["width"] * at(4), box["y"] + box["height"] * at(0))
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * at(6), box["y"] + box["height"] * at(2), steps=4)
    page.mouse.up()
    expect(rsm).to_have_attribute("data-selection", "0,1,2,4,5,6")
    page.locator(".srsm-selection").get_by_role("radio", name="only").check()
    expect(rsm).to_have_attribute("data-rows", "0,1,2,4,5,6")
    box = box_of(surface)
    surface.hover(position={"x": box["width"] * 3.5 / 6, "y": box["height"] * 1.5 / 6})
    expect(rsm).to_have_attribute("data-cell", "1,4")
    lab_page.screenshot("selected-only")

    # from Python, with the order that was given; then its answers, and an explorer of its own
    lab_page.run_code("explorer.rsm_view.order = 'file'; explorer.selection = ['rocket/1', 'brick/0', 3]")
    expect(rsm).to_have_attribute("data-rows", "15,2,3")
    page.locator(".srsm-selection").get_by_role("radio", name="first").check()
    expect(rsm).to_have_attribute("data-rows", re.compile("^15,2,3,0,1,4,"))
    page.get_by_role("button", name="select these: the answers of semantic").click()
    expect(rsm).to_have_attribute("data-selection", re.compile(r"^0,1(,\d+){4}$"))
    assert layout_faults(page) == []
    lab_page.run_code(
        "part = explorer.open_selection(); assert part.wait(60)\n"
        "assert part.analysis.images.ids == explorer.selection.ids and len(part.analysis) == 6\npart.close()"
    )
    page.get_by_role("button", name="open below").click()
    below = page.locator(".srsm-place-below")
    expect(below.locator(".srsm-title")).to_contain_text("6 images")
    expect(below.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    assert layout_faults(page) == []
    lab_page.screenshot("opened-below", below)
    page.get_by_role("button", name="close below").click()
    expect(below).to_have_count(0)
    page.get_by_role("button", name="clear").click()
    expect(rsm).to_have_attribute("data-selection", "")

    # every stop of the Tab key has a name; a new view for the output shows the same, and works
    page.locator(".srsm-slider").first.focus()
    assert nameless_stops(page, 24) == []
    lab_page.execute("notebook:create-output-view")
    views = page.locator(".srsm-rsm")
    expect(views).to_have_count(2)
    for k in range(2):
        expect(views.nth(k)).to_have_attribute("data-complete", "true")
    views.nth(1).get_by_label("next layer").click()
    for k in range(2):
        expect(views.nth(k)).to_have_attribute("data-layer", "blocks.6")
    lab_page.screenshot("new-view")


def test_two_hundred_images_of_uneven_labels_stay_legible(lab_page):
    page = show(
        lab_page,
        f"labels = [{LONG!r}] * 60 + [{RIGHT_TO_LEFT!r}] * 60 + [None] * 40 + [f'kind {{k}}' for k in range(40)]\n"
        "explorer = explored(labels, side=2)\nexplorer",
    )
    expect(page.locator(".srsm-explorer")).to_have_attribute("data-state", "ready")
    rsm = page.locator(".srsm-rsm")
    page.get_by_label("order of the images").select_option("label")
    expect(page.locator(".srsm-map:visible .srsm-axis-left bdi")).not_to_have_count(0)
    for axis, side in (("left", "top"), ("top", "left")):
        names = named(page, axis)
        titles = [title for title, _, _ in names]
        assert {LONG, RIGHT_TO_LEFT, "no label"} <= set(titles)  # the large groups
        assert 3 < len(titles) < 42  # not all of those with one image each
        assert all("…" in text and len(text) < 40 for title, text, _ in names if title == LONG)
        extent = {"top": "height", "left": "width"}[side]
        starts = sorted((box[side], box[side] + box[extent]) for _, _, box in names)
        assert all(before[1] <= after[0] + 0.5 for before, after in pairwise(starts))
        room = box_of(page.locator(f".srsm-map:visible .srsm-axis-{axis} .srsm-axis-names"))
        for _, _, box in names:
            assert room["x"] - 1 <= box["x"]
            assert box["x"] + box["width"] <= room["x"] + room["width"] + 1
            assert room["y"] - 1 <= box["y"]
            assert box["y"] + box["height"] <= room["y"] + room["height"] + 1
    expect(page.locator(".srsm-axis-left img")).to_have_count(0)  # they would be specks
    assert layout_faults(page) == []
    lab_page.screenshot("names-of-200")

    # what is found among many is zoomed to, and has its thumbnails again
    page.locator(".srsm-find-image").fill("kind 17")
    expect(rsm).to_have_attribute("data-found", "177")
    expect(rsm).to_have_attribute("data-zoom", re.compile(r"\d+,\d+,24"))
    expect(page.locator(".srsm-map:visible .srsm-axis-left img")).to_have_count(24)
    expect(page.locator(".srsm-map:visible .srsm-cursor")).to_be_visible()
    lab_page.screenshot("found-among-200")


def test_few_images_one_layer_and_one_token(lab_page):
    page = show(
        lab_page,
        f"explored([{LONG!r}, {RIGHT_TO_LEFT!r}], layers='a', side=1)",
        "explorer = explored([None] * 3, layers='a', side=1)\nexplorer",
        "explorer.wait(60); explorer.rsm_view.selection, explorer.rsm_view.selected = [2], 'only'",
        explorers=2,
    )
    second = page.locator(".srsm-rsm").nth(1)
    expect(second).to_have_attribute("data-rows", "2")
    expect(second.get_by_label("order of the images").locator("option").nth(1)).to_be_disabled()
    surface = second.locator(".srsm-map:visible .srsm-surface")
    surface.click()
    surface.focus()
    for key in ("ArrowRight", "Shift+ArrowDown", "s", "+", "0"):
        page.keyboard.press(key)
    expect(second).to_have_attribute("data-selection", "2")  # the block is that image
    first = page.locator(".srsm-rsm").first
    first.get_by_label("order of the images").select_option("label")
    expect(first.locator(".srsm-map:visible .srsm-axis-left bdi")).to_have_count(2)
    in_columns(page)
    assert layout_faults(page) == []
    lab_page.screenshot("few")
