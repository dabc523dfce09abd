"""PairView as a figure for a paper: numbers and outlines are the core's."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.analyses import GRID, make_analysis, make_images
from helpers.views import SVG, drawn, texts_of
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.figures import number
from semrsm_widgets.views.pair.paper import number_bars


def test_the_pair_s_numbers_and_its_outlines_are_the_core_s(opened, tmp_path):
    analysis = make_analysis()
    view = opened(srsm.PairView(analysis, layer="b", pair=(1, 4), top_k=12))
    matches, null = analysis.matches("b", 1, 4), analysis.null("b")
    bars = {bar.name: bar for bar in number_bars(matches, null)}
    assert bars["semantic (best match)"].value == matches.semantic
    assert bars["unrelated tokens"].value == null.mean
    assert bars["= any matching"].value + bars["+ best matching adds"].value == pytest.approx(matches.semantic)
    assert bars["+ best matching adds"].start == bars["= any matching"].stop
    view.save_figure(tmp_path / "f.svg")
    words = texts_of(tmp_path / "f.svg")
    for value in (matches.aligned, matches.semantic, matches.pooled, null.mean):
        assert number(value) in words
    sheet = drawn(view)
    outlines, digits = sheet.figure.axes[0].patches, sheet.figure.axes[0].texts
    assert len(outlines) == 2 * 12
    assert [text.get_text() for text in digits] == [str(k) for k in range(9, 0, -1)]
    strongest = matches.top(1)[0]
    width, height = sheet.figure.axes[0].get_xlim()[1], sheet.figure.axes[0].get_ylim()[0]
    row, column = divmod(int(strongest), GRID[1])
    centre = ((column + 0.5) / GRID[1] * width, (row + 0.5) / GRID[0] * height)
    assert digits[-1].get_position() == pytest.approx(centre)


@pytest.mark.parametrize("similarity", ["same position", "mean token", "class token"])
def test_what_is_explained_is_what_is_outlined(opened, similarity):
    analysis = make_analysis()
    sheet = drawn(opened(srsm.PairView(analysis, layer="b", pair=(1, 4), top_k=3, similarity=similarity)))
    first, second = sheet.figure.axes[:2]
    if similarity == "class token":  # these tokens have none, and it would not split
        assert not first.patches
        assert "does not split over patches" in sheet.caption
        return
    split = analysis.matches("b", 1, 4).split(similarity)
    width, height = first.get_xlim()[1], first.get_ylim()[0]
    tokens = np.argsort(-split.contribution, kind="stable")[:3]
    centres = [((t % GRID[1] + 0.5) / GRID[1] * width, (t // GRID[1] + 0.5) / GRID[0] * height) for t in tokens]
    drawn_at = {text.get_text(): text.get_position() for text in first.texts}
    for rank, centre in enumerate(centres):
        assert drawn_at[str(rank + 1)] == pytest.approx(centre)
    assert len(second.texts) == (3 if similarity == "same position" else 0)


def test_why_this_and_not_that_shows_the_difference_of_scores(opened, tmp_path):
    analysis = make_analysis()
    view = opened(srsm.PairView(analysis, layer="b", pair=(1, 4), expected=2, top_k=4))
    words = texts_of(view.save_figure(tmp_path / "f.svg", width_mm=180))
    hit, expected = (analysis.matches("b", 1, k).semantic for k in (4, 2))
    for value in (hit, expected, hit - expected):
        assert number(value) in words
    hit_panel, query, expected_panel = drawn(view).figure.axes[:3]
    assert len(query.patches) == 2 * 4
    assert {text.get_text() for text in query.texts} <= {"+", "\N{MINUS SIGN}"}
    # as on screen, a patch's partner is outlined on the image that it speaks for
    assert len(hit_panel.patches) + len(expected_panel.patches) == 2 * 4
    speaks_for_hit = sum(text.get_text() == "+" for text in query.texts)
    assert len(hit_panel.patches) == 2 * speaks_for_hit


def test_names_with_markup_are_text(opened, tmp_path):
    names = ["<script>alert(1)</script>", "$\\frac{1}{2}$", "c", "d", "e", "f"]
    view = opened(srsm.PairView(make_analysis(len(names), ids=names), pair=(0, 1)))
    path = view.save_figure(tmp_path / "f.svg", width_mm=180)
    assert "<script>alert(1)</script>" in texts_of(path)
    assert "$\\frac{1}{2}$" in texts_of(path)
    assert not list(ElementTree.parse(path).iter(f"{SVG}script"))


def test_tokens_without_places_leave_the_third_panel_out(opened, tmp_path):
    view = opened(srsm.PairView(make_analysis(grid=None), pair=(0, 1)))
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    assert "have no places in the image" in words
    assert "rearranged" not in words


def test_one_image_has_a_pair_and_no_null(opened, tmp_path):
    view = opened(srsm.PairView(make_analysis(n=1)))
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    assert "unrelated tokens" not in words.lower()
    assert "100 % of partners stand at the same position" in words


def test_tall_pictures_leave_room_on_the_page(opened):
    images = make_images(4, size=(30, 240))
    view = opened(srsm.PairView(make_analysis(images=images), layer="a", pair=(0, 1), expected=2))
    panels = drawn(view, width=180.0).figure.axes[:3]
    heights = [axes.get_window_extent().height / axes.figure.dpi * 25.4 for axes in panels]
    assert max(heights) <= 70.5


@pytest.mark.parametrize("width", [85.0, 180.0])
def test_a_third_picture_that_is_tall_fits_the_page_with_the_outlines_of_partners(opened, tmp_path, width):
    rng = np.random.default_rng(0)
    sides = [(64, 64), (64, 64), (400, 30)]
    pictures = [Image.fromarray(rng.integers(0, 255, (*side, 3), dtype=np.uint8)) for side in sides]
    analysis = make_analysis(images=srsm.load_images(pictures))
    view = opened(srsm.PairView(analysis, layer="a", pair=(0, 1), expected=2, top_k=8))
    view.save_figure(tmp_path / "why.png", width_mm=width)
    with Image.open(tmp_path / "why.png") as page:
        assert page.height / 400 * 25.4 < 240  # of a page of 297 mm, with its margins and a caption
    query, hit, expected = (len(axes.patches) for axes in _by_letter(drawn(view, width=width).figure.axes[:3]))
    assert query == 2 * 8  # each outline is dark under its colour
    assert hit + expected == query  # and its partner is outlined where it speaks for


def _by_letter(panels):
    """Return the panels of A, B and C, which stand as B, A, C."""
    return panels[1], panels[0], panels[2]
