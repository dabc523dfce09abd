"""AuctionStepper as a class uses it: by keyboard through real patches, its own bids, beside a PairView, as a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.boxes import layout_faults
from playwright.sync_api import expect

import semrsm_widgets as srsm

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

CELLS = [
    "import semrsm_widgets as srsm\n"
    "images = srsm.demo_images(crops=2, overlap=0.5, seed=0)\n"
    "model = srsm.load_model()\n"
    "analysis = srsm.Analysis(images, srsm.extract(model, images, layers=['blocks.4', 'blocks.6']), model=model)",
    "stepper = srsm.AuctionStepper(analysis, layer='blocks.4', pair=(8, 9), grid=2)\nstepper",
    "stepper.to_html('auction.html')",
]
BESIDE = [
    CELLS[0].replace("import", "import semrsm_widgets\nimport", 1),
    "pairs = srsm.PairView(analysis, layer='blocks.4', pair=(8, 9), patience=1e9)\npairs",
    "stepper = srsm.AuctionStepper.of(pairs, grid=3)\nstepper",
]


def told(layer="blocks.4", grid=2):
    """Return the same auction by the package's public parts."""
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0).select([8, 9])
    model = srsm.load_model()
    analysis = srsm.Analysis(images, srsm.extract(model, images, layers=[layer]), model=model)
    stepper = srsm.AuctionStepper(analysis, layer=layer, pair=(0, 1), grid=grid)
    trace = stepper.trace
    stepper.close()
    return trace


def test_keys_and_clicks_go_through_the_auction(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("stepper.ipynb", CELLS))
    page, trace = lab_page.page, told()
    root = page.locator(".srsm-stepper")
    expect(root).to_have_attribute("data-ready", "true")
    expect(root).to_have_attribute("data-steps", str(len(trace)))
    value = lambda name: float(root.get_attribute(f"data-{name}"))  # noqa: E731
    assert value("bound") == pytest.approx(trace.steps[0].bound, abs=1e-4)
    expect(root.locator(".srsm-scene img").first).to_be_visible()

    # forward, to an eviction, to the end
    root.focus()
    page.keyboard.press("ArrowRight")
    expect(root).to_have_attribute("data-kind", "bid")
    first = trace.steps[1]
    expect(root.locator(".srsm-step-head")).to_have_text(f"A{first.row} takes B{first.column}, which was free")
    root.get_by_role("button", name="eviction").click()
    at = next(k for k, step in enumerate(trace.steps) if step.kind == "evict")
    expect(root).to_have_attribute("data-step", str(at))
    evict = trace.steps[at]
    expect(root.locator(".srsm-step-head")).to_have_text(
        f"A{evict.row} takes B{evict.column} from A{evict.owner_before}"
    )
    lab_page.screenshot("stepper-light")
    page.keyboard.press("End")
    expect(root).to_have_attribute("data-step", str(len(trace) - 1))
    assert (value("value"), value("bound")) == pytest.approx((trace.value, trace.upper_bound), abs=1e-4)
    expect(root.locator(".srsm-plot-name.srsm-plot-best-bound")).to_have_text(f"best bound {trace.upper_bound:.4f}")
    expect(root.locator("td.srsm-held")).to_have_count(4)

    # a bid of one's own, with no hint before it
    page.keyboard.press("Home")
    root.get_by_label("your bid").check()
    root.get_by_role("button", name="one step on").click()
    expect(root).to_have_attribute("data-asking", "true")
    row = trace.steps[1].row
    root.locator(f'tbody td[data-at="{row},{trace.steps[1].column}"]').click()
    expect(root.locator(".srsm-judged")).to_contain_text("Right.")
    expect(root).to_have_attribute("data-step", "1")
    lab_page.screenshot("stepper-your-bid")
    root.get_by_label("your bid").uncheck()

    # a grid of 3 × 3 comes from the kernel
    root.locator("label", has_text="3×3").click()
    expect(root.locator("tbody tr")).to_have_count(9)
    expect(root).to_have_attribute("data-stale", "false")
    lab_page.set_theme("dark")
    lab_page.screenshot("stepper-dark")
    lab_page.set_theme("light")

    # the page that was written works by itself
    page.goto(Path(lab_page.lab.folder, "auction.html").as_uri())
    alone = page.locator(".srsm-stepper")
    expect(alone).to_have_attribute("data-ready", "true")
    alone.focus()
    page.keyboard.press("End")
    expect(alone).to_have_attribute("data-kind", "prove")
    alone.locator(".srsm-eps").fill("0.05")
    page.keyboard.press("Enter")
    expect(alone).to_have_attribute("data-steps", "6")
    for width in (390, 760, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        assert layout_faults(page) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_stands_beside_a_pair_view(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("beside.ipynb", BESIDE))
    page = lab_page.page
    root, pair = page.locator(".srsm-stepper"), page.locator(".srsm-pair")
    expect(root).to_have_attribute("data-ready", "true")
    expect(pair).to_have_attribute("data-ready", "true")
    root.locator('tbody td[data-at="4,2"]').hover()
    expect(pair.locator(".srsm-elsewhere rect.srsm-bright")).to_have_count(2)
    lab_page.screenshot("stepper-beside-pair")
    pair.get_by_label("image B").select_option("7")
    expect(root.locator(".srsm-title")).to_contain_text("chelsea/1")
    expect(root).to_have_attribute("data-stale", re.compile("false"))
