"""What a person waits for, measured in Chromium in a running JupyterLab.

- first paint: from running the cell to the images, the matched patches and the aligned RSM on screen, imports done in
  an earlier cell; and the same where everything is computed already;
- slider to repaint: from the key press to the frame after all heatmaps were painted, for layers that are in the
  browser already and for layers that are not;
- query to answers: from the key press to the frame that shows every row of RetrievalView, for images that were never
  looked up before;
- hover to highlight: from the pointer event until its frame is painted (all work of the page's thread is done), in a
  pair of 14 x 14 and in one of 28 x 28 patches, also while a third image is compared;
- hover to heat: the same while the patch probe draws heat over both pictures;
- pin to places: from the click on a patch to the frame that shows which of 200 images hold it, and where.

Run: python benchmarks/browser.py [RUNS]     (needs the extras lab and test, and a Chromium)
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.lab_harness import CHROMIUM_ARGUMENTS, LabPage, find_chromium, start_lab

if TYPE_CHECKING:
    from collections.abc import Sequence

SETUP = """
import semrsm_widgets as srsm
from semrsm_widgets.matching import warm_up
srsm.load_model(), srsm.explore, warm_up()
"""

CACHED = """
done = srsm.explore()
assert done.wait(300), done.last_error
"""

# Bokeh draws a heatmap with drawImage, the canvas in its place before it is there with putImageData; the frame after it
# shows it.
PROBE = """() => {
  const maps = new Map(); // heatmap -> when it was last on screen
  window.probe = {
    keyed: 0,
    hover: 0,
    paintedAll(since) { // when the last of those that are shown was, or 0 while one is still to come
      const shown = [...document.querySelectorAll('.srsm-map')].filter((map) => map.offsetWidth).length;
      const times = [...maps].filter(([map]) => map.isConnected && map.offsetWidth).map(([, time]) => time);
      return shown && times.length === shown && Math.min(...times) > since ? Math.max(...times) : 0;
    },
  };
  const heatmapOf = (node) => {
    const found = node.closest?.('.srsm-surface');
    const root = node.getRootNode();
    return found ?? (root.host ? heatmapOf(root.host) : null);
  };
  for (const name of ['drawImage', 'putImageData']) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...rest) {
      const answer = draw.apply(this, rest);
      const map = heatmapOf(this.canvas);
      if (map) {
        maps.delete(map); // what was there before is no answer
        requestAnimationFrame(() => maps.set(map, performance.now()));
      }
      return answer;
    };
  }
  document.addEventListener('keydown', () => { window.probe.keyed = performance.now(); }, true);
  document.addEventListener('pointermove', () => {
    const started = performance.now();
    // A message sent in a frame's callback arrives after that frame was painted.
    const painted = new MessageChannel();
    painted.port1.onmessage = () => { window.probe.hover = performance.now() - started; };
    requestAnimationFrame(() => painted.port2.postMessage(null));
  }, true);
}"""

FIRST_PAINT = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = 1;
  const started = performance.now();
  window.jupyterapp.commands.execute('notebook:run-cell');
  return new Promise((resolve) => {
    let film = 0;
    let pair = 0;
    const look = () => {
      if (!film && document.querySelector(".srsm-film img")) film = performance.now() - started;
      if (!pair && document.querySelector(".srsm-pair[data-ready='true']")) pair = performance.now() - started;
      if (document.querySelector(".srsm-rsm[data-ready='true']") && window.probe.paintedAll(started) && pair) {
        resolve([film, pair, window.probe.paintedAll(started) - started]);
      } else requestAnimationFrame(look);
    };
    look();
  });
}"""

REPAINT = """(layer) => new Promise((resolve) => {
  const look = () => (document.querySelector(`.srsm-rsm[data-layer='${layer}'][data-complete='true']`)
    && window.probe.paintedAll(window.probe.keyed)
    ? resolve(window.probe.paintedAll(window.probe.keyed) - window.probe.keyed) : requestAnimationFrame(look));
  look();
})"""


ANSWERED = """(query) => new Promise((resolve) => {
  const look = () => (document.querySelector(`.srsm-retrieval[data-answered='${query}'][data-complete='true']`)
    ? requestAnimationFrame(() => resolve(performance.now() - window.probe.keyed)) : requestAnimationFrame(look));
  look();
})"""


