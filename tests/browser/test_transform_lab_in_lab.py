"""TransformLab as a student uses it: sliders by keyboard, patches by mouse, and the numbers that follow."""

from __future__ import annotations

import re

import pytest
from helpers.boxes import box_of
from playwright.sync_api import expect

import semrsm_widgets as srsm
from semrsm_widgets.images.warp import Warp

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

CELLS = [
    "import semrsm_widgets as srsm",
    "lab = srsm.TransformLab(layers=['blocks.4', 'blocks.5'], layer='blocks.4')\nlab",
]


def computed(warp, ident="astronaut", layer="blocks.4"):
    """Return the matches of a bundled photograph and its moved copy, by the lab's own public parts."""
    lab = srsm.TransformLab(layers=[layer], layer=layer, shift=warp.shift, tiles=warp.tiles, seed=warp.seed)
    lab.index = list(lab.images.ids).index(ident)
    assert lab.wait(300)
    assert lab.last_error == ""
    assert lab.warp == warp
    matches = lab.analysis.matches(layer, 0, 1)
    lab.close()
    return matches


def test_a_shift_moves_the_numbers(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("lab.ipynb", CELLS))
    page = lab_page.page
    root = page.locator(".srsm-lab")
    expect(root).to_have_attribute("data-null", re.compile(r"0\.\d+"))
    value = lambda name: float(root.get_attribute(f"data-{name}"))  # noqa: E731

    # it opens three patches to the right, with the curve of the way there
    expect(root).to_have_attribute("data-shift", f"{3 / 14},0")
    expect(root.locator(".srsm-chart-dot[data-name='semantic']")).to_have_count(7)
    lab_page.screenshot("lab-opened")
    page.get_by_role("button", name="where it fails").click()
    expect(root).to_have_attribute("data-tiles", "8")
    expect(root.locator(".srsm-presets")).to_contain_text("few tokens have a partner")
    assert value("pooled") > value("semantic") + 0.1
    page.get_by_role("button", name="Reset").click()
    expect(root).to_have_attribute("data-shift", "0,0")
    expect(root).to_have_attribute("data-tiles", "1")
    assert (value("aligned"), value("semantic"), value("pooled")) == pytest.approx((1, 1, 1), abs=1e-3)

    # a quarter of the picture to the right, by keyboard
    page.get_by_label("shift across").focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    expect(root).to_have_attribute("data-shift", "0.25,0")
    expect(root.locator(".srsm-knob-words").first).to_have_text("25 % right · 3.5 patches")
    matches = computed(Warp(shift=(0.25, 0.0)))
    for name in ("aligned", "semantic", "pooled"):
        assert value(name) == pytest.approx(getattr(matches, name), abs=2e-3)
    assert value("semantic") > value("aligned") + 0.2
    expect(root.locator(".srsm-lab-numbers")).to_contain_text(f"{matches.semantic:.2f}")
    expect(root.locator(".srsm-chart-dot[data-name='semantic']")).not_to_have_count(7)
    lab_page.screenshot("lab-light")

    # a patch shows its partner
    picture = root.locator(".srsm-picture").first
    box = box_of(picture)
    picture.hover(position={"x": box["width"] * 4.5 / 14, "y": box["height"] * 5.5 / 14})
    expect(root).to_have_attribute("data-token", str(5 * 14 + 4))
    partner = int(root.get_attribute("data-partner"))
    assert partner == pytest.approx(matches.permutation[5 * 14 + 4])
    expect(root.locator(".srsm-token-line")).to_contain_text(f"patch {partner // 14},{partner % 14}")

    # tiles change places, and come together again in the third picture
    page.get_by_role("button", name="Reset").click()
    expect(root).to_have_attribute("data-shift", "0,0")
    page.get_by_label("tiles").focus()
    page.keyboard.press("ArrowRight")
    expect(root.locator(".srsm-knob-words").nth(3)).to_have_text("2 × 2 shuffled")
    page.get_by_role("button", name="Shuffle again").click()
    matches = computed(Warp(tiles=2, seed=1))
    expect(root).to_have_attribute("data-tiles", "2")
    expect(root).to_have_attribute("data-seed", "1")
    assert value("semantic") == pytest.approx(matches.semantic, abs=2e-3)
    assert value("aligned") == pytest.approx(matches.aligned, abs=2e-3)

    # another layer and another picture
    page.get_by_label("layer", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(root).to_have_attribute("data-layer", "blocks.5")
    page.get_by_label("picture", exact=True).select_option("coffee")
    expect(root).to_have_attribute("data-stale", "false")
    lab_page.set_theme("dark")
    lab_page.screenshot("lab-dark")
