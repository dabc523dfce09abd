"""save_images=False in JupyterLab: the page shows the names, the file that JupyterLab saves does not hold them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.boxes import in_columns
from PIL import Image
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

NAMES = ("surgery/Jane Doe.png", "ward/visit-0815.png")


@pytest.mark.parametrize("private", [True, False])
def test_what_lab_saves(lab_page, private):
    rng = np.random.default_rng(0)
    for name in NAMES:
        path = lab_page.lab.folder / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    cells = [
        "import semrsm_widgets as srsm",
        "explorer = srsm.explore(images='pictures', layers=['blocks.5', 'blocks.6'], "
        f"save_images={not private})\nexplorer",
        "assert explorer.wait(120), explorer.last_error",
    ]
    notebook = lab_page.lab.write_notebook(f"private-{private}.ipynb", cells)
    lab_page.open_and_run(notebook)
    page = lab_page.page
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-complete", "true")
    expect(page.locator(".srsm-pair")).to_have_attribute("data-ready", "true")

    in_columns(page)
    # the names are on screen
    page.locator(".srsm-surface").first.hover(position={"x": 5, "y": 5})
    for kind in (".srsm-rsm", ".srsm-pair"):
        expect(page.locator(kind)).to_contain_text("Jane Doe")
    expect(page.locator(".srsm-rsm")).to_contain_text("surgery")

    # and in the file they are only where they may be
    lab_page.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
    lab_page.execute("docmanager:save")
    saved = json.loads((lab_page.lab.folder / notebook).read_text(encoding="utf-8"))
    widgets = saved["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert any("_images" in widget["state"] for widget in widgets.values())
    for widget in widgets.values():
        for own in ("_esm", "_css"):
            widget["state"].pop(own, None)
    content = json.dumps(saved, ensure_ascii=False)
    found = [
        word for word in ("Jane Doe", "visit-0815", "surgery", "ward", "iVBOR", "/9j/", "image/png") if word in content
    ]
    if private:
        assert found == []
    else:
        assert {"Jane Doe", "surgery"} <= set(found)
