"""PairView as a person uses it in a real JupyterLab: what is explained, why this and not that, odd input."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers.boxes import box_of, layout_faults
from helpers.lab_harness import LabPage
from playwright.sync_api import expect

import semrsm_widgets as srsm
from semrsm_widgets.figures.place_palette import AGAINST, FOR, place_colours

expect.set_options(timeout=60_000)  # the kernel imports torch, the machine may be slow

# The same analysis here and in the notebook: pictures of 60 x 40, a grid of 4 x 6, a class token and two registers.
ANALYSIS = """
import numpy as np, torch, semrsm_widgets as srsm

def make():
    rng = np.random.default_rng(7)
    pictures = [rng.integers(0, 255, (40, 60, 3), dtype=np.uint8) for _ in range(5)]
    tokens = {}
    for name in ("placed", "plain", "nowhere"):
        values = torch.from_numpy(rng.normal(size=(5, 24, 16)) + 0.25)
        prefix = torch.from_numpy(rng.normal(size=(5, 3, 16))) if name == "placed" else None
        grid, note = ((4, 6), "") if name != "nowhere" else (None, "No rule applies.")
        tokens[name] = srsm.Tokens(values=values, grid=grid, native_grid=grid, layer=name, prefix=prefix,
                                   has_class_token=prefix is not None, note=note)
    return srsm.Analysis(srsm.load_images(pictures), tokens, matcher=srsm.Exact())
"""
# The window in which JupyterLab, with its file browser open, leaves an output of just under 900 pixels.
NARROW = 1260
# Windows of 1366, 1000 and 700 pixels at 125 %: 660, 368 and 192 pixels beside JupyterLab's file browser.
NARROW_WINDOWS = (1093, 800, 560)
READY = ".srsm-pair[data-ready='true']"


@pytest.fixture(scope="module")
def analysis():
    names = {}
    exec(ANALYSIS, names)
    return names["make"]()


@pytest.fixture
def narrow_page(lab, browser):
    """A page in which a notebook's cell is about 900 pixels wide."""
    page = LabPage.open(browser, lab, width=NARROW)
    yield page
    page.close()


def show(lab_page, *cells):
    """Run cells in a new notebook, the last of which shows a PairView, and wait for its matches and its null."""
    lab_page.open_and_run(lab_page.lab.write_notebook("pair.ipynb", [ANALYSIS, *cells]))
    lab_page.page.wait_for_selector(READY)
    return lab_page.page.locator(".srsm-pair")


def number(value, digits=2):
    """Return a number as the page writes it."""
    return f"{value:.{digits}f}".replace("-", "−")


def middle(page, side, token, grid=(4, 6)):
    """Return the picture of a side and the position of a token on it; without a model the grid covers the picture."""
    picture = page.locator(f"[data-side='{side}'] .srsm-picture")
    box = box_of(picture)
    row, column = divmod(token, grid[1])
    return picture, {"x": box["width"] * (column + 0.5) / grid[1], "y": box["height"] * (row + 0.5) / grid[0]}


def point(page, side, token):
    picture, position = middle(page, side, token)
    picture.hover(position=position)


def strokes(page):
    """Return the colour of every outline, the least important first."""
    return page.locator(".srsm-tops rect.srsm-colour").evaluate_all("nodes => nodes.map(node => node.style.stroke)")


def css(colour):
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5)) if isinstance(colour, str) else colour
    return f"rgb({red}, {green}, {blue})"


