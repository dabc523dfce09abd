"""While the worker computes and no cell runs: the slider moves, progress moves, cancel stops. Times: benchmarks."""

from __future__ import annotations

from playwright.sync_api import expect

expect.set_options(timeout=60_000)

# Tokens of noise: on two cores each layer takes the auction more than 20 s.
CELLS = [
    "import numpy as np, torch, semrsm_widgets as srsm\n"
    "from semrsm_widgets.matching import warm_up\n"
    "warm_up()\n"
    "rng = np.random.default_rng(0)\n"
    "images = srsm.load_images([rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(64)])\n"
    "tokens = {name: srsm.Tokens(values=torch.from_numpy(rng.normal(size=(64, 784, 16)).astype(np.float32)), "
    "grid=(28, 28), native_grid=(28, 28), layer=name) for name in ('first', 'second', 'third')}\n"
    "analysis = srsm.Analysis(images, tokens, matcher=srsm.Auction(threads=1))",
    "view = srsm.RSMView(analysis, layer='first', patience=1e6)\nview",
]


def percentage(page):
    """Return how far the bar of the status line says that the work is."""
    return page.evaluate(BAR)


BAR = "() => parseFloat(document.querySelector('.srsm-progress > span').style.width)"


def wait_for_progress(page, layer, beyond=0):
    """Wait until the page says that a layer is being matched and more than so many percent are done."""
    line = page.locator(".srsm-status-text").first
    expect(line).to_contain_text(f"0 of 3 layers ({layer})")
    page.wait_for_function(f"(beyond) => ({BAR})() > beyond", arg=beyond)
    return percentage(page)


def test_the_page_answers_while_the_worker_computes(lab_page):
    lab_page.open_and_run(lab_page.lab.write_notebook("long.ipynb", CELLS), timeout=200)
    page = lab_page.page
    rsm = page.locator(".srsm-rsm")
    status = page.locator(".srsm-status").first
    expect(rsm).to_have_attribute("data-layer", "first")  # the aligned RSM, while the semantic one is computed
    expect(rsm).to_have_attribute("data-complete", "false")

    # progress moves
    done = wait_for_progress(page, "first")
    assert wait_for_progress(page, "first", beyond=done) > done

    # the slider moves, to layers that are not computed, and the work goes where it points
    page.locator(".srsm-slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(rsm).to_have_attribute("data-layer", "second")
    expect(rsm).to_have_attribute("data-complete", "false")
    wait_for_progress(page, "second")

    # cancel stops it before it is done, and says so; the slider still moves after that
    page.get_by_role("button", name="Cancel").first.click()
    expect(status).to_have_attribute("data-state", "cancelled")
    expect(rsm).to_have_attribute("data-complete", "false")
    page.get_by_role("button", name="Resume").first.click()
    wait_for_progress(page, "second")
    page.get_by_role("button", name="Cancel").first.click()
    expect(status).to_have_attribute("data-state", "cancelled")

    # and the kernel agrees
    lab_page.run_code("assert not analysis.has('second') and not analysis.has('third')")
