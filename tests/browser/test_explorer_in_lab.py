"""The explorer as a person uses it: the quickstart in a real JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.boxes import box_of, in_columns
from PIL import Image
from playwright.sync_api import expect

import semrsm_widgets as srsm
from semrsm_widgets.figures.palettes import DIVERGING, PALETTE, colour_range
from semrsm_widgets.views.rsm.frames import label_order

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"
COMPLETE = ".srsm-rsm[data-complete='true']"

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow


@pytest.fixture(scope="module")
def analysis():
    """What the quickstart shows, computed here by the same public calls."""
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0)
    model = srsm.load_model()
    return srsm.Analysis(images, srsm.extract(model, images, ["blocks.4", "blocks.5"], max_grid=16), model=model)


def show(lab_page, *cells):
    """Run cells in a new notebook, the last of which shows an explorer, and wait for its RSM."""
    lab_page.open_and_run(lab_page.lab.write_notebook("explorer.ipynb", ["import semrsm_widgets as srsm", *cells]))
    lab_page.page.wait_for_selector(COMPLETE)
    if lab_page.page.locator(".srsm-explorer").count():
        in_columns(lab_page.page)


def cell_position(page, row, column, size, panel=1):
    """Return the surface of a heatmap and the position of a cell on it."""
    surface = page.locator(".srsm-surface").nth(panel)
    box = box_of(surface)
    return surface, {"x": box["width"] * (column + 0.5) / size, "y": box["height"] * (row + 0.5) / size}


def painted(page, tmp_path, panel, size):
    """Return the colours on screen at the centres of all cells of a heatmap, (N, N, 3)."""
    path = tmp_path / f"panel-{panel}.png"
    page.locator(".srsm-surface").nth(panel).screenshot(path=path)
    picture = Image.open(path).convert("RGB")
    at = lambda k, length: int(length * (k + 0.5) / size)  # noqa: E731
    return np.array(
        [[picture.getpixel((at(c, picture.width), at(r, picture.height))) for c in range(size)] for r in range(size)],
        dtype=float,
    )


def colours(matrix, low, high, palette=PALETTE):
    """Return the palette's colours of a matrix, (N, N, 3)."""
    table = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in palette], dtype=float)
    return table[np.rint(np.clip((matrix - low) / (high - low), 0, 1) * 254).astype(int)]


def label_excess(analysis, layer):
    """Return the mean semantic value of pairs with a label in common, less what unrelated tokens reach."""
    labels = analysis.images.labels
    pairs = [(i, j) for i in range(len(labels)) for j in range(i) if set(labels[i]) & set(labels[j])]
    return np.mean([analysis.similarities(layer).semantic[i, j] for i, j in pairs]) - analysis.null(layer).mean


