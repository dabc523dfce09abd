"""Views of one's own at the widths of windows, in plain and in large type: all of them is seen."""

from __future__ import annotations

import pytest
from helpers.boxes import layout_faults
from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

CELLS = [
    "import semrsm_widgets as srsm",
    "images, model = srsm.demo_images(crops=2, overlap=0.5, seed=0), srsm.load_model()\n"
    "analysis = srsm.Analysis(images, srsm.extract(model, images, ['blocks.4', 'blocks.5'], max_grid=8), model=model)",
    "rsm = srsm.RSMView(analysis, layer='blocks.4', pair=(0, 1))\nrsm",
    "import torch\ntorch.manual_seed(0)\n"
    "made = lambda name: srsm.Tokens(values=torch.randn(5, 4, 8), grid=(2, 2), native_grid=(2, 2), layer=name)\n"
    "tokens = {name: made(name) for name in [f'blocks.{k}' for k in range(8)]}\n"
    "many = srsm.Analysis(images.select(range(5)), tokens)\n"
    "compare = srsm.CompareView(many, many, names=('one', 'other'))\ncompare",
    "lab = srsm.TransformLab(layers=['blocks.4', 'blocks.5'], layer='blocks.4')\nlab",
    "steppers = [srsm.AuctionStepper(analysis, grid=side) for side in (2, 4)]\ndisplay(*steppers)",
    "assert all([view.wait(100) for view in (rsm, compare, lab, *steppers)])",
]
READY = (
    ".srsm-rsm[data-complete='true']",
    ".srsm-detail[data-ready='true']",
    ".srsm-lab[data-null^='0.']",
    ".srsm-stepper[data-ready='true']",
)
CUT_BOARDS = """() => [...document.querySelectorAll('.srsm-board-room')].map(
  (room) => Math.max(0, room.scrollWidth - room.clientWidth))"""


@pytest.fixture
def views(lab_page):
    """The page of a notebook with each of the views."""
    lab_page.open_and_run(lab_page.lab.write_notebook("sizes.ipynb", CELLS), timeout=300)
    for view in READY:
        lab_page.page.wait_for_selector(view)
    return lab_page.page


def test_nothing_is_cut_at_any_width_and_type(lab_page, views):
    found = []
    for type_ in ("plain", "large"):
        if type_ == "large":
            views.get_by_role("button", name="help: words, large type").first.click()
            views.get_by_label("large type, for a projector").first.check()
            views.keyboard.press("Escape")
        for width in (1366, 1000, 700):
            views.set_viewport_size({"width": width, "height": 4000})
            expect(views.locator(".srsm-stepper").first).to_be_visible()
            views.wait_for_timeout(500)  # until what measures itself has
            faults = layout_faults(views)
            # the bundled model's names are short: there is room for them everywhere
            faults += [name for name in views.locator(".srsm-layer strong").all_inner_texts() if "…" in name]
            found += [f"{type_}, {width}: {fault}" for fault in faults]
            if width >= (1000 if type_ == "plain" else 1366):
                # sixteen columns, their heads and what each row holds are seen whole
                found += [
                    f"{type_}, {width}: a board is cut by {cut} pixels" for cut in views.evaluate(CUT_BOARDS) if cut
                ]
            lab_page.screenshot(f"sizes-{type_}-{width}")
    assert found == []

    # two by two patches are seen whole, and what is held beside them, where the window is narrow and the type large
    room = views.locator(".srsm-board-room").first
    assert room.evaluate("(node) => node.scrollWidth <= node.clientWidth")
