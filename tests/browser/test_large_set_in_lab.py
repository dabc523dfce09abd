"""More images than a page could hold, from a store: from afar, zoomed into, and read cell by cell."""

from __future__ import annotations

import re

from helpers.boxes import box_of
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

MAKE = """import numpy as np, tempfile, torch, semrsm_widgets as srsm
from semrsm_widgets.views.rsm import large
large.LARGEST_FRAME = 100
COUNT = 900
rng = np.random.default_rng(0)
centres = rng.normal(size=(18, 4, 6))
values = (centres[np.arange(COUNT) // 50] + rng.normal(size=(COUNT, 4, 6))).astype(np.float32)
pictures = [np.full((8, 8, 3), k % 255, dtype=np.uint8) for k in range(COUNT)]
images = srsm.load_images(pictures, labels=[f'kind {k // 50}' for k in range(COUNT)])
tokens = {'a': srsm.Tokens(values=torch.from_numpy(values), grid=(2, 2), native_grid=(2, 2), layer='a')}
analysis = srsm.Analysis(images, tokens, store=tempfile.mkdtemp() + '/run.zarr')
view = srsm.RSMView(analysis)
view"""


def window(rsm):
    return [int(part) for part in rsm.get_attribute("data-window").split(",")]


def test_a_large_set_is_seen_from_afar_and_read_from_near(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("large.ipynb", [MAKE]))
    page, rsm = lab_page.page, lab_page.page.locator(".srsm-rsm")
    expect(rsm).to_have_attribute("data-ready", "true")
    rows_columns = window(rsm)
    side = rows_columns[4]
    for name in ("baseline", "semantic", "difference"):  # all of the set is in sight, and no more
        canvas, place = (page.locator(f".srsm-map[data-map={name}] .srsm-{part}") for part in ("pixels", "surface"))
        held, seen = box_of(canvas), box_of(place)
        assert all(abs(held[each] - seen[each]) < 1.5 for each in ("x", "y", "width", "height"))
    assert rows_columns[:4] == [0, 900, 0, 900]
    assert side in (2, 4)
    words = page.locator(".srsm-cells-are")
    expect(words).to_have_text(f"An overview: each cell is the mean of {side} × {side} pairs. Zoom in to see pairs.")
    page.locator(".srsm-overview").get_by_role("radio", name="largest").check()
    expect(words).to_contain_text("is the largest of")
    lab_page.screenshot("large-from-afar")

    surface = page.locator(".srsm-map:visible .srsm-surface").first
    box = box_of(surface)
    at = {"x": box["width"] * 0.25, "y": box["height"] * 0.75}
    surface.hover(position=at)
    told = page.locator(".srsm-several")
    expect(told).to_have_text(
        re.compile(rf"^The cell under the pointer is {side} × {side} pairs: semantic -?.?\d\.\d\d on average")
    )
    expect(page.locator(".srsm-card")).to_have_attribute("data-semantic", re.compile(r"\d"))
    i, j = (int(part) for part in rsm.get_attribute("data-cell").split(","))
    shown = float(page.locator(".srsm-card").get_attribute("data-semantic"))
    kept = lab_page.run_code(f"print(srsm.cosine(analysis.gram('a').select([{i}], [{j}])).item())")
    assert abs(shown - float(kept)) < 1e-6

    scale = page.locator(".srsm-map:visible .srsm-ends").nth(1).text_content()
    surface.focus()
    for _ in range(4):
        page.keyboard.press("+")
    expect(words).to_have_text("Each cell is one pair.")
    top, bottom, left, right, cell = window(rsm)
    assert cell == 1
    shown_rows = [int(part) for part in rsm.get_attribute("data-zoom").split(",")]
    assert top <= shown_rows[0]
    assert bottom >= shown_rows[0] + shown_rows[2]
    assert left <= shown_rows[1]
    assert right >= shown_rows[1] + shown_rows[2]
    expect(told).to_be_hidden()
    assert page.locator(".srsm-map:visible .srsm-ends").nth(1).text_content() == scale  # the same colours
    lab_page.screenshot("large-from-near")

    page.get_by_role("radio", name="pooled").check()
    expect(rsm).to_have_attribute("data-baseline", "pooled")
    expect(rsm).to_have_attribute("data-ready", "true")
    assert lab_page.run_code("print(view.last_error)").strip() == ""