def test_the_quickstart_shows_what_the_core_computes(lab_page, analysis, tmp_path):
    lab_page.open_and_run(lab_page.lab.copy_in(QUICKSTART))
    page = lab_page.page
    rsm, pair = page.locator(".srsm-rsm"), page.locator(".srsm-pair")
    page.wait_for_selector(COMPLETE)
    in_columns(page)
    expect(rsm).to_have_attribute("data-layer", "blocks.4")
    expect(page.locator(".srsm-explorer")).to_have_attribute("data-state", "ready")

    # the heatmaps hold the core's numbers in the core's order, first image on top
    similarities = analysis.similarities("blocks.4")
    low, high = colour_range(similarities.aligned, similarities.semantic)
    page.mouse.move(0, 0)
    for panel, matrix in enumerate((similarities.aligned, similarities.semantic)):
        difference = np.abs(painted(page, tmp_path, panel, 16) - colours(matrix, low, high)).max(2)
        assert (difference < 8).mean() > 0.98  # all but the outlined cell

    # a cell names both images and its values, with the certificate
    surface, position = cell_position(page, 2, 10, 16)
    surface.hover(position=position)
    card = page.locator(".srsm-card")
    expect(card).to_contain_text(analysis.images.ids[2])
    expect(card).to_contain_text(analysis.images.ids[10])
    expect(card).to_contain_text(f"{similarities.semantic[2, 10]:.2f}")
    expect(card).to_contain_text("certified")
    expect(rsm).to_have_attribute("data-cell", "2,10")

    # the layer control is a chart: of that pair at every layer; under the heatmaps stands that of the whole set
    control = page.locator(".srsm-layer-control").first
    expect(control).to_have_attribute("data-ready", "8")  # the notebook shows all
    values = f"aligned {similarities.aligned[2, 10]:.2f}, semantic {similarities.semantic[2, 10]:.2f}"
    expect(page.locator(".srsm-slider").first).to_have_attribute("aria-valuetext", re.compile(re.escape(values)))
    curve = page.locator(".srsm-layer-control path.srsm-curve-semantic").first
    heights = [float(point.split()[1]) for point in re.split("[ML]", curve.get_attribute("d"))[1:]]
    plot = box_of(page.locator(".srsm-layer-curves").first)["height"] - 8
    at = int(page.locator(".srsm-slider").first.input_value())
    for k, name in ((at, "blocks.4"), (at + 1, "blocks.5")):
        value = analysis.similarities(name).semantic[2, 10]
        assert heights[k] == pytest.approx(4 + (1 - value) * plot, abs=0.2)
    expect(page.locator(".srsm-set-words")).to_contain_text(
        f"a label in common {label_excess(analysis, 'blocks.4'):+.2f}"
    )

    # a click opens its two images
    surface.click(position=position)
    expect(pair).to_have_attribute("data-matched", "2,10")
    assert float(pair.get_attribute("data-semantic")) == pytest.approx(similarities.semantic[2, 10], abs=2e-4)
    expect(page.get_by_label("image A")).to_have_value("2")

    # of how many pairs without a label in common it is above
    labels = [next(iter(each)) for each in analysis.images.labels]
    others = [
        similarities.semantic[i, j]
        for i in range(16)
        for j in range(i + 1, 16)
        if labels[i] != labels[j] and {i, j} != {2, 10}
    ]
    above = 100 * np.mean(np.array(others) < similarities.semantic[2, 10])
    said = page.locator(".srsm-map[data-map='semantic'] .srsm-spread-place").inner_text()
    assert float(said.split("above")[1].split("%")[0]) == pytest.approx(above, abs=1.01)

    # the slider, by keyboard: the layer changes in the heatmaps and in the pair
    page.locator(".srsm-slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(rsm).to_have_attribute("data-layer", "blocks.5")
    expect(pair).to_have_attribute("data-layer", "blocks.5")
    page.mouse.move(0, 0)
    similarities = analysis.similarities("blocks.5")
    low, high = colour_range(similarities.aligned, similarities.semantic)
    difference = np.abs(painted(page, tmp_path, 1, 16) - colours(similarities.semantic, low, high)).max(2)
    assert (difference < 8).mean() > 0.98

    # and by dragging over the chart
    box = box_of(page.locator(".srsm-layer-control").first)
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 3, box["y"] + 12, steps=6)
    page.mouse.up()
    expect(page.locator(".srsm-slider").first).to_have_value("0")
    plot = page.locator(".srsm-set-plot").first
    plot.click(position={"x": 7 + (box_of(plot)["width"] - 14) * (at + 1) / 7, "y": 20})
    expect(rsm).to_have_attribute("data-layer", "blocks.5")

    # the kernel, which is asked for rarely
    page.get_by_role("button", name="More").first.click()
    page.get_by_role("radio", name="RBF").check()
    expect(rsm).to_have_attribute("data-kernel", "RBF")
    lab_page.screenshot("quickstart-light")
    lab_page.set_theme("dark")
    lab_page.screenshot("quickstart-dark")


