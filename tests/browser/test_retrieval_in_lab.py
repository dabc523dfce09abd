"""RetrievalView as a person uses it, in a real JupyterLab, by mouse and by keyboard."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers.boxes import box_of, layout_faults
from PIL import Image
from playwright.sync_api import expect

import semrsm_widgets as srsm

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

READY = ".srsm-retrieval[data-complete='true']"

MAKE = """
import numpy as np
import semrsm_widgets as srsm
images = srsm.demo_images()
model = srsm.load_model()
analysis = srsm.Analysis(images, srsm.extract(model, images, ["blocks.4", "blocks.5"], max_grid=16), model=model)
"""


@pytest.fixture(scope="module")
def analysis():
    """What the notebooks show, computed here by the same public calls."""
    images = srsm.demo_images()
    model = srsm.load_model()
    tokens = srsm.extract(model, images, ["blocks.4", "blocks.5"], max_grid=16)
    return srsm.Analysis(images, tokens, model=model)


def show(lab_page, *cells):
    lab_page.open_and_run(lab_page.lab.write_notebook("retrieval.ipynb", [MAKE, *cells]))
    lab_page.page.wait_for_selector(READY)


def answers(page, name):
    """Return the images of a row, nearest first."""
    nodes = page.locator(f".srsm-rank[data-name='{name}'] .srsm-answer")
    return [int(index) for index in nodes.evaluate_all("(nodes) => nodes.map((node) => node.dataset.index)")]


def in_python(lab_page, expression):
    """Return the value of an expression in the notebook's kernel, through a new cell."""
    marker = "value of the expression:"
    page = lab_page.page
    page.evaluate(
        """async (source) => {
          const panel = window.jupyterapp.shell.currentWidget;
          await window.jupyterapp.commands.execute('notebook:insert-cell-below');
          panel.content.activeCell.model.sharedModel.setSource(source);
          return window.jupyterapp.commands.execute('notebook:run-cell');
        }""",
        f"import json; print({marker!r}, json.dumps({expression}))",
    )
    text = lab_page.outputs().filter(has_text=marker).last.inner_text()
    return json.loads(text.split(marker)[1])


