"""How long a layer takes to be on screen, by the number of images, in Chromium in a running JupyterLab.

From the key press on the layer slider to the frame after the last heatmap was painted, median of the runs; with up to
300 images all layers are in the browser, above that the kernel is asked for each.

Run: python benchmarks/heatmaps.py [--images 100 300 1000] [--runs 15]     (needs the extras lab and test)
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import quote
from helpers.lab_harness import CHROMIUM_ARGUMENTS, LabPage, find_chromium, start_lab

LAYERS = 5

# Random tokens: what is measured is the way to the screen.
ANALYSIS = """
import numpy as np, torch, semrsm_widgets as srsm
rng = np.random.default_rng(0)
n = {images}
labels = [f"label {{k % 5}}" for k in range(n)]
images = srsm.load_images([(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8), label) for label in labels])
tokens = {{
    name: srsm.Tokens(
        values=torch.from_numpy(rng.normal(size=(n, 4, 8)).astype(np.float32)), grid=(2, 2), native_grid=(2, 2),
        layer=name, note="",
    )
    for name in {layers}
}}
view = srsm.RSMView(srsm.Analysis(images, tokens), layer="layer 0", patience=1e9)
view
"""
READY = "assert view.wait(600), view.last_error\n[view.analysis.similarities(layer) for layer in view.analysis.layers]"

PROBE = """() => {
  const painted = new Map(); // heatmap -> when it was last on screen
  const keys = { pressed: 0 };
  const heatmapOf = (node) => {
    const found = node.closest?.('.srsm-surface');
    const root = node.getRootNode();
    return found ?? (root.host ? heatmapOf(root.host) : null);
  };
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...rest) {
    const answer = draw.apply(this, rest);
    const map = heatmapOf(this.canvas);
    if (map) requestAnimationFrame(() => painted.set(map, performance.now()));
    return answer;
  };
  document.addEventListener('keydown', () => { keys.pressed = performance.now(); }, true);
  const surfaces = () => [...document.querySelectorAll('.srsm-surface')];
  window.repainted = (layer) => new Promise((resolve) => {
    const look = () => {
      const times = surfaces().map((map) => painted.get(map) ?? 0);
      const there = document.querySelector(`.srsm-rsm[data-layer='${layer}'][data-complete='true']`);
      if (there && Math.min(...times) > keys.pressed) resolve(Math.max(...times) - keys.pressed);
      else requestAnimationFrame(look);
    };
    look();
  });
}"""


def repaints(page: LabPage, images: int, runs: int) -> list[float]:
    """Return the milliseconds of each step of the slider, there and back again."""
    names = [f"layer {k}" for k in range(LAYERS)]
    cells = [ANALYSIS.format(images=images, layers=names), READY]
    page.open_and_run(page.lab.write_notebook("heatmaps.ipynb", cells), timeout=900)
    browser = page.page
    browser.wait_for_selector(".srsm-rsm[data-complete='true']", timeout=60_000)
    browser.evaluate(PROBE)
    browser.locator(".srsm-slider").first.focus()
    browser.wait_for_timeout(1000)
    times = []
    for k in range(runs):
        forth = (k // (LAYERS - 1)) % 2 == 0
        place = k % (LAYERS - 1) + 1
        browser.keyboard.press("ArrowRight" if forth else "ArrowLeft")
        times.append(browser.evaluate("window.repainted", names[place if forth else LAYERS - 1 - place]))
        browser.wait_for_timeout(300)
    page.lab.stop_kernels()
    return times


def main() -> None:
    """Run the benchmark."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Slider to repaint by the number of images.")
    parser.add_argument("--images", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = start_lab(Path(folder))
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            for images in options.images:
                page = LabPage.open(browser, lab, height=1400)
                quote(f"slider to repaint, N = {images}", repaints(page, images, options.runs))
                page.close()
        finally:
            browser.close()
            lab.stop()


if __name__ == "__main__":
    main()