def test_a_patch_shows_its_partner_by_mouse_and_by_keyboard(lab_page, analysis):
    show(lab_page, "srsm.explore(layer='blocks.4', layers=['blocks.4', 'blocks.5'])")
    page = lab_page.page
    pair = page.locator(".srsm-pair")
    expect(pair).to_have_attribute("data-null", re.compile(r"0\.\d+"))
    matches = analysis.matches("blocks.4", 0, 1)
    grid = matches.grid

    # where token (row 6, column 8) lies in image A: the model sees the centre of it, .875 of each side
    image = page.locator(".srsm-picture").first
    box = box_of(image)
    at = lambda k, length, count: length * (0.0625 + 0.875 * (k + 0.5) / count)  # noqa: E731
    position = {"x": at(8, box["width"], grid[1]), "y": at(6, box["height"], grid[0])}
    token = 6 * grid[1] + 8
    image.hover(position=position)
    expect(pair).to_have_attribute("data-token", str(token))
    partner = int(matches.permutation[token])
    expect(pair).to_have_attribute("data-partner", str(partner))
    line = page.locator(".srsm-pair .srsm-token-line")
    expect(line).to_contain_text(f"A 6,8 → B {partner // grid[1]},{partner % grid[1]}")
    expect(line).to_contain_text(f"cosine {matches.token_cosine[token]:.2f}".replace("-", "−"))

    # pointing at the partner in B finds the same pair
    other = page.locator(".srsm-picture").nth(1)
    row, column = divmod(partner, grid[1])
    other.hover(position={"x": at(column, box["width"], grid[1]), "y": at(row, box["height"], grid[0])})
    expect(pair).to_have_attribute("data-token", str(token))

    # a click pins it, arrow keys move from there, Escape frees
    image.click(position=position)
    page.mouse.move(0, 0)
    expect(line).to_contain_text("pinned")
    image.focus()
    page.keyboard.press("ArrowRight")
    expect(pair).to_have_attribute("data-token", str(token + 1))
    page.keyboard.press("ArrowDown")
    expect(pair).to_have_attribute("data-token", str(token + 1 + grid[1]))
    page.keyboard.press("Escape")
    expect(pair).to_have_attribute("data-token", "-1")

    # the strongest matches are those of the core, and as many as the slider says
    expect(page.locator(".srsm-tops rect.srsm-colour")).to_have_count(40)  # 20 matches, in A and in B
    page.get_by_label("strongest matches shown").focus()
    page.keyboard.press("Home")
    expect(page.locator(".srsm-tops rect")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".srsm-tops rect.srsm-colour")).to_have_count(2)

    # arrow keys on a heatmap read cells, Enter opens one
    page.locator(".srsm-surface").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".srsm-rsm")).to_have_attribute("data-cell", "2,2")
    label = page.locator(".srsm-surface").first.get_attribute("aria-label")
    assert analysis.images.ids[2] in label
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(pair).to_have_attribute("data-matched", "2,3")