def test_the_rows_are_what_the_core_retrieves_and_a_click_opens_a_pair(lab_page, analysis):
    show(
        lab_page,
        "view = srsm.RetrievalView(analysis, layer='blocks.4', rankings={'mine': np.arange(256.).reshape(16, 16)})\n"
        "pair_view = srsm.PairView(analysis, layer='blocks.4')\n"
        "import traitlets; traitlets.link((view, 'pair'), (pair_view, 'pair'))\nview",
        "pair_view",
    )
    page = lab_page.page
    view = page.locator(".srsm-retrieval")
    similarities = analysis.similarities("blocks.4")
    for name in ("aligned", "semantic", "pooled"):
        assert answers(page, name) == srsm.nearest(getattr(similarities, name), 5)[0].tolist()
    assert answers(page, "mine") == [15, 14, 13, 12, 11]
    head = page.locator(".srsm-rank[data-name='semantic'] .srsm-rank-head")
    f1 = srsm.label_f1(analysis.images.labels)
    order = srsm.nearest(similarities.semantic)
    expect(head).to_contain_text(f"F1@5 {srsm.f1_at_k(order, f1, 5)[0]:.2f}")
    expect(head).to_contain_text(f"unrelated tokens reach {similarities.null.mean:.2f}")

    # the other crop of the photograph is right, by shape and in words; a wrong one is marked otherwise
    right = page.locator(".srsm-rank[data-name='semantic'] .srsm-answer[data-index='1']")
    expect(right).to_have_attribute("data-mark", "right")
    expect(right.locator(".srsm-badge")).to_have_text("✓")
    expect(right).to_have_attribute(
        "aria-label", re.compile(r"semantic, rank \d+: astronaut/1 · astronaut, 0\.\d+, right")
    )
    wrong = page.locator(".srsm-rank[data-name='mine'] .srsm-answer").first
    expect(wrong.locator(".srsm-badge")).to_have_text("✕")

    # pointing at an image shows it in every row, with its rank where it is further down
    wrong.hover()
    expect(view).to_have_attribute("data-pointed", "15")
    line = page.locator(".srsm-rank-line")
    rank = order[0].tolist().index(15) + 1
    expect(line).to_contain_text(f"semantic {similarities.semantic[0, 15]:.2f} (rank {rank})")
    expect(page.locator(".srsm-rank[data-name='semantic'] .srsm-rank-aside")).to_contain_text(f"rank {rank}")

    # a click opens it with the query; so does Enter, after moving there by keyboard
    right.click()
    expect(page.locator(".srsm-pair")).to_have_attribute("data-matched", "0,1")
    expect(right).to_have_attribute("aria-pressed", "true")
    page.locator(".srsm-rank[data-name='aligned'] .srsm-answer").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    second = answers(page, "semantic")[1]
    expect(page.locator(".srsm-pair")).to_have_attribute("data-matched", f"0,{second}")

    # another query, by click and by keyboard; fewer answers, another layer, another kernel
    page.locator(".srsm-tile[data-index='4']").click()
    expect(view).to_have_attribute("data-answered", "4")
    expect(page.locator(".srsm-rank[data-name='semantic'] .srsm-answer")).to_have_count(5)
    assert answers(page, "semantic") == srsm.nearest(similarities.semantic, 5)[4].tolist()
    page.locator(".srsm-film-strip").focus()
    page.keyboard.press("ArrowRight")
    expect(view).to_have_attribute("data-answered", "5")
    page.get_by_label("answers shown").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".srsm-rank[data-name='semantic'] .srsm-answer")).to_have_count(4)
    view.get_by_label("layer", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(view).to_have_attribute("data-layer", "blocks.5")
    view.get_by_role("radio", name="RBF").check()
    expect(view).to_have_attribute("data-kernel", "RBF")
    expect(page.locator(".srsm-answers .srsm-hint")).to_contain_text("RBF σ")
    expect(view.locator(".srsm-status")).to_have_attribute("data-state", "ready")
    state = in_python(lab_page, "[view.query, view.k, view.layer, view.kernel]")
    assert state == [5, 4, "blocks.5", "RBF"]


@pytest.mark.parametrize("width", [1000, 700])
def test_in_a_narrow_window_two_rows_of_answers_are_seen_below_the_query(lab_page, analysis, width):
    page = lab_page.page
    page.set_viewport_size({"width": width, "height": 768})  # 568 or 332 pixels beside JupyterLab's file browser
    show(lab_page, "view = srsm.RetrievalView(analysis, layer='blocks.4')\nview")
    view = page.locator(".srsm-retrieval")
    view.evaluate("(node) => node.scrollIntoView({block: 'start'})")
    picture, foot = box_of(page.locator(".srsm-query-picture")), box_of(page.locator(".srsm-query-foot"))
    slider = box_of(view.get_by_label("answers shown"))
    assert min(foot["x"], slider["x"]) > picture["x"] + picture["width"]  # both beside it
    assert slider["y"] >= foot["y"] + foot["height"]
    seen, second = box_of(page.locator(".jp-WindowedPanel-outer").first), view.locator(".srsm-rank").nth(1)
    last = box_of(second.locator(".srsm-answer-value").first)
    assert last["y"] + last["height"] <= seen["y"] + seen["height"]
    assert layout_faults(page) == []
    lab_page.screenshot(f"retrieval-{width}")


def test_the_film_strip_fades_where_there_is_more(lab_page, analysis):
    show(lab_page, "view = srsm.RetrievalView(analysis, layer='blocks.4', query=0)\nview")
    page = lab_page.page
    strip = page.locator(".srsm-film-strip")
    fades = """(node) => ["::before", "::after"].filter(
        (name) => getComputedStyle(node.firstElementChild, name).display !== "none")"""
    assert strip.evaluate("(node) => node.clientWidth") >= 16 * 48 - 4  # all are seen
    expect(strip).to_have_attribute("data-more", "")
    assert strip.evaluate(fades) == []
    page.set_viewport_size({"width": 1000, "height": 768})
    for scrolled, more in ((0, ["after"]), (60, ["before", "after"]), (9999, ["before"])):
        strip.evaluate("(node, left) => { node.scrollLeft = left; }", scrolled)
        expect(strip).to_have_attribute("data-more", " ".join(more))
        assert strip.evaluate(fades) == [f"::{side}" for side in more]
        assert strip.evaluate("(node) => node.scrollHeight") <= 58  # none stands on a line of its own
        lab_page.screenshot(f"film-strip-{scrolled}", strip)
    page.emulate_media(forced_colors="active")
    assert strip.evaluate(fades) == []
    page.emulate_media(forced_colors="none")

    page.set_viewport_size({"width": 1400, "height": 1000})
    expect(strip).to_have_attribute("data-more", "")


def test_a_box_is_drawn_by_pointer_and_by_keyboard(lab_page, analysis):
    show(lab_page, "view = srsm.RetrievalView(analysis, layer='blocks.4')\nview")
    page = lab_page.page
    view, frame = page.locator(".srsm-retrieval"), page.locator(".srsm-query-picture")
    frame.scroll_into_view_if_needed()
    area = box_of(page.locator(".srsm-box-overlay"))
    at = lambda row, column: (  # noqa: E731 (the middle of a patch)
        area["x"] + area["width"] * (column + 0.5) / 14,
        area["y"] + area["height"] * (row + 0.5) / 14,
    )
    page.mouse.move(*at(2, 3))
    page.mouse.down()
    page.mouse.move(*at(5, 7), steps=4)
    page.mouse.up()
    expect(view).to_have_attribute("data-box", "2,3,6,8")
    expect(page.locator(".srsm-patches")).to_contain_text("20 of 196 patches (rows 3–6, columns 4–8)")
    expect(page.locator(".srsm-rank[data-name='aligned']")).to_contain_text("same position")
    expect(view).to_have_attribute("data-complete", "true")
    tokens = analysis.tokens["blocks.4"].values
    part = tokens[0].reshape(14, 14, -1)[2:6, 3:8].reshape(20, -1)
    found = srsm.search(part, tokens, candidates=np.arange(1, 16))
    assert answers(page, "semantic") == found.indices[0].tolist()
    assert in_python(lab_page, "view.box") == [2, 3, 6, 8]
    # and where each answer holds it is outlined there, a cell for each patch
    outline = page.locator(".srsm-rank[data-name='semantic'] .srsm-found-at path:last-child")
    expect(outline).to_have_count(5)
    assert [outline.nth(k).get_attribute("d").count("M") for k in range(5)] == [20] * 5
    lab_page.screenshot("box-found-at", view)
    # whole beside JupyterLab's file browser in windows of 1366, 1000 and 700 pixels at 125 %
    for width in (1093, 800, 560):
        page.set_viewport_size({"width": width, "height": 1000})
        assert layout_faults(page) == []
        told = box_of(page.locator(".srsm-rank[data-name='aligned'] .srsm-empty"))
        box = box_of(view)
        assert told["x"] + told["width"] <= box["x"] + box["width"] + 1
        lab_page.screenshot(f"box-found-at-{width}", view)
    page.set_viewport_size({"width": 1400, "height": 1000})

    # from the middle: a cursor, widened with Shift, searched with Enter; Escape is the whole image again
    frame.focus()
    page.keyboard.press("Escape")
    expect(view).to_have_attribute("data-box", "")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".srsm-patches")).to_contain_text("1 of 196 patches")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    expect(view).to_have_attribute("data-box", "7,7,9,9")
    page.get_by_role("button", name="whole image").click()
    expect(view).to_have_attribute("data-box", "")
    expect(page.locator(".srsm-patches")).to_contain_text("All 196 patches")


