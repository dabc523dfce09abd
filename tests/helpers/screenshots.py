"""The pictures of the views in docs/img, taken anew in a real JupyterLab, light and dark.

    python tests/helpers/screenshots.py [NAME ...]

Look at them before they are committed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import sync_playwright

from helpers.lab_harness import CHROMIUM_ARGUMENTS, LabPage, find_chromium, start_lab

IMAGES = Path(__file__).parents[2] / "docs" / "img"

MAKE = (
    "images = srsm.demo_images(crops=2, overlap=0.5, seed=0)\n"
    "model = srsm.load_model()\n"
    "analysis = srsm.Analysis(images, srsm.extract(model, images, max_grid=16), model=model)\n"
    "at = list(images.ids).index\n"
)


class Shot(NamedTuple):
    """A view: the code that shows it, what is there once it is ready, and what is pictured."""

    code: str
    ready: str
    pictured: str


SHOTS = {
    "explorer": Shot(
        "srsm.explore(analysis, layer='blocks.4')",
        ".srsm-rsm[data-painter='bokeh'][data-complete='true']",
        ".srsm-explorer-root",
    ),
    "pair": Shot(
        "srsm.PairView(analysis, layer='blocks.4', pair=(at('coffee/0'), at('coffee/1')))",
        ".srsm-pair[data-null^='0.']",
        ".srsm-pair",
    ),
    "why": Shot(
        "pair = at('astronaut/0'), at('astronaut/1')\n"
        "srsm.PairView(analysis, layer='blocks.4', pair=pair, expected=at('coffee/0'))",
        ".srsm-pair[data-difference]",
        ".srsm-pair",
    ),
    "retrieval": Shot(
        "srsm.RetrievalView(analysis, layer='blocks.4', query=at('chelsea/0'))",
        ".srsm-retrieval .srsm-answer",
        ".srsm-retrieval",
    ),
    "lab": Shot(
        "srsm.TransformLab(model, layer='blocks.4', index=3)",
        ".srsm-lab[data-ready='true'], .srsm-transform-lab[data-ready='true'], [data-ready='true']",
        ".jp-OutputArea-output .srsm",
    ),
}


def take(names: list[str]) -> None:
    """Write the pictures of some views."""
    lab = start_lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
            for name in names:
                shot = SHOTS[name]
                page = LabPage.open(browser, lab, width=1560, height=2200)
                cells = ["import semrsm_widgets as srsm", MAKE + shot.code]
                page.open_and_run(lab.write_notebook(f"{name}.ipynb", cells), timeout=300)
                page.page.wait_for_selector(shot.ready)
                page.page.wait_for_timeout(6000)  # until nothing is computed any more
                for button in page.page.get_by_role("button", name="no tour").all():
                    button.click()
                for theme in ("light", "dark"):
                    page.set_theme(theme)
                    page.page.wait_for_timeout(1500)
                    page.page.mouse.move(0, 0)
                    view = page.page.locator(shot.pictured).first
                    view.screenshot(path=IMAGES / f"{name}-{theme}.jpg", type="jpeg", quality=85)
                page.context.close()
            browser.close()
    finally:
        lab.stop()


if __name__ == "__main__":
    take(sys.argv[1:] or list(SHOTS))
