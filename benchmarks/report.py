"""The stand-alone report of 64 images x 8 layers: its size, how long it takes to write, and to open in Chromium.

- first paint: from the navigation to the frame after both the heatmaps and the matched patches were drawn;
- slider to repaint: from the key press to the frame after the heatmaps and the patches of the next layer were drawn,
  for layers that were not on screen before (their answers are inflated then, or were while nothing else was to be
  done).

Run: python benchmarks/report.py [RUNS]     (needs the extras lab and test, and a Chromium)
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.lab_harness import CHROMIUM_ARGUMENTS, find_chromium

import semrsm_widgets as srsm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser

SHOWN = """(layer) => new Promise((resolve) => {
  const there = (name) => document.querySelector(
    `.srsm-${name}[data-ready='true']` + (layer ? `[data-layer='${layer}']` : ''));
  const look = () => {
    if (there('rsm') && there('pair')) requestAnimationFrame(() => resolve(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
})"""


def quote(name: str, milliseconds: Sequence[float]) -> None:
    values = sorted(milliseconds)
    ninetieth = values[int(0.9 * (len(values) - 1))]
    print(f"{name:44}{statistics.median(values):8.0f} ms   (90 %: {ninetieth:.0f}, n = {len(values)})")


def first_paints(browser: Browser, path: Path, runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 1400}).new_page()
        page.goto(path.as_uri(), wait_until="commit")
        times.append(page.evaluate(SHOWN, ""))  # performance.now() counts from the navigation
        page.context.close()
    return times


def slider(browser: Browser, path: Path, layers: Sequence[str]) -> list[float]:
    page = browser.new_context(offline=True, viewport={"width": 1280, "height": 1400}).new_page()
    page.goto(path.as_uri())
    page.evaluate(SHOWN, "")
    page.locator(".srsm-rsm .srsm-slider").first.focus()
    times = []
    page.evaluate("() => document.addEventListener('keydown', () => { window.keyed = performance.now(); }, true)")
    for key, layer in [("Home", layers[0]), *(("ArrowRight", layer) for layer in layers[1:])]:
        page.keyboard.press(key)
        times.append(page.evaluate(SHOWN, layer) - page.evaluate("() => window.keyed"))
    page.context.close()
    return times


def main(runs: int = 15) -> None:
    from playwright.sync_api import sync_playwright

    images = srsm.demo_images(crops=8)
    model = srsm.load_model()
    analysis = srsm.Analysis(images, srsm.extract(model, images, max_grid=16), model=model)
    for layer in analysis.layers:
        analysis.similarities(layer)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        started = time.monotonic()
        path = srsm.to_html(analysis, Path(folder) / "report.html")
        print(f"{len(images)} images x {len(analysis.layers)} layers, RSMs computed before")
        print(f"{'to write the report':44}{time.monotonic() - started:8.0f} s")
        print(f"{'size':44}{path.stat().st_size / 1e6:8.1f} MB")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            quote("first paint", first_paints(browser, path, runs))
            quote("slider to repaint, heatmaps and patches", slider(browser, path, analysis.layers))
        finally:
            browser.close()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