def test_a_picture_from_outside_is_chosen_on_screen(lab_page, analysis, tmp_path):
    show(lab_page, "view = srsm.RetrievalView(analysis, layer='blocks.4')\nview")
    page = lab_page.page
    view = page.locator(".srsm-retrieval")
    picture = tmp_path / "<img src=x onerror=alert(1)>.png"
    large = analysis.images.image(6).resize((1500, 1500))  # a file of several parts: noise does not compress
    noise = np.random.default_rng(0).integers(-6, 7, (1500, 1500, 3))
    Image.fromarray((np.asarray(large).astype(int) + noise).clip(0, 255).astype(np.uint8)).save(picture)
    assert picture.stat().st_size > 3 * 2**20
    page.locator("input[type=file]").set_input_files(picture)
    expect(view).to_have_attribute("data-answered", "-1")
    expect(view).to_have_attribute("data-complete", "true")
    assert answers(page, "semantic")[0] == 6
    expect(page.locator(".srsm-query-name")).to_have_text(picture.name)
    expect(page.locator(".srsm-answers .srsm-hint")).to_contain_text("query has no label")

    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    page.locator("input[type=file]").set_input_files(broken)
    expect(view.get_by_role("alert")).to_contain_text("'broken.jpg' cannot be read")
    assert in_python(lab_page, "view.query") == -1

    page.locator(".srsm-tile[data-index='0']").click()
    expect(view).to_have_attribute("data-answered", "0")


