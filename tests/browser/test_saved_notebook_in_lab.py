"""A notebook that JupyterLab saved shows its views without a kernel, as they were last seen."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
from helpers.lab_harness import LabPage
from PIL import Image
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

CELLS = [
    "import semrsm_widgets as srsm",
    "explorer = srsm.explore(images='photos', layers=['blocks.4', 'blocks.5'])\nexplorer",
]
PICTURE = ".jp-RenderedImage"


def kept(lab_page, notebook):
    """Save the open notebook and return the picture that the file keeps, or None."""
    lab_page.execute("docmanager:save")
    saved = json.loads((lab_page.lab.folder / notebook).read_text(encoding="utf-8"))
    found = [output["data"].get("image/png") for output in saved["cells"][1]["outputs"]]
    assert len(found) == 2
    assert found[0] is None  # the widget's
    return Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB") if found[1] else None


def wait_for_another(lab_page, notebook, old=None):
    """Return the picture that the file keeps, once it is another one."""
    for _ in range(300):
        now = kept(lab_page, notebook)
        if now is not None and (old is None or now.tobytes() != old.tobytes()):
            return now
        lab_page.page.wait_for_timeout(200)
    raise AssertionError("the picture in the file stayed as it was")


def test_what_is_saved_is_seen(lab, browser, lab_page):
    rng = np.random.default_rng(0)
    for k in range(4):
        path = lab.folder / "photos" / "ab"[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    notebook = lab.write_notebook("saved.ipynb", CELLS)
    lab_page.open_and_run(notebook)
    page = lab_page.page
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    expect(page.locator(".srsm-retrieval")).to_be_visible()
    first = wait_for_another(lab_page, notebook)
    if first.height < 900:  # taken before the last of the three views was there
        first = wait_for_another(lab_page, notebook, first)
    # The person sees the views, once, and they are not drawn anew when the picture is.
    expect(page.locator(PICTURE)).to_have_count(1)
    expect(page.locator(PICTURE)).to_be_hidden()
    page.evaluate("document.querySelector('.srsm-rsm').dataset.mark = 'here'")
    page.locator(".srsm-slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-layer", "blocks.5")
    second = wait_for_another(lab_page, notebook, first)
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-mark", "here")
    expect(page.locator(PICTURE)).to_be_hidden()

    # Opened again, with another kernel that knows nothing of it.
    lab.stop_kernels()
    again = LabPage.open(browser, lab)
    again.open_notebook(notebook)
    picture = again.page.locator(f"{PICTURE} img")
    expect(picture).to_be_visible()
    expect(again.page.locator(".srsm")).to_have_count(0)
    assert picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == list(second.size)
    again.page.wait_for_timeout(3000)  # until JupyterLab has found that the widget is gone
    expect(picture).to_be_visible()
    again.screenshot("saved-notebook")
    again.allow("widget model not found")
    again.close()
    lab_page.allow("Failed|Canceled|ERR_|kernel|Kernel|404|WebSocket")


def test_a_closed_view_leaves_its_picture(lab, lab_page):
    notebook = lab.write_notebook("closed.ipynb", [CELLS[0], CELLS[1].replace("images='photos', ", "")])
    lab_page.open_and_run(notebook)
    page = lab_page.page
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    lab_page.run_code("explorer.close()")
    expect(page.locator(".srsm")).to_have_count(0)
    expect(page.locator(PICTURE)).to_be_visible()
    lab_page.screenshot("closed-view")
