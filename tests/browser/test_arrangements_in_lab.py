"""How an explorer's views stand: all in sight at 1366 x 768, whole at any width, chosen on screen and from Python."""

from __future__ import annotations

import re

import pytest
from helpers.boxes import box_of, layout_faults
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

CELLS = [
    "import semrsm_widgets as srsm",
    "explorer = srsm.explore(layers=['blocks.4', 'blocks.5'], layer='blocks.4')\nexplorer",
]


def show(lab_page, width, height=768):
    """Show an explorer in a window of this size and wait until all of it is there."""
    page = lab_page.page
    page.set_viewport_size({"width": width, "height": height})
    lab_page.open_and_run(lab_page.lab.write_notebook(f"arranged-{width}.ipynb", CELLS))
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    expect(page.locator(".srsm-pair")).to_have_attribute("data-null", re.compile(r"0\."))
    expect(page.locator(".srsm-retrieval")).to_have_attribute("data-complete", "true")
    return page


def in_sight(page, selector):
    """Return whether an element lies whole in what one sees of the notebook."""
    box = page.locator(selector).first.bounding_box()  # None where it is hidden
    seen = box_of(page.locator(".jp-WindowedPanel-outer").first)
    return bool(
        box
        and box["height"] > 0
        and box["y"] >= seen["y"] - 1
        and box["y"] + box["height"] <= seen["y"] + seen["height"] + 1
    )


def test_at_1366_by_768_layer_heatmap_and_pair_are_seen_together(lab_page):
    page = show(lab_page, 1366)
    page.evaluate("document.querySelector('.srsm-explorer').scrollIntoView()")
    one_screen = [".srsm-layers", ".srsm-card", ".srsm-map[data-map='semantic'] .srsm-surface", ".srsm-stage"]
    assert [part for part in one_screen if not in_sight(page, part)] == []
    assert layout_faults(page) == []
    lab_page.screenshot("one-screen")

    # The switch changes the heatmap, here and in Python, and the one that comes is painted.
    switch = page.locator(".srsm-heatmap-switch")
    for words, name in (("pooled", "baseline"), ("difference", "difference"), ("semantic", "semantic")):
        switch.get_by_role("radio", name=words).check()
        shown = page.locator(".srsm-map:visible")
        expect(shown).to_have_count(1)
        expect(shown).to_have_attribute("data-map", name)
        canvas = box_of(shown.locator(".srsm-canvas canvas").first)
        surface = box_of(shown.locator(".srsm-surface"))
        assert abs(canvas["width"] - surface["width"]) < 3
        lab_page.screenshot(f"one-screen-{words}")
    assert lab_page.run_code("print(explorer.rsm_view.baseline, explorer.rsm_view.heatmap)").split() == [
        "pooled",
        "semantic",
    ]

    # Layer and values stay in sight while one scrolls to the answers, where they still work.
    page.evaluate("document.querySelector('.srsm-retrieval').scrollIntoView()")
    page.wait_for_function("document.querySelector('.srsm-explorer').getBoundingClientRect().bottom < 90")
    assert in_sight(page, ".srsm-layers")
    assert in_sight(page, ".srsm-card")
    assert not in_sight(page, ".srsm-map[data-map='semantic'] .srsm-surface")
    controls, card = (box_of(page.locator(name).first) for name in (".srsm-rsm-controls", ".srsm-card"))
    assert abs(controls["y"] + controls["height"] - card["y"]) < 2.5
    chart = page.locator(".srsm-layer-control").first
    width = box_of(chart)["width"]
    page.get_by_role("button", name="next layer").first.click()
    expect(page.locator(".srsm-pair")).to_have_attribute("data-layer", "blocks.5")
    assert box_of(chart)["width"] == width  # or the thumb leaves the pointer that drags it

    # The controls are taller with "More" open: the values stay right below them.
    page.get_by_role("button", name="More", exact=True).first.click()
    expect(page.locator(".srsm-rsm-controls .srsm-more")).to_be_visible()
    page.evaluate("document.querySelector('.srsm-retrieval').scrollIntoView()")
    lab_page.screenshot("one-screen-more")
    taller, card = (box_of(page.locator(name).first) for name in (".srsm-rsm-controls", ".srsm-card"))
    assert taller["height"] > controls["height"] + 20
    assert abs(taller["y"] + taller["height"] - card["y"]) < 2.5
    assert in_sight(page, ".srsm-card")

    # In large type, too, the switch over the one heatmap is one line.
    line = box_of(switch)["height"]
    page.evaluate("document.documentElement.style.setProperty('--srsm-type', '1.4')")
    assert box_of(switch)["height"] < 1.5 * line