# From the press on a patch to the frame with the places that were found for it; the strip of the patch before is gone.
PLACED = """() => { window.placed = new Promise((resolve) => document.addEventListener('pointerdown', () => {
  const started = performance.now();
  const look = () => (document.querySelector(".srsm-probe:not([hidden])[data-places]:not([data-places=''])")
    ? requestAnimationFrame(() => resolve(performance.now() - started)) : requestAnimationFrame(look));
  requestAnimationFrame(look);
}, { capture: true, once: true })); }"""


def quote(name: str, milliseconds: Sequence[float]) -> None:
    values = sorted(milliseconds)
    ninetieth = values[int(0.9 * (len(values) - 1))]
    print(f"{name:44}{statistics.median(values):8.0f} ms   (90 %: {ninetieth:.0f}, n = {len(values)})")


def first_paints(page: LabPage, runs: int, *, cached: bool = False) -> list[list[float]]:
    """Return for each run the milliseconds to the images (0 where they are not shown), the patches and the RSMs."""
    times = []
    cells = [SETUP + CACHED, "srsm.explore(done.analysis)"] if cached else [SETUP, "srsm.explore()"]
    for _ in range(runs):
        page.open_notebook(page.lab.write_notebook("first.ipynb", cells))
        page.page.evaluate(PROBE)
        page.page.evaluate(
            """async () => {
              const panel = window.jupyterapp.shell.currentWidget;
              await panel.context.ready; await panel.sessionContext.ready;
              await panel.sessionContext.session.kernel.info;
              panel.content.activeCellIndex = 0;
              return window.jupyterapp.commands.execute('notebook:run-cell');
            }"""
        )
        times.append(page.page.evaluate(FIRST_PAINT))
        page.lab.stop_kernels()
    return times