def test_what_is_explained_is_a_choice(lab_page, analysis):
    pair = show(lab_page, "view = srsm.PairView(make(), layer='placed', pair=(0, 3), top_k=12)\nview")
    page = lab_page.page
    matches = analysis.matches("placed", 0, 3)
    line, words = page.locator(".srsm-token-line"), page.locator(".srsm-explanation")
    expect(pair).to_have_attribute("data-null", re.compile(r"\d"))
    expect(page.locator(".srsm-summary")).to_contain_text(
        f"unrelated tokens: {number(analysis.null('placed').mean)} on average"
    )
    expect(words).to_contain_text(f"{100 * matches.same_position:.0f} % of partners stand at the same position")
    for curve in ("aligned", "semantic", "pooled", "unrelated"):  # each that the legend names, through all three layers
        expect(page.locator(f"path.srsm-curve-{curve}")).to_have_attribute("d", re.compile("M.*L.*L"))

    # the best match: colours of places, digits on both sides, dashes where another partner is better or hardly worse
    top = [int(token) for token in matches.top(12)]
    expected = [css(colour) for colour in reversed(place_colours(top, (4, 6))) for _ in "AB"]
    assert strokes(page) == expected
    digits = page.locator(".srsm-digit")
    assert sorted(digits.all_text_contents()) == sorted("123456789" * 2)
    ambiguous = int(matches.ambiguous()[top].sum())
    expect(page.locator(".srsm-tops rect.srsm-colour.srsm-ambiguous")).to_have_count(2 * ambiguous)
    expect(page.locator(".srsm-legend")).to_contain_text("dashed: another partner")

    # the same position
    page.get_by_role("radio", name="aligned").check()
    expect(words).to_contain_text(f"aligned {number(matches.aligned)}")
    point(page, "A", 9)
    expect(line).to_contain_text("A 1,3 → B 1,3")
    expect(line).to_contain_text(
        f"contributes {number(matches.aligned_contribution[9], 4)} of {number(matches.aligned)}"
    )
    point(page, "B", 14)
    expect(pair).to_have_attribute("data-token", "14")

    # the mean token: no partners, each side's patches against the other's mean
    page.get_by_role("radio", name="pooled").check()
    mean = matches.split("mean token")
    expect(words).to_contain_text(f"pooled {number(matches.pooled)}")
    expect(page.locator(".srsm-rebuilt")).to_contain_text("no partners to move")
    point(page, "A", 9)
    expect(line).to_contain_text(f"A 1,3 with B’s mean token · cosine {number(mean.token_cosine[9])}")
    expect(line).to_contain_text(f"contributes {number(mean.contribution[9], 4)} of {number(matches.pooled)}")
    point(page, "B", 9)
    expect(line).to_contain_text(f"contributes {number(mean.other_contribution[9], 4)}")
    page.mouse.move(0, 0)
    shown = [*np.argsort(-mean.contribution)[:12], *np.argsort(-mean.other_contribution)[:12]]
    assert len(strokes(page)) == len(shown)
    assert set(strokes(page)) <= {css(FOR), css(AGAINST)}

    # the class token: its value, and that there is no split; only where there is one
    page.get_by_role("radio", name="class token").check()
    expect(words).to_contain_text(f"class token {number(matches.class_token)}: no exact split")
    expect(page.locator(".srsm-tops rect")).to_have_count(0)
    page.get_by_role("radio", name="semantic").check()
    page.get_by_label("next layer").click()
    expect(pair).to_have_attribute("data-layer", "plain")
    expect(page.get_by_role("radio", name="class token")).to_be_hidden()

    # rarely asked: what was kept aside, and each patch's nearest neighbour
    page.get_by_label("previous layer").click()
    expect(pair).to_have_attribute("data-layer", "placed")
    more = page.locator(".srsm-more")
    more.locator("summary").click()
    expect(more).to_contain_text("the class token and 2 others")
    expect(more.locator("tbody tr")).to_have_count(12)
    more.get_by_role("checkbox").check()
    expect(words).to_contain_text(f"nearest neighbours {number(matches.nearest.value)}")
    taken = len(set(matches.nearest.partner))
    expect(more).to_contain_text(f"with only {taken} of B’s 24 patches")
    point(page, "A", 9)
    partner = int(matches.nearest.partner[9])
    expect(pair).to_have_attribute("data-partner", str(partner))
    free = next(token for token in range(24) if token not in matches.nearest.partner)
    point(page, "B", free)
    expect(line).to_contain_text("no patch of A has it as its partner")
    lab_page.screenshot("pair-more", pair)