def test_of_two_thousand_images_only_those_in_sight_are_sent(lab_page):
    show(
        lab_page,
        "rng = np.random.default_rng(0)\n"
        "import torch\n"
        "many = srsm.load_images([rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(2000)],\n"
        "                        labels=[f'kind {k // 100}' for k in range(2000)])\n"
        "values = torch.from_numpy(rng.normal(size=(2000, 16, 8)).astype(np.float32))\n"
        "tokens = {'a': srsm.Tokens(values=values, grid=(4, 4), native_grid=(4, 4), layer='a')}\n"
        "view = srsm.RetrievalView(srsm.Analysis(many, tokens))\nview",
    )
    page = lab_page.page
    view = page.locator(".srsm-retrieval")
    tiles = page.locator(".srsm-tile")
    assert tiles.count() < 40
    expect(page.locator(".srsm-tile[data-index='0'] img")).to_have_attribute("src", re.compile("^blob:"))
    assert page.evaluate("() => document.querySelectorAll('.srsm-retrieval img').length") < 100
    page.get_by_label("find a query image by name or label").fill("kind 19")
    expect(page.locator(".srsm-chooser [role=status]")).to_have_text("100 of 2000")
    expect(tiles.first).to_have_attribute("data-index", "1900")
    page.keyboard.press("Enter")
    expect(view).to_have_attribute("data-answered", "1900")
    page.locator(".srsm-film-strip").focus()
    page.keyboard.press("End")
    expect(view).to_have_attribute("data-answered", "1999")
    expect(page.locator(".srsm-tile[data-index='1999'] img")).to_have_attribute("src", re.compile("^blob:"))
    assert tiles.count() < 40


def test_a_picture_from_outside_opens_beside_an_answer_and_closes_with_its_query(lab_page, analysis, tmp_path):
    show(lab_page, "explorer = srsm.explore(analysis, layer='blocks.4')\nexplorer")
    page = lab_page.page
    turned = tmp_path / "turned.png"
    analysis.images.image(6).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(turned)
    page.locator("input[type=file]").set_input_files(turned)
    expect(page.locator(".srsm-retrieval")).to_have_attribute("data-answered", "-1")
    expect(page.locator(READY)).to_be_visible()
    page.locator(".srsm-rank[data-name='semantic'] .srsm-answer").first.click()

    pair = page.locator(".srsm-place-outside .srsm-pair")
    expect(pair).to_have_attribute("data-null", re.compile(r"0\."))
    pair.scroll_into_view_if_needed()
    assert pair.locator("[data-side='B'] img").first.evaluate("(node) => node.naturalWidth") > 50
    found = "explorer.outside_view.analysis.matches('blocks.4', 0, 1)"
    value = float(lab_page.run_code(f"print({found}.semantic)"))
    expect(pair.locator(".srsm-summary")).to_contain_text(f"semantic {value:.2f}")
    # Pointing shows the partner that the core gives a patch of the outside picture.
    box = box_of(pair.locator("[data-side='A'] .srsm-picture").first)
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.45 * box["height"])
    expect(pair.locator(".srsm-token-line")).to_contain_text(re.compile(r"A \d+,\d+ → B \d+,\d+"))
    told = pair.locator(".srsm-token-line").inner_text()
    row, column = map(int, re.search(r"A (\d+),(\d+)", told).groups())
    expected = int(lab_page.run_code(f"print({found}.permutation[{14 * row + column}])"))
    assert f"→ B {expected // 14},{expected % 14}" in told
    lab_page.screenshot("outside-pair")

    page.locator(".srsm-tile[data-index='0']").click()  # another query: the picture is gone, and so is its pair
    expect(pair).to_have_count(0)
    assert lab_page.run_code("print(explorer.outside_view)").strip() == "None"
