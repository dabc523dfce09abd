"""RSMView as a figure for a paper: its colours are the core's numbers, its caption says where they come from."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from helpers.analyses import make_analysis
from helpers.views import drawn, texts_of
from matplotlib import colormaps

import semrsm_widgets as srsm
from semrsm_widgets.figures.palettes import colour_range
from semrsm_widgets.figures.sheet import Sheet, paper_style
from semrsm_widgets.rsm.kernels import UndefinedKernelError
from semrsm_widgets.views.rsm.frames import label_order
from semrsm_widgets.views.rsm.paper import draw_rsms

N = 6


def test_heatmaps_are_painted_with_the_core_s_numbers(opened):
    analysis = make_analysis(N)
    sheet = drawn(opened(srsm.RSMView(analysis, layer="b")))
    heatmaps = [axes.images[0].get_array() for axes in sheet.figure.axes[:3]]
    similarities = analysis.similarities("b")
    low, high = colour_range(similarities.aligned, similarities.semantic)
    difference = similarities.semantic - similarities.aligned
    widest = np.abs(difference[~np.eye(N, dtype=bool)]).max()
    for pixels, matrix, colours, (first, last) in zip(
        heatmaps,
        (similarities.aligned, similarities.semantic, difference),
        ("viridis", "viridis", "PuOr"),
        ((low, high), (low, high), (-widest, widest)),
        strict=True,
    ):
        cell = len(pixels) // N
        centres = pixels[cell // 2 :: cell, cell // 2 :: cell]
        expected = np.rint(255 * colormaps[colours]((matrix - first) / (last - first))[..., :3])
        off = ~np.eye(N, dtype=bool)
        np.testing.assert_array_equal(centres[off], expected[off])
        assert (centres[~off] == round(255 * 0.82)).all()


def test_a_figure_shows_what_is_on_screen(opened, tmp_path):
    """Another baseline, the excess over unrelated tokens, rows by label, a locked range of colours."""
    analysis = make_analysis(N)
    analysis.images = srsm.load_images(analysis.images, labels=list("bababa"))
    view = opened(
        srsm.RSMView(analysis, layer="b", baseline="pooled", excess=True, order="label", colour_range=(-2.0, 2.0))
    )
    sheet = drawn(view)
    similarities, rows = analysis.similarities("b"), label_order(analysis.images)
    assert rows == [1, 3, 5, 0, 2, 4]
    pooled = similarities.pooled[np.ix_(rows, rows)]
    semantic = similarities.semantic[np.ix_(rows, rows)] - similarities.null.mean
    widest = np.abs((semantic - pooled)[~np.eye(N, dtype=bool)]).max()
    for axes, matrix, colours, (low, high) in zip(
        sheet.figure.axes[:3],
        (pooled, semantic, semantic - pooled),
        ("viridis", "viridis", "PuOr"),
        ((-2.0, 2.0), (-2.0, 2.0), (-widest, widest)),
        strict=True,
    ):
        pixels = axes.images[0].get_array()
        cell = len(pixels) // N
        expected = np.rint(255 * colormaps[colours]((matrix - low) / (high - low))[..., :3])
        off = ~np.eye(N, dtype=bool)
        np.testing.assert_array_equal(pixels[cell // 2 :: cell, cell // 2 :: cell][off], expected[off])
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    for part in ("pooled", "mean token", "excess", "semantic − pooled", "is subtracted from semantic"):
        assert part in words, part


def test_rows_follow_the_order_that_is_given():
    analysis = make_analysis(N)
    similarities = analysis.similarities("b")
    order = [3, 1, 5, 0, 4, 2]
    with paper_style():
        sheet = Sheet(85)
        draw_rsms(sheet, analysis, similarities, kernel="cosine", limits=(0.0, 1.0), pair=(3, 1), order=order)
    pixels = sheet.figure.axes[1].images[0].get_array()
    cell = len(pixels) // N
    expected = np.rint(255 * np.array(colormaps["viridis"](similarities.semantic[3, 1])[:3]))
    np.testing.assert_array_equal(pixels[cell // 2, cell + cell // 2], expected)
    frame = sheet.figure.axes[1].patches[0].get_xy()
    side = sheet.figure.axes[1].get_xlim()[1] / N
    assert frame[:, 0].min() == pytest.approx(side)  # the pair is the cell in row 0, column 1
    assert frame[:, 1].min() == pytest.approx(0)


def test_the_caption_says_where_the_numbers_come_from(opened, tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8))
    transform = lambda picture: torch.from_numpy(np.asarray(picture.resize((32, 32)), np.float32)).permute(2, 0, 1)  # noqa: E731
    model = srsm.VisionModel(module, transform, name="tiny", provenance={"weights": "random"})
    images = srsm.load_images([np.full((40, 50, 3), 20 * k, np.uint8) for k in range(4)])
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
    view = opened(srsm.RSMView(analysis, kernel="RBF"))
    words = texts_of(view.save_figure(tmp_path / "f.svg", width_mm=180)).replace("\N{NO-BREAK SPACE}", " ")
    for part in (
        "tiny",
        "RANDOM WEIGHTS, not trained",
        model.provenance["weights_sha256"][:12],
        "Layer 0: 4×4 patches, 8 channels",
        "Kernel RBF (σ = ",
        "Auction(gap=0.0001)",
        "Every semantic entry",
        "(channels permuted, n = 96)",
        "4 images",
        f"semrsm_widgets {srsm.__version__}",
    ):
        assert part in words, part
    assert drawn(view).caption in (tmp_path / "f.svg").read_text(encoding="utf-8")


def test_a_loaded_analysis_keeps_its_provenance_in_its_figures(opened, tmp_path):
    analysis = make_analysis(N)
    analysis.provenance = {"name": "a model", "weights": "w.pt", "weights_sha256": "0123456789abcdef"}
    analysis.save(tmp_path / "a.npz", tokens=True)
    view = opened(srsm.RSMView(srsm.Analysis.load(tmp_path / "a.npz")))
    assert "a model, weights w.pt, SHA-256 0123456789ab…; 6 images" in drawn(view).caption


def test_labels_name_their_rows_where_there_is_room(opened, tmp_path):
    labels = [f"kind {2 * k // N}" for k in range(N)]
    named = opened(srsm.RSMView(make_analysis(N, labels=labels))).save_figure(tmp_path / "named.svg")
    assert "kind 0" in texts_of(named)
    assert "kind 1" in texts_of(named)
    plain = opened(srsm.RSMView(make_analysis(N, labels=None))).save_figure(tmp_path / "plain.svg")
    assert re.search(r"\b1 6 image\b", texts_of(plain))


def test_images_that_are_all_alike_have_a_figure_under_cosine_and_a_reason_under_rbf(opened, tmp_path):
    analysis = make_analysis(layers=("a",))
    analysis.tokens["a"].values[:] = analysis.tokens["a"].values[0].clone()
    view = opened(srsm.RSMView(analysis))
    view.save_figure(tmp_path / "f.svg")
    view.kernel = "RBF"
    with pytest.raises(UndefinedKernelError, match="median distance of 0"):
        view.save_figure(tmp_path / "g.svg")
    assert not (tmp_path / "g.svg").exists()