def test_why_this_and_not_that(lab_page, analysis):
    pair = show(lab_page, "view = srsm.PairView(make(), layer='placed', pair=(0, 3))\nview")
    page = lab_page.page
    hit, expected = analysis.matches("placed", 0, 3), analysis.matches("placed", 0, 2)
    page.get_by_label("compare with another image").select_option("2")
    expect(pair).to_have_attribute("data-why", "true")
    expect(pair).to_have_attribute("data-stale", "false")
    why = page.locator(".srsm-why")

    difference = srsm.contribution_difference(hit, expected)
    total = hit.semantic - expected.semantic
    expect(why).to_contain_text(f"A–B {number(hit.semantic, 3)} − A–C {number(expected.semantic, 3)} = ")
    expect(why).to_contain_text(
        f"{(difference > 0).sum()} speak for B (+{number(difference[difference > 0].sum(), 3)})"
    )
    expect(why).to_contain_text(f"{(difference < 0).sum()} speak for C ({number(difference[difference < 0].sum(), 3)})")
    assert float(pair.get_attribute("data-difference")) == pytest.approx(total, abs=1e-5)

    # hit, query, expected from left to right; the query's patches in the two colours, the nine strongest with signs
    left = {side: box_of(page.locator(f"[data-side='{side}']"))["x"] for side in "ABC"}
    assert left["B"] < left["A"] < left["C"]
    colours = strokes(page)
    assert set(colours) == {css(FOR), css(AGAINST)}
    signs = page.locator(".srsm-digit").all_text_contents()
    strongest = np.argsort(-np.abs(difference))[:9]
    assert signs.count("+") == 2 * (difference[strongest] > 0).sum()  # on the query and on the image it speaks for
    assert signs.count("−") == 2 * (difference[strongest] < 0).sum()
    assert min(signs.count("+"), signs.count("−")) > 0

    # one patch: its partners in both, and what it adds
    token = int(strongest[0])
    point(page, "A", token)
    line = page.locator(".srsm-token-line")
    expect(line).to_contain_text(f"with B {hit.permutation[token] // 6},{hit.permutation[token] % 6}")
    expect(line).to_contain_text(f"with C {expected.permutation[token] // 6},{expected.permutation[token] % 6}")
    expect(line).to_contain_text(f"{number(difference[token], 4)}")
    expect(line).to_contain_text("speaks for B" if difference[token] > 0 else "speaks for C")
    point(page, "C", int(expected.permutation[token]))
    expect(pair).to_have_attribute("data-token", str(token))
    page.mouse.move(0, 0)
    lab_page.screenshot("pair-why", pair)

    # under another similarity
    page.get_by_role("radio", name="pooled").check()
    expect(why).to_contain_text(f"A–B {number(hit.pooled, 3)} − A–C {number(expected.pooled, 3)} = ")
    page.get_by_role("radio", name="class token").check()
    expect(why).to_contain_text("no exact split")

    # an end to it; arrow keys and Enter work as before
    page.get_by_role("radio", name="semantic").check()
    page.get_by_label("stop comparing").click()
    expect(pair).to_have_attribute("data-why", "false")
    page.locator("[data-side='B'] .srsm-picture").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(pair).to_have_attribute("data-partner", "1")
    page.keyboard.press("Enter")
    expect(line).to_contain_text(f"A {hit.inverse[1] // 6},{hit.inverse[1] % 6}")
    page.keyboard.press("Escape")
    expect(pair).to_have_attribute("data-token", "-1")


def test_python_sets_what_the_page_shows_and_sees_what_is_chosen_there(lab_page):
    pair = show(
        lab_page,
        "view = srsm.PairView(make(), layer='placed', pair=(0, 3))\nview",
        "view.similarity, view.expected, view.one_to_one = 'same position', 4, False",
    )
    expect(pair).to_have_attribute("data-similarity", "same position")
    expect(pair).to_have_attribute("data-expected", "4")
    page = lab_page.page
    page.get_by_role("radio", name="semantic").check()
    page.locator("[data-side='C'] select").select_option("1")
    expect(pair).to_have_attribute("data-expected", "1")
    lab_page.execute("notebook:insert-cell-below")
    lab_page.execute("notebook:replace-selection", {"text": "print(view.similarity, view.expected, view.one_to_one)"})
    lab_page.execute("notebook:run-cell")
    expect(lab_page.outputs().last).to_contain_text("best match 1 False")


