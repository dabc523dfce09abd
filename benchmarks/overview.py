"""RSMView over a Gram in a store that is larger than a page could hold: what a person waits for, and what it takes.

- first paint: from running the cell that shows the view, its Analysis open, to the frame with all heatmaps;
- zoom: from the key press to the frame after the window in the cells that fit the screen was painted, from the whole
  set down to pairs, at several places; and what of it each stretch of the way takes: to the wish, to its answer, what
  of that is the kernel's, from there until the heatmaps are painted, and to the next frame;
- memory: of the kernel's process, of the page's heap and of its process.

The store is made first, unless `--folder` holds one: tokens of kinds of images, of one token each, so that making it is
mostly writing; what a view reads is the same, whatever the tokens were. `--gram` takes one that `scale.py` made.

Run: python benchmarks/overview.py [IMAGES] [--folder kept] [--gram kept] [--baseline aligned]
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.lab_harness import CHROMIUM_ARGUMENTS, LabPage, find_chromium, start_lab

import semrsm_widgets as srsm
from semrsm_widgets.analysis import gram_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser

KINDS_EACH, CHANNELS, PLACES = 50, 16, 6

OPEN = """
import sys; sys.path.insert(0, {here!r})
import numpy as np, os, time, semrsm_widgets as srsm
from overview import analysis_in
analysis = analysis_in({folder!r})
analysis.gram(analysis.layers[0]), analysis.null(analysis.layers[0])
from semrsm_widgets.views.rsm import large
took, plain = [], large.LargeLayer.window
def window(*given):
    began = time.perf_counter()
    found = plain(*given)
    if "mean" in given[-1]:  # the largest values are asked for when the pointer rests
        took.append(time.perf_counter() - began)
    return found