def test_baseline_excess_order_zoom_and_colours_as_a_person_sets_them(lab_page, analysis, tmp_path):
    show(lab_page, "explorer = srsm.explore(layer='blocks.4', layers=['blocks.4', 'blocks.5'])\nexplorer")
    page = lab_page.page
    rsm = page.locator(".srsm-rsm")
    similarities = analysis.similarities("blocks.4")
    page.mouse.move(0, 0)

    def differs(panel, expected, size=16):
        return (np.abs(painted(page, tmp_path, panel, size) - expected).max(2) >= 8).mean()

    # the difference: white is none, the range is symmetric
    difference = similarities.semantic - similarities.aligned
    reach = np.abs(difference[~np.eye(16, dtype=bool)]).max()
    assert differs(2, colours(difference, -reach, reach, DIVERGING)) < 0.02

    # another baseline, and what is left above the level of unrelated tokens
    page.get_by_role("radiogroup", name="baseline").get_by_role("radio", name="pooled").check()
    page.get_by_label("excess over unrelated").check()
    expect(rsm).to_have_attribute("data-baseline", "pooled")
    expect(rsm).to_have_attribute("data-excess", "true")
    excess = similarities.semantic - similarities.null.mean
    levels = colour_range(similarities.pooled, excess)
    assert differs(0, colours(similarities.pooled, *levels)) < 0.02
    assert differs(1, colours(excess, *levels)) < 0.02
    expect(page.locator(".srsm-map[data-map='semantic']")).to_contain_text("same label above other")

    # the order: every panel follows, and a click still opens the images that are there
    page.get_by_label("order of the images").select_option("label")
    expect(rsm).to_have_attribute("data-order", "label")
    rows = label_order(analysis.images)
    assert differs(1, colours(excess[np.ix_(rows, rows)], *levels)) < 0.02
    surface, position = cell_position(page, 3, 12, 16)
    surface.click(position=position)
    expect(page.locator(".srsm-pair")).to_have_attribute("data-matched", f"{rows[3]},{rows[12]}")

    # a drag zooms all three; thumbnails and arrow keys follow
    box = box_of(surface)
    at = lambda k, start, length: start + length * (k + 0.5) / 16  # noqa: E731
    page.mouse.move(at(2, box["x"], box["width"]), at(2, box["y"], box["height"]))
    page.mouse.down()
    page.mouse.move(at(5, box["x"], box["width"]), at(5, box["y"], box["height"]), steps=4)
    page.mouse.up()
    expect(rsm).to_have_attribute("data-zoom", "2,2,4")
    page.mouse.move(0, 0)
    seen = rows[2:6]
    assert differs(0, colours(similarities.pooled[np.ix_(seen, seen)], *levels), 4) < 0.2  # all but the outlined cell
    expect(page.locator(".srsm-axis-top").first.locator("img")).to_have_count(4)
    page.get_by_role("button", name="show all images").click()
    expect(rsm).to_have_attribute("data-zoom", "")

    # one colour range for all layers
    page.get_by_role("button", name="More").first.click()
    page.get_by_label("keep this colour range").check()
    kept = rsm.get_attribute("data-range")
    page.get_by_label("next layer").first.click()
    expect(rsm).to_have_attribute("data-layer", "blocks.5")
    assert rsm.get_attribute("data-range") == kept
    page.get_by_label("keep this colour range").uncheck()
    expect(rsm).not_to_have_attribute("data-range", kept)


def test_python_and_the_page_agree_and_a_second_view_shows_the_same(lab_page):
    show(
        lab_page,
        "explorer = srsm.explore(layers=['blocks.4', 'blocks.5', 'blocks.6'])\nexplorer",
        "assert explorer.wait(60)\nexplorer.layer, explorer.pair = 'blocks.6', (4, 5)",
        "explorer",
    )
    page = lab_page.page
    for k in range(2):
        expect(page.locator(".srsm-rsm").nth(k)).to_have_attribute("data-layer", "blocks.6")
        expect(page.locator(".srsm-pair").nth(k)).to_have_attribute("data-matched", "4,5")
    page.locator(".srsm-step").first.click()  # the previous layer, in the first view
    for k in range(2):
        expect(page.locator(".srsm-rsm").nth(k)).to_have_attribute("data-layer", "blocks.5")
    # ten views, one style for all of them
    styles = "() => [...document.querySelectorAll('style')].filter((s) => s.textContent.includes('.srsm-')).length"
    assert page.evaluate(styles) == 1


def test_a_long_computation_waits_for_start(lab_page):
    lab_page.open_and_run(
        lab_page.lab.write_notebook(
            "slow.ipynb", ["import semrsm_widgets as srsm", "srsm.explore(layers=['blocks.6'], patience=1e-6)"]
        )
    )
    page = lab_page.page
    header = page.locator(".srsm-explorer")
    expect(header).to_have_attribute("data-state", "waiting")
    expect(header).to_contain_text("pairs to match")
    expect(page.locator(".srsm-pair")).to_have_attribute("data-ready", "true")  # any pair before its RSM
    assert page.locator(COMPLETE).count() == 0
    header.get_by_role("button", name="Start").click()
    page.wait_for_selector(COMPLETE)
    expect(header).to_have_attribute("data-state", "ready")