def test_what_has_no_place_and_names_with_markup_are_shown_as_text(lab_page, analysis):
    name = "<img src=x onerror=alert(1)>"
    pair = show(
        lab_page,
        "import pathlib\nfrom PIL import Image\n"
        "folder = pathlib.Path('named'); folder.mkdir()\n"
        f"names = [{name!r} + f' {{k}}.png' for k in range(5)]\n"
        "analysis = make()\n"
        "[analysis.images.image(k).save(folder / names[k]) for k in range(5)]\n"
        "analysis.images = srsm.load_images(folder)\n"
        "view = srsm.PairView(analysis, layer='nowhere', pair=(0, 3), expected=2)\nview",
    )
    page = lab_page.page
    matches = analysis.matches("nowhere", 0, 3)
    empty = page.locator(".srsm-empty")
    expect(empty).to_contain_text("there is no place to draw")
    expect(empty).to_contain_text("No rule applies.")
    expect(empty.locator("tbody tr")).to_have_count(20)
    page.get_by_label("stop comparing").click()
    strongest = int(matches.top(1)[0])
    first = empty.locator("tbody tr").first
    expect(first).to_contain_text(f"token {strongest}")
    expect(first).to_contain_text(number(matches.contribution[strongest], 4))
    expect(page.locator(".srsm-tops rect")).to_have_count(0)
    assert name in page.locator("[data-side='A'] .srsm-choose").inner_text()
    assert name in page.locator("[data-side='A'] .srsm-picture").get_attribute("aria-label")
    assert page.locator("img[src='x']").count() == 0
    label = page.locator("[data-side='A'] .srsm-picture").get_attribute("aria-label")
    assert f"semantic {number(matches.semantic)}" in label
    expect(pair).to_have_attribute("data-stale", "false")


def test_one_image_constant_tokens_and_a_picture_that_is_gone(lab_page):
    lab_page.open_and_run(
        lab_page.lab.write_notebook(
            "odd.ipynb",
            [
                ANALYSIS,
                "one = make()\n"
                "images = one.images.select([0])\n"
                "tokens = {'x': srsm.Tokens(values=torch.ones(1, 24, 16), grid=(4, 6), layer='x')}\n"
                "srsm.PairView(srsm.Analysis(images, tokens, matcher=srsm.Exact()))",
                "import pathlib\n"
                "folder = pathlib.Path('gone'); folder.mkdir()\n"
                "other = make()\n"
                "[other.images.image(k).save(folder / f'{k}.png') for k in range(5)]\n"
                "other.images = srsm.load_images(folder)\n"
                "(folder / '1.png').unlink()\n"
                "srsm.PairView(other, layer='placed')",
            ],
        )
    )
    page = lab_page.page
    one, gone = page.locator(".srsm-pair").nth(0), page.locator(".srsm-pair").nth(1)
    expect(one).to_have_attribute("data-ready", "true")
    expect(one.locator(".srsm-summary")).to_contain_text("needs two images")
    expect(one.get_by_label("compare with another image")).to_be_hidden()
    expect(one.locator(".srsm-explanation")).to_contain_text("100 % of partners")
    expect(gone).to_have_attribute("data-ready", "true")
    expect(gone.locator("[data-side='B'] .srsm-missing")).to_contain_text("is gone or cannot be read")
    expect(gone.locator("[data-side='A'] .srsm-missing")).to_be_hidden()


def test_it_fits_a_cell_of_900_pixels(narrow_page, analysis):
    page = narrow_page.page
    pair = show(narrow_page, "srsm.PairView(make(), layer='placed', pair=(0, 3))")
    width = box_of(pair)["width"]
    assert 700 < width <= 900
    for compare in (False, True):
        if compare:
            page.get_by_label("compare with another image").select_option("2")
            expect(pair).to_have_attribute("data-stale", "false")
        right = box_of(pair)["x"] + width
        rights = page.locator(".srsm-pair *:visible").evaluate_all(
            "nodes => nodes.map(node => node.getBoundingClientRect().right)"
        )
        assert max(rights) <= right + 1