large.LargeLayer.window = window
"""
SHOW = "view = srsm.RSMView(analysis, baseline={baseline!r}); view"

# When a key was pressed, the wish for a window left, its answer came, it was painted, and the frame after that began.
PROBE = """() => {
  const probe = { keyed: 0, sent: 0, came: 0, painted: 0, frame: 0, began: performance.now() };
  window.probe = probe;
  const draw = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    const answer = draw.apply(this, given);
    if (given[0].width > 4) {
      probe.painted = performance.now();
      requestAnimationFrame(() => { probe.frame = performance.now(); });
    }
    return answer;
  };
  const heard = new WeakSet();
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    if (text.includes('"kind":"window"')) probe.sent = performance.now();
    if (!heard.has(this)) {
      heard.add(this);
      this.addEventListener('message', ({ data: answer, timeStamp }) => {
        if (answer.byteLength > 5e4) probe.came = timeStamp; // a window, which is painted by now; all else is small
      });
    }
    return send.call(this, data);
  };
  document.addEventListener('keydown', (event) => { probe.keyed = event.timeStamp; }, true);
}"""
# Waits for the window that the part in sight asks for, and returns when what happened, from the key on.
SETTLED = """([size, before]) => new Promise((resolve) => {
  const fits = (root) => {
    const width = Math.max(...[...document.querySelectorAll('.srsm-surface')].map((each) => each.clientWidth));
    const cells = Math.min(512, Math.max(16, Math.round(width * devicePixelRatio)));
    const [row, column, shown] = root.dataset.zoom ? root.dataset.zoom.split(',').map(Number) : [0, 0, size];
    const [top, bottom, left, right, side] = root.dataset.window.split(',').map(Number);
    return side === 2 ** Math.max(0, Math.ceil(Math.log2(shown / cells))) && top <= row && left <= column
      && bottom >= Math.min(size, row + shown) && right >= Math.min(size, column + shown);
  };
  const look = () => {
    const root = document.querySelector(".srsm-rsm[data-ready='true']");
    const { keyed, sent, came, painted, frame, began } = window.probe;
    const since = Math.max(keyed, began);
    const isNew = root && ((painted > since && frame > painted) || root.dataset.window === before.window);
    return isNew && (before.zoom === null || root.dataset.zoom !== before.zoom) && fits(root)
      ? resolve([sent, came, painted, frame].map((time) => time - since)) : requestAnimationFrame(look);
  };
  look();
})"""


def tokens_of(count: int) -> srsm.Tokens:
    """Return one token each of images of kinds, which are more or less alike."""
    rng = np.random.default_rng(0)
    kind, group = np.arange(count) // KINDS_EACH, np.arange(count) // (8 * KINDS_EACH)
    own, shared = rng.normal(size=(kind[-1] + 1, CHANNELS)), rng.normal(size=(group[-1] + 1, CHANNELS))
    values = shared[group] + own[kind] + 0.8 * rng.normal(size=(count, CHANNELS))
    some = torch.from_numpy(values.astype(np.float32)[:, None])
    return srsm.Tokens(values=some, grid=(1, 1), native_grid=(1, 1), layer="kinds")


def analysis_in(folder: str) -> srsm.Analysis:
    """Return the Analysis of a folder that `make` filled."""
    tokens = srsm.open_tokens(f"{folder}/tokens.zarr") if Path(folder, "tokens.zarr").exists() else None
    if tokens is None:
        tokens = {"kinds": tokens_of(int(Path(folder, "images").read_text()))}
    count = len(next(iter(tokens.values())))
    pictures = [np.full((8, 8, 3), k % 251, np.uint8) for k in range(count)]
    return srsm.Analysis(srsm.load_images(pictures), tokens, store=f"{folder}/run.zarr")


def make(folder: Path, count: int, gram: Path | None, baseline: str) -> None:
    """Have a folder hold an Analysis with all that a view asks for."""
    began = time.process_time()
    if gram is not None and not (folder / "run.zarr").exists():
        (layer,) = srsm.open_tokens(gram / "tokens.zarr")
        shutil.copytree(gram / "tokens.zarr", folder / "tokens.zarr")
        (folder / "images").write_text(f"{count}")
        place = folder.joinpath("run.zarr", *gram_names(layer, srsm.Auction()))
        analysis_in(str(folder))  # makes run.zarr
        shutil.copytree(gram / "gram.zarr", place)
    elif not (folder / "images").exists():
        (folder / "images").write_text(f"{count}")
    analysis = analysis_in(str(folder))
    for similarity in ("semantic", baseline):
        analysis.overview(analysis.layers[0], similarity=similarity)
    files = [path.stat().st_size for path in (folder / "run.zarr").rglob("*") if path.is_file()]
    words = f"{sum(files) / 2**20:,.0f} MiB in {len(files):,} files"
    print(f"the store: {len(analysis):,} images, {words}, {time.process_time() - began:.0f} s of CPU time", flush=True)


def resident(process: int) -> float:
    """Return the MiB that a process holds in memory, and its peak."""
    fields = Path(f"/proc/{process}/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


def page_process(browser: Browser) -> float:
    """Return the MiB of the largest renderer."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return max(resident(each["id"]) for each in processes if each["type"] == "renderer")


def quote(name: str, milliseconds: Sequence[float]) -> None:
    """Print the median of some times, and how far they reach."""
    values = sorted(milliseconds)
    print(f"  {name:42}{statistics.median(values):6.0f} ms  ({values[0]:.0f} to {values[-1]:.0f}, n = {len(values)})")