def test_columns_and_tabs_are_a_choice_on_screen_and_in_python(lab_page):
    page = show(lab_page, 1366)
    marked = "document.querySelector('.srsm-pair').dataset.mark"
    page.evaluate(f"{marked} = 'here'")
    page.get_by_role("radio", name="columns").check()
    expect(page.locator(".srsm-map:visible")).to_have_count(3)
    assert lab_page.run_code("print(explorer.arrangement)").strip() == "columns"
    lab_page.run_code("explorer.arrangement = 'tabs'")
    expect(page.locator(".srsm-pair")).to_be_hidden()
    expect(page.locator(".srsm-map:visible")).to_have_count(3)
    page.get_by_role("radio", name="pair").check()
    expect(page.locator(".srsm-pair")).to_be_visible()
    expect(page.locator(".srsm-map:visible")).to_have_count(0)
    expect(page.locator(".srsm-layers").first).to_be_visible()
    assert lab_page.run_code("print(explorer.part)").strip() == "pair"
    assert layout_faults(page) == []
    lab_page.screenshot("tabs")
    page.get_by_role("radio", name="one screen").check()
    expect(page.locator(".srsm-map:visible")).to_have_count(1)
    assert page.evaluate(marked) == "here"  # none was drawn anew


# 560 and 1093 are windows of 700 and 1366 pixels at 125 %; beside JupyterLab's side bar 560 leave 192.
@pytest.mark.parametrize("width", [560, 660, 820, 1000, 1093, 1100])
def test_nothing_is_cut_in_a_narrow_window(lab_page, width):
    page = show(lab_page, width, 900)
    for beside in ("side-bar", "nothing"):
        if beside == "nothing":
            lab_page.execute("application:toggle-left-area")
        for arrangement in ("one screen", "columns", "tabs"):
            lab_page.run_code(f"explorer.arrangement = {arrangement!r}")
            expect(page.locator(f".srsm-{arrangement.replace(' ', '-')}")).to_be_attached()
            assert layout_faults(page) == []
        for part in ("heatmaps", "pair", "retrieval"):
            page.get_by_role("radio", name=part).check()
            expect(page.locator(f".srsm-tab-{part}")).to_be_attached()
            assert layout_faults(page) == []
            lab_page.screenshot(f"width-{width}-{beside}-{part}")


def test_where_one_screen_has_no_room_it_stands_as_tabs(lab_page):
    page = show(lab_page, 820)
    arrangement = page.get_by_role("radiogroup", name="how the views stand")
    expect(arrangement.get_by_role("radio", name="tabs")).to_be_checked()
    expect(arrangement.get_by_text("one screen")).to_be_hidden()
    expect(page.locator(".srsm-map:visible")).to_have_count(1)
    expect(page.locator(".srsm-pair")).to_be_hidden()
    # A cell opens its pair, where the person then is.
    page.locator(".srsm-map[data-map='semantic'] .srsm-surface").click(position={"x": 100, "y": 40})
    expect(page.locator(".srsm-pair")).to_be_visible()
    expect(page.locator(".srsm-maps")).to_be_hidden()
    drawn = box_of(page.locator(".srsm-pair .srsm-picture").first)
    overlay = box_of(page.locator(".srsm-pair .srsm-overlay"))
    assert drawn["width"] > 100
    assert overlay["width"] > 2 * drawn["width"]  # what was laid out while it was hidden is laid out anew
    lab_page.screenshot("narrow-pair")
    # With room it is one screen again; the trait never changed.
    page.set_viewport_size({"width": 1366, "height": 768})
    expect(arrangement.get_by_role("radio", name="one screen")).to_be_checked()
    expect(page.locator(".srsm-maps")).to_be_visible()
    expect(page.locator(".srsm-retrieval")).to_be_visible()
    assert lab_page.run_code("print(explorer.arrangement)").strip() == "one screen"


def test_at_1000_by_768_the_two_pictures_are_seen_whole_in_their_tab(lab_page):
    page = show(lab_page, 1000)
    page.get_by_role("radio", name="pair").check()
    expect(page.locator(".srsm-pair")).to_be_visible()
    page.evaluate("document.querySelector('.srsm-explorer').scrollIntoView()")
    page.wait_for_function("document.querySelector('.srsm-explorer').getBoundingClientRect().top < 110")
    assert box_of(page.locator("[data-side='A'] .srsm-picture"))["width"] > 250  # and their patches can be told apart
    assert [part for part in (".srsm-layers", ".srsm-stage") if not in_sight(page, part)] == []


def test_what_a_person_chose_is_remembered_and_what_python_said_is_not(lab_page):
    page = show(lab_page, 1366)
    lab_page.run_code("explorer.arrangement = 'tabs'")
    expect(page.get_by_role("radio", name="tabs")).to_be_checked()
    assert page.evaluate("localStorage.getItem('srsm-arrangement')") is None
    page.get_by_role("radio", name="columns").check()

    lab_page.lab.stop_kernels()
    show(lab_page, 1366)  # another kernel
    expect(page.get_by_role("radio", name="columns")).to_be_checked()
    assert lab_page.run_code("print(explorer.arrangement)").strip() == "columns"

    lab_page.lab.stop_kernels()
    said = [CELLS[0], CELLS[1] + ".arrangement = 'one screen'\nexplorer"]
    lab_page.open_and_run(lab_page.lab.write_notebook("said.ipynb", said))
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    expect(page.get_by_role("radio", name="one screen")).to_be_checked()
    expect(page.locator(".srsm-map:visible")).to_have_count(1)