def test_in_a_narrow_cell_the_moved_patches_stand_below_as_wide_as_a(lab_page, analysis):
    pair = show(lab_page, "srsm.PairView(make(), layer='placed', pair=(0, 3))")
    page = lab_page.page
    moved, legend = pair.locator(".srsm-rebuilt .srsm-picture"), pair.locator(".srsm-legend")
    for width in (1000, 700):  # 568 and 332 pixels beside JupyterLab's file browser
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(300)  # until what measures itself has
        whole, below, beside = box_of(pair), box_of(moved), box_of(legend)
        a, b = (box_of(pair.locator(f"[data-side='{side}'] .srsm-picture")) for side in "AB")
        assert (a["y"], a["width"]) == pytest.approx((b["y"], b["width"]), abs=1)
        assert b["x"] + b["width"] - a["x"] > 0.97 * whole["width"]  # of all there is
        assert below["y"] > a["y"] + a["height"]
        assert below["width"] == pytest.approx(a["width"], abs=1)
        assert beside["x"] > below["x"] + below["width"]
        assert beside["y"] < below["y"] < beside["y"] + beside["height"]
        assert layout_faults(page) == []
    page.evaluate("document.documentElement.style.setProperty('--srsm-type', 1.4)")  # large type: no room beside
    assert box_of(legend)["y"] > box_of(moved)["y"] + box_of(moved)["height"]
    assert box_of(moved)["width"] == pytest.approx(a["width"], abs=1)
    assert layout_faults(page) == []
    page.evaluate("document.documentElement.style.removeProperty('--srsm-type')")

    # compared, there are none to move, and the three stand in a row
    page.set_viewport_size({"width": 1000, "height": 1000})
    page.get_by_label("compare with another image").select_option("2")
    expect(pair).to_have_attribute("data-stale", "false")
    expect(moved).to_be_hidden()
    tops = {box_of(pair.locator(f"[data-side='{side}'] .srsm-picture"))["y"] for side in "ABC"}
    assert max(tops) - min(tops) < 1


def test_a_patch_is_probed(lab_page, analysis):
    """Heat over both pictures, why not that one; pinned: places in other images and every layer's partner."""
    pair = show(lab_page, "view = srsm.PairView(make(), layer='plain', pair=(0, 3))\nview")
    page = lab_page.page
    matches, cosines = analysis.matches("plain", 0, 3), analysis.token_cosines("plain", 0, 3)
    given = [s for s in range(24) if cosines[s].argmax() != matches.permutation[s]]  # gave their first choice up
    token = given[0]
    best = int(cosines[token].argmax())
    taker = int(matches.inverse[best])
    expect(pair).to_have_attribute("data-null", re.compile(r"\d"))
    point(page, "A", token)
    expect(pair).to_have_attribute("data-heat", "true")
    expect(page.locator(".srsm-token-line")).to_contain_text(
        f"most alike is B {best // 6},{best % 6} ({number(cosines[token, best])}): "
        f"it is taken by A {taker // 6},{taker % 6} ({number(cosines[taker, best])})"
    )
    expect(page.locator(".srsm-also rect")).to_have_count(1)
    # the brightest pixel of B's heat is the most similar patch, and what unrelated tokens reach is grey
    heat = page.locator("[data-side='B'] canvas").evaluate(
        "node => [...node.getContext('2d').getImageData(0, 0, 6, 4).data]"
    )
    pixels = np.array(heat).reshape(24, 4)
    assert pixels[:, 0].argmax() == best
    below = cosines[token] < analysis.null("plain").mean - 1e-3
    assert len(np.unique(pixels[below], axis=0)) == 1
    assert not (pixels[~below & (cosines[token] > analysis.null("plain").mean + 0.05)] == pixels[below][0]).all(1).any()
    lab_page.screenshot("pair-probe")

    picture, position = middle(page, "A", token)
    picture.click(position=position)
    page.mouse.move(0, 0)
    strips = page.locator(".srsm-crops")
    expect(strips.nth(0).get_by_role("button")).to_have_count(4)  # the other images
    expect(strips.nth(1).locator("img")).to_have_count(2)  # the layers whose tokens have places
    first = analysis.patch_places("plain", 0, token)
    expect(strips.nth(0).get_by_role("button").first).to_contain_text(number(first.cosine[0]))
    lab_page.screenshot("pair-probe-pinned")
    for width in NARROW_WINDOWS:
        page.set_viewport_size({"width": width, "height": 1000})
        for size in ("1", "1.4"):  # large type
            page.evaluate("(size) => document.documentElement.style.setProperty('--srsm-type', size)", size)
            assert layout_faults(page) == []
            lab_page.screenshot(f"pair-probe-pinned-{width}-{size}")
    page.evaluate("document.documentElement.style.removeProperty('--srsm-type')")
    page.set_viewport_size({"width": 1400, "height": 1000})
    strips.nth(0).get_by_role("button").first.press("Enter")
    expect(pair).to_have_attribute("data-matched", f"0,{first.images[0]}")
    expect(pair).to_have_attribute("data-token", str(token))

    page.get_by_label("heat").uncheck()
    point(page, "A", token)
    expect(pair).to_have_attribute("data-heat", "false")
    picture.press("Escape")
    expect(page.locator(".srsm-probe")).to_be_hidden()