def look(page: LabPage, browser: Browser, folder: Path, baseline: str, shots: Path | None) -> None:
    """Open the view, zoom in and out, and say what it took."""
    here = str(Path(__file__).parent)
    cells = [OPEN.format(here=here, folder=str(folder)), SHOW.format(baseline=baseline)]
    page.open_notebook(page.lab.write_notebook("overview.ipynb", cells))
    page.page.evaluate(
        """async () => {
          const panel = window.jupyterapp.shell.currentWidget;
          await panel.context.ready; await panel.sessionContext.ready;
          await panel.sessionContext.session.kernel.info;
        }"""
    )
    page.run_code(cells[0], timeout=600)
    before = resident(int(page.run_code("print(os.getpid())")))
    page.page.evaluate(PROBE)
    page.page.evaluate(
        """() => {
          const panel = window.jupyterapp.shell.currentWidget;
          panel.content.activeCellIndex = 1;
          window.probe.began = performance.now();
          window.jupyterapp.commands.execute('notebook:run-cell');
        }"""
    )
    size = int(page.run_code("print(len(analysis))"))
    first = page.page.evaluate(SETTLED, [size, {"zoom": None, "window": ""}])
    print(f"  first paint {first[-1]:,.0f} ms; load {os.getloadavg()[0]:.1f}", flush=True)
    surface = page.page.locator(".srsm-map:visible .srsm-surface").first

    def pressed(key: str) -> tuple[list[float], bool, int]:
        """Return when what happened to a key's window, whether it is another than before, and the side of its cells."""
        attributes = "(node) => ({ zoom: node.dataset.zoom, window: node.dataset.window })"
        before = page.page.locator(".srsm-rsm").evaluate(attributes)
        page.page.keyboard.press(key)
        took = page.page.evaluate(SETTLED, [size, before])
        window = page.page.locator(".srsm-rsm").get_attribute("data-window")
        return took, window != before["window"], int(window.split(",")[4])

    page.run_code("took.clear()")
    times: dict[int, list[float]] = {}
    stretches: list[list[float]] = []
    for k in range(PLACES):
        box = surface.bounding_box()
        surface.hover(position={"x": box["width"] * (0.15 + 0.13 * k), "y": box["height"] * (0.8 - 0.11 * k)})
        surface.focus()
        steps = 0
        side = size
        while side > 1:
            took, is_other, side = pressed("+")
            if is_other:
                times.setdefault(side, []).append(took[-1])
                stretches.append([after - before for before, after in itertools.pairwise([0.0, *took])])
            steps += 1
            if shots and k == 0 and steps in (2, 5):
                page.page.locator(".srsm-rsm").screenshot(path=str(shots / f"zoom-{steps}.png"))
        pressed("0")
    for side, found in sorted(times.items(), reverse=True):
        quote(f"zoom to cells of {side} x {side}", found)
    quote("all zooms", [each for found in times.values() for each in found])
    words = ("until the wish is sent", "there and back, with the kernel", "until it is painted", "to the next frame")
    for name, found in zip(words, zip(*stretches, strict=True), strict=True):
        quote(f"of these {name}", found)
    kernel = [1e3 * float(each) for each in page.run_code("print(*took)").split()]
    quote("of these in the kernel", kernel)
    process = int(page.run_code("print(os.getpid())"))
    heap = page.page.evaluate("() => performance.memory.usedJSHeapSize / 2 ** 20")
    print(f"  kernel {resident(process):.0f} MiB, {before:.0f} before the view; page's heap {heap:.0f} MiB, "
          f"its process {page_process(browser):.0f} MiB; load {os.getloadavg()[0]:.1f}")  # fmt: skip
    if shots:
        for theme in ("light", "dark"):
            page.set_theme(theme)
            page.page.wait_for_timeout(500)
            page.page.locator(".srsm-rsm").screenshot(path=str(shots / f"{theme}.png"))


def main(options: argparse.Namespace) -> None:
    """Make the store, and look at it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "store"
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, options.images, options.gram, options.baseline)
        if options.make:
            return
        with sync_playwright() as playwright:
            (Path(scratch) / "lab").mkdir()
            lab = start_lab(Path(scratch) / "lab")
            browser: Any = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
            try:
                page = LabPage.open(browser, lab, height=1400)
                look(page, browser, folder.absolute(), options.baseline, options.shots)
                page.close()
            finally:
                browser.close()
                lab.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=int, nargs="?", default=20_000)
    parser.add_argument("--folder", type=Path, help="kept; default: one that is removed")
    parser.add_argument("--gram", type=Path, help="a folder that scale.py has kept")
    parser.add_argument("--baseline", choices=("aligned", "pooled"), default="aligned")
    parser.add_argument("--make", action="store_true", help="make the store and no more")
    parser.add_argument("--shots", type=Path, help="a folder for pictures of what is shown")
    main(parser.parse_args())