def slider(page: LabPage, runs: int, images: int, ahead: bool) -> list[float]:
    cells = [
        SETUP,
        f"images = srsm.demo_images(crops={images // 8})\n"
        + ("" if ahead else "import semrsm_widgets.views.rsm.view as module\nmodule.AHEAD_BYTES = 0\n")
        + "explorer = srsm.explore(images=images, max_images=None)\nexplorer",
        "assert explorer.wait(300), explorer.last_error\n"
        "[explorer.analysis.similarities(layer) for layer in explorer.analysis.layers]\n"
        "names = list(explorer.analysis.layers)",
    ]
    page.open_and_run(page.lab.write_notebook("slider.ipynb", cells), timeout=400)
    page.page.wait_for_selector(".srsm-rsm[data-complete='true']")
    page.page.evaluate(PROBE)
    names = page.page.locator(".srsm-slider").first.evaluate("(node) => Number(node.max)") + 1
    page.page.locator(".srsm-slider").first.focus()
    page.page.keyboard.press("Home")
    page.page.wait_for_timeout(500)
    times = []
    for k in range(runs):
        key = "ArrowRight" if (k // (names - 1)) % 2 == 0 else "ArrowLeft"
        page.page.keyboard.press(key)
        layer = page.page.locator(".srsm-layer strong").first.inner_text()
        times.append(page.page.evaluate(REPAINT, layer))
        page.page.wait_for_timeout(150)
    return times


def hovers(page: LabPage, runs: int) -> list[float]:
    box = page.page.locator("[data-side='A'] .srsm-picture").first.bounding_box()
    times = []
    for k in range(runs):
        x = box["x"] + box["width"] * (0.1 + 0.8 * ((7 * k) % runs) / runs)
        y = box["y"] + box["height"] * (0.1 + 0.8 * ((3 * k) % runs) / runs)
        page.page.mouse.move(x, y)
        page.page.wait_for_timeout(60)
        times.append(page.page.evaluate("() => window.probe.hover"))
    return times


def queries(page: LabPage, runs: int, images: int) -> list[float]:
    cells = [
        SETUP,
        f"images = srsm.demo_images(crops={images // 8}, overlap=0.9)\n"
        "model = srsm.load_model()\n"
        "analysis = srsm.Analysis(images, srsm.extract(model, images, 'blocks.4'), model=model)\n"
        "view = srsm.RetrievalView(analysis)\nview",
    ]
    page.open_and_run(page.lab.write_notebook("retrieval.ipynb", cells), timeout=400)
    page.page.wait_for_selector(".srsm-retrieval[data-complete='true']")
    page.page.evaluate(PROBE)
    page.page.locator(".srsm-film-strip").focus()
    times = []
    for query in range(1, runs + 1):
        page.page.keyboard.press("ArrowRight")
        times.append(page.page.evaluate(ANSWERED, query))
        page.page.wait_for_timeout(150)
    return times


def open_large_pair(page: LabPage) -> None:
    """Show a pair of 28 x 28 patches, S = 784."""
    cells = [
        SETUP,
        "images, model = srsm.demo_images(), srsm.load_model()\n"
        "tokens = srsm.extract(model, images, ['blocks.2'], max_grid=28)\n"
        "assert tokens['blocks.2'].grid == (28, 28)\n"
        "view = srsm.PairView(srsm.Analysis(images, tokens, model=model), top_k=40)\nview",
        "assert view.wait(300), view.last_error",
    ]
    page.open_and_run(page.lab.write_notebook("pair.ipynb", cells), timeout=400)
    page.page.wait_for_selector(".srsm-pair[data-null^='0.']")
    page.page.evaluate(PROBE)


def places(page: LabPage, runs: int, images: int) -> list[float]:
    """Pin patch after patch and wait for the images of the set that hold it best."""
    cells = [
        SETUP,
        f"images, model = srsm.demo_images(crops={images // 8}, overlap=0.9), srsm.load_model()\n"
        "analysis = srsm.Analysis(images, srsm.extract(model, images, 'blocks.4'), model=model)\n"
        "view = srsm.PairView(analysis)\nview",
        "assert view.wait(300), view.last_error",
    ]
    page.open_and_run(page.lab.write_notebook("places.ipynb", cells), timeout=400)
    page.page.wait_for_selector(".srsm-pair[data-null^='0.']")
    box = page.page.locator("[data-side='A'] .srsm-picture").first.bounding_box()
    times = []
    for k in range(runs):
        x = box["x"] + box["width"] * (0.1 + 0.8 * ((7 * k) % runs) / runs)
        y = box["y"] + box["height"] * (0.1 + 0.8 * ((3 * k) % runs) / runs)
        page.page.evaluate(PLACED)
        page.page.mouse.click(x, y)
        times.append(page.page.evaluate("() => window.placed"))
        page.page.keyboard.press("Escape")
        page.page.wait_for_timeout(150)
    return times


def main(runs: int = 15) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = start_lab(Path(folder))
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        try:
            page = LabPage.open(browser, lab, height=1400)
            film, pair, heatmaps = zip(*first_paints(page, max(3, runs // 3)), strict=True)
            quote("first paint: the images", film)
            quote("first paint: the matched patches", pair)
            quote("first paint: the aligned RSM", heatmaps)
            _, pair, heatmaps = zip(*first_paints(page, max(3, runs // 3), cached=True), strict=True)
            quote("first paint of what is computed: the patches", pair)
            quote("first paint of what is computed: the RSMs", heatmaps)
            quote("slider to repaint, N = 16, in the browser", slider(page, runs, 16, True))
            quote("hover to highlight, S = 196", hovers(page, runs))
            lab.stop_kernels()
            open_large_pair(page)
            page.page.get_by_label("heat").uncheck()
            quote("hover to highlight, S = 784", hovers(page, runs))
            page.page.get_by_label("heat").check()
            hovers(page, 1)  # asks for the similarities of all patches
            page.page.wait_for_selector(".srsm-pair[data-heat='true']")
            quote("hover to heat, S = 784", hovers(page, runs))
            page.page.get_by_label("compare with another image").select_option("8")
            page.page.wait_for_selector(".srsm-pair[data-why='true'][data-stale='false']")
            quote("hover to highlight, S = 784, comparing", hovers(page, runs))
            lab.stop_kernels()
            quote("pin to places in 200 images, S = 196", places(page, runs, 200))
            lab.stop_kernels()
            quote("slider to repaint, N = 16, by the kernel", slider(page, runs, 16, False))
            for images in (16, 304):
                page.lab.stop_kernels()
                quote(f"query to answers, N = {images}, S = 196", queries(page, runs, images))
            page.close()
        finally:
            browser.close()
            lab.stop()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
