"""Every view and the report as axe-core judges them, light and dark, and under forced colours."""

from __future__ import annotations

import os

import pytest
from helpers.axe import SCRIPT, grave_findings
from helpers.lab_harness import LabPage
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

CELLS = [
    "import semrsm_widgets as srsm",
    "explorer = srsm.explore(layers=['blocks.4', 'blocks.5'], layer='blocks.4')\nexplorer",
    "explorer.wait()\n"
    "explorer.selection, explorer.pair_view.token = [0, 1, 2], 90\n"
    "analysis = explorer.analysis\n"
    "srsm.to_html(analysis, 'report.html', pairs='current')",
    "compare = srsm.CompareView(analysis, analysis, names=('one', 'other'))\ncompare",
    "stepper = srsm.AuctionStepper(analysis)\nstepper",
    "lab = srsm.TransformLab(layers=['blocks.4', 'blocks.5'], layer='blocks.4')\nlab",
]
MOVING = """() => [...document.querySelectorAll(".srsm *")].filter((node) => {
  const { transitionDuration, animationName } = getComputedStyle(node);
  return parseFloat(transitionDuration) > 0 || animationName !== "none";
}).length"""
VIEWS = (
    ".srsm-explorer",
    ".srsm-rsm",
    ".srsm-pair",
    ".srsm-retrieval",
    ".srsm-comparison",
    ".srsm-stepper",
    ".srsm-lab",
)


@pytest.fixture
def axe():
    """Skip without axe-core; fail where browser tests must run."""
    if not SCRIPT.is_file():
        if os.environ.get("SEMRSM_REQUIRE_BROWSER") == "1":
            pytest.fail("no axe-core: npm ci")
        pytest.skip("no axe-core: npm ci")


def test_nothing_grave_is_found_in_any_view_or_in_the_report(axe, lab, browser):
    opened = LabPage.open(browser, lab, width=1366, height=5000)
    opened.open_and_run(lab.write_notebook("access.ipynb", CELLS))
    opened.run_code("for view in (explorer, compare, stepper, lab): view.wait(100)")
    page = opened.page
    for view in (
        ".srsm-rsm[data-complete='true']",
        ".srsm-retrieval[data-layer='blocks.4']",
        ".srsm-lab[data-ready='true']",
    ):
        page.wait_for_selector(view)
    page.wait_for_selector(".srsm-crop img")
    page.get_by_role("button", name="More").first.click()
    page.locator(".srsm-find").first.fill("cof")
    report = opened.context.new_page()
    report.goto((lab.folder / "report.html").as_uri())
    report.wait_for_selector(".srsm-rsm[data-complete='true']")
    found = {}
    for theme in ("light", "dark"):
        opened.set_theme(theme)
        report.emulate_media(color_scheme=theme)
        found |= {f"{theme} {view}": grave_findings(page, view) for view in VIEWS}
        found[f"{theme} report"] = grave_findings(report, "body")
        opened.screenshot(f"access-{theme}")
    assert [f"{where}: {each}" for where, grave in found.items() for each in grave] == []

    # under forced colours, what shows numbers keeps its colours, and what is chosen is seen
    page.emulate_media(forced_colors="active")
    colour = "node => getComputedStyle(node).backgroundColor"
    chosen = page.locator(".srsm-segmented input:checked + span").first.evaluate(colour)
    assert chosen != page.locator(".srsm-segmented input:not(:checked) + span").first.evaluate(colour)
    bars = page.locator(".srsm-card .srsm-bar > span[data-name]")
    assert len({bars.nth(k).evaluate(colour) for k in range(3)}) == 3
    ground = page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
    scale = page.locator(".srsm-rsm .srsm-map:visible .srsm-plot").first
    assert "gradient" in scale.locator(".srsm-strip").evaluate("node => getComputedStyle(node).backgroundImage")
    assert "gradient" in page.locator(".srsm-heat-bar").first.evaluate("node => getComputedStyle(node).backgroundImage")
    mark = page.locator(".srsm-map[data-map='semantic'] .srsm-mark").first.evaluate(colour)
    assert mark not in (ground, "rgba(0, 0, 0, 0)")
    opened.screenshot("access-forced-colours")
    for motion in ("no-preference", "reduce"):
        page.emulate_media(forced_colors="none", reduced_motion=motion)
        assert (page.evaluate(MOVING) > 0) == (motion == "no-preference")
    opened.close()
