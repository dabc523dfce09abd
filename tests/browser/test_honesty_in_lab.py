"""What is not to be believed looks like it: a model that was not trained, and a pair that is like unrelated ones."""

from __future__ import annotations

from helpers.boxes import box_of
from playwright.sync_api import expect

expect.set_options(timeout=60_000)

CELLS = [
    """import numpy as np, torch
import semrsm_widgets as srsm
rng = np.random.default_rng(0)
images = srsm.load_images([rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(6)])
values = torch.from_numpy(rng.normal(size=(6, 49, 16)).astype(np.float32))
values[1] = values[0].flip(0)  # the same patches, elsewhere
tokens = srsm.Tokens(values=values, grid=(7, 7), native_grid=(7, 7), layer="noise")
analysis = srsm.Analysis(images, {"noise": tokens})
analysis.provenance = {"name": "net", "weights": "random"}""",
    "explorer = srsm.explore(analysis, pair=(2, 3))\nexplorer.top_k = 40\nexplorer",
]


def test_an_untrained_model_and_an_unrelated_pair_look_like_it(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("honesty.ipynb", CELLS))
    page = lab_page.page
    caution = page.locator(".srsm-title .srsm-caution")
    expect(caution).to_have_text("random weights")
    box = box_of(caution)
    assert box["width"] > 80
    assert 14 < box["height"] < 26
    title = box_of(page.locator(".srsm-title"))
    assert title["x"] <= box["x"]
    assert box["x"] + box["width"] <= title["x"] + title["width"]

    pair = page.locator(".srsm-pair")
    expect(pair.locator(".srsm-verdict")).to_be_visible()
    expect(pair.locator(".srsm-verdict")).to_contain_text("do not read these matches")
    line = pair.locator(".srsm-tops line.srsm-colour").last
    alpha = "canvas => canvas.getContext('2d').getImageData(8, 8, 1, 1).data[3] / 255"
    assert float(line.evaluate("node => node.style.opacity")) < 0.3
    tile = pair.locator(".srsm-rebuilt canvas").evaluate(alpha)
    assert tile < 0.5
    tick = pair.locator(".srsm-split .srsm-bar-tick")
    expect(tick).to_be_visible()
    bar = box_of(pair.locator(".srsm-split"))
    level = float(pair.get_attribute("data-null"))
    assert abs(box_of(tick)["x"] + 1 - bar["x"] - level * bar["width"]) < 2
    band = box_of(pair.locator(".srsm-split .srsm-bar-band"))
    semantic = box_of(pair.locator(".srsm-split [data-name='best']"))
    assert band["x"] < semantic["x"] + semantic["width"] <= band["x"] + band["width"] + 1
    lab_page.screenshot("unrelated-pair")

    drawn = pair.locator(".srsm-tops line.srsm-colour").count()
    pair.get_by_text("only above unrelated").click()
    expect(pair.locator(".srsm-tops line.srsm-colour")).not_to_have_count(drawn)
    assert lab_page.run_code("print(explorer.pair_view.above_unrelated)").strip() == "True"

    # the same patches elsewhere: nothing is faint
    lab_page.run_code("explorer.pair = (0, 1)")
    expect(pair).to_have_attribute("data-matched", "0,1")
    expect(pair.locator(".srsm-verdict")).to_be_hidden()
    assert float(line.evaluate("node => node.style.opacity")) > 0.6
    assert pair.locator(".srsm-rebuilt canvas").evaluate(alpha) == 1