def test_a_kernel_that_never_sent_bokehjs_does_not_block_the_views_after_it(lab_page):
    show(
        lab_page,
        "from semrsm_widgets.views.base import BokehPane\n"
        "answer = BokehPane._send_bokehjs\n"
        "BokehPane._send_bokehjs = lambda self, content: None  # as if its kernel had gone\n"
        "images, model = srsm.demo_images(), srsm.load_model()\n"
        "analysis = srsm.Analysis(images, srsm.extract(model, images, layers=['blocks.5', 'blocks.6']), model=model)\n"
        "srsm.RSMView(analysis)",
        "BokehPane._send_bokehjs = answer\nsrsm.RSMView(analysis)",
    )
    for k in range(2):  # the first one gets what the second one asked for
        expect(lab_page.page.locator(".srsm-rsm").nth(k)).to_have_attribute("data-painter", "bokeh")


def test_heatmaps_are_there_before_bokehjs_is(lab_page):
    show(
        lab_page,
        "from semrsm_widgets.views.base import BokehPane\n"
        "BokehPane._send_bokehjs = lambda self, content: None\n"
        "images, model = srsm.demo_images(), srsm.load_model()\n"
        "srsm.RSMView(srsm.Analysis(images, srsm.extract(model, images, layers=['blocks.6']), model=model))",
    )
    view = lab_page.page.locator(".srsm-rsm")
    expect(view).to_have_attribute("data-painter", "canvas")
    colours = "e => new Set(e.getContext('2d').getImageData(0, 0, e.width, e.height).data).size"
    for name in ("baseline", "semantic", "difference"):
        assert view.locator(f".srsm-map[data-map='{name}'] canvas").evaluate(colours) > 20


def test_what_is_not_defined_or_not_there_yet_is_said_in_its_place(lab_page):
    show(
        lab_page,
        "images, model = srsm.demo_images(crops=1), srsm.load_model()\n"
        "tokens = srsm.extract(model, images, layers=['blocks.5', 'blocks.6'])\n"
        "tokens['blocks.6'].values[:] = tokens['blocks.6'].values[:1].clone()\n"
        "srsm.explore(srsm.Analysis(images, tokens, model=model), layer='blocks.5', kernel='RBF')",
    )
    page = lab_page.page
    rsm = page.locator(".srsm-rsm")
    expect(rsm).to_have_attribute("data-undefined", "false")
    page.get_by_label("next layer").first.click()
    expect(rsm).to_have_attribute("data-layer", "blocks.6")
    expect(rsm).to_have_attribute("data-undefined", "true")
    expect(page.locator(".srsm-card")).to_contain_text("RBF is not defined here")
    expect(page.locator(".srsm-veil").first).to_have_text("not defined")
    expect(page.locator(".srsm-explorer")).to_have_attribute("data-state", "ready")
    page.get_by_role("button", name="More · RBF").first.click()
    page.get_by_role("radio", name="cosine").check()
    expect(rsm).to_have_attribute("data-undefined", "false")

    # the pair's numbers say of which layer and kernel they are
    expect(page.locator(".srsm-summary")).to_contain_text("blocks.6 · cosine")


def test_errors_are_on_screen_and_names_are_shown_as_text(lab_page):
    name = "<img src=x onerror=alert(1)>"
    lab_page.open_and_run(
        lab_page.lab.write_notebook(
            "errors.ipynb",
            [
                "import numpy as np, semrsm_widgets as srsm\n"
                "noise = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)\n"
                f"images = srsm.load_images([(picture, {name!r}) for picture in noise])",
                "srsm.explore(images=images, layers='blocks.99')",
                "srsm.explore(images=images, layers=['blocks.5', 'blocks.6'])",
            ],
        )
    )
    page = lab_page.page
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("blocks.99")
    expect(alert).to_contain_text("blocks.")  # the nearest names
    page.wait_for_selector(COMPLETE)
    assert name in page.locator(".srsm-card-pair figcaption").first.get_attribute("title")
    assert page.locator("img[src='x']").count() == 0
