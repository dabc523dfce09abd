"""RSMView of more images than a page could hold: what it sends of an overview, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets
from helpers.analyses import make_images, make_layers
from helpers.views import ask, opened_page, settled

import semrsm_widgets as srsm
from semrsm_widgets.rsm import tiles
from semrsm_widgets.storage import pyramid
from semrsm_widgets.views.rsm import large

COUNT = 40


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)
    monkeypatch.setattr(pyramid, "TOP_CELLS", 4)
    for name, value in {"LARGEST_FRAME": 30, "FIRST_CELLS": 20, "_SAMPLED_SIDE": 8, "_SAMPLED_SQUARES": 15}.items():
        monkeypatch.setattr(large, name, value)


@pytest.fixture
def analysis(tmp_path):
    images, tokens = make_images(COUNT, labels=4), make_layers(COUNT, "ab", (2, 2))
    return srsm.Analysis(
        images, tokens, matcher=srsm.Exact(), store=tmp_path / "run.zarr", memory=24 * 30 * 30
    )  # less than all pairs


@pytest.fixture
def view(analysis, opened):
    return settled(opened(srsm.RSMView(analysis, layer="a")))


def numbers(content, arrays, name):
    row = next(each for each in content["matrices"] if each["name"] == name)
    shape = tuple(-(-(last - first) // content["side"]) for first, last in (content["rows"], content["columns"]))
    return (row["low"] + arrays[name].astype(float) * (row["high"] - row["low"]) / 65534).reshape(shape)


def test_a_page_gets_what_is_known_of_all_pairs_and_the_whole_from_afar(view, analysis):
    sent = opened_page(view)
    assert set(sent.kinds) == {"large", "window"}
    content, arrays = sent.newest("large")
    plain = srsm.Analysis(analysis.images, analysis.tokens, matcher=srsm.Exact())
    known = plain.similarities("a")
    off = ~np.eye(COUNT, dtype=bool)
    both = np.concatenate([known.semantic[off], known.aligned[off]])
    assert content["range"][0] == pytest.approx(min(0, both.min()), abs=0.005)
    assert content["range"][1] == pytest.approx(both.max(), abs=0.005)
    assert content["null"]["mean"] == pytest.approx(known.null.mean)
    assert content["reach"] == pytest.approx(
        np.quantile(np.abs((known.semantic - known.aligned)[off]), 0.999), abs=0.01
    )
    for name in ("baseline", "semantic", "difference"):
        assert arrays[f"{name} spread"].sum() == pytest.approx(1, abs=1e-5)
    content, arrays = sent.newest("window")
    assert (content["side"], content["rows"], content["columns"]) == (2, [0, COUNT], [0, COUNT])
    assert sorted(arrays) == ["baseline mean", "semantic mean"]  # the largest are sent to those who look at them
    ask(view, kind="window", row=8, column=3, side=12, cells=12, statistics=["mean", "largest"])
    content, arrays = sent.newest("window")
    assert (content["side"], content["rows"], content["columns"]) == (1, [8, 20], [3, 15])
    assert np.allclose(numbers(content, arrays, "semantic mean"), known.semantic[8:20, 3:15], atol=1e-4)
    assert sorted(arrays) == ["baseline mean", "semantic mean"]  # a pair's one value is sent once


@pytest.mark.parametrize("kernel", ["cosine", "inner product"])
@pytest.mark.parametrize("baseline", ["aligned", "pooled"])
def test_a_window_has_the_means_and_the_largest_of_what_is_in_sight(kernel, baseline, view, analysis):
    view.kernel, view.baseline = kernel, baseline
    settled(view)
    sent = opened_page(view)
    ask(view, kind="window", row=4, column=10, side=20, cells=10, statistics=["mean", "largest"])
    content, arrays = sent.newest("window")
    assert (content["rows"], content["columns"], content["side"]) == ([4, 24], [10, 30], 2)
    assert (content["layer"], content["kernel"], content["baseline"]) == ("a", kernel, baseline)
    plain = srsm.Analysis(analysis.images, analysis.tokens, matcher=srsm.Exact())
    function = srsm.cosine if kernel == "cosine" else srsm.inner_product
    known = plain.similarities("a", function)
    scale = np.abs(known.semantic).max()
    for name, matrix in (("semantic", known.semantic), ("baseline", getattr(known, baseline))):
        values = matrix.copy()
        np.fill_diagonal(values, np.nan)
        squares = values[4:24, 10:30].reshape(10, 2, 10, 2)
        for statistic, reduce in (("mean", np.nanmean), ("largest", np.nanmax)):
            assert np.allclose(
                numbers(content, arrays, f"{name} {statistic}"), reduce(squares, (1, 3)), atol=1e-3 * scale
            )


def test_largest_values_are_sent_when_they_are_asked_for_or_shown(view):
    sent = opened_page(view)
    content, _ = sent.newest("window")
    ask(view, kind="window", **content["asked"], statistics=["largest"])
    more, arrays = sent.newest("window")
    assert sorted(arrays) == ["baseline largest", "semantic largest"]
    assert [more[name] for name in ("rows", "columns", "side")] == [
        content[name] for name in ("rows", "columns", "side")
    ]
    view.statistic = "largest"
    assert len(opened_page(view).newest("window")[1]) == 4
    ask(view, kind="window", **content["asked"], statistics=["median"])
    assert "`statistics` must be one of 'mean', 'largest'" in str(view.last_error)


def test_a_hover_is_answered_from_the_tiles(view, analysis):
    sent = opened_page(view)
    ask(view, kind="value", i=3, j=21)
    content, _ = sent.newest("value")
    plain = srsm.Analysis(analysis.images, analysis.tokens, matcher=srsm.Exact()).similarities("a")
    for name in ("aligned", "semantic", "pooled", "upper"):
        assert content["values"][name] == pytest.approx(getattr(plain, name)[3, 21], abs=1e-4)


def test_what_needs_all_pairs_is_refused_and_a_part_is_not(view, analysis):
    with pytest.raises(
        traitlets.TraitError, match=r"`order` must be \"file\", in an overview; got \"label\". The cells"
    ):
        view.order = "label"
    with pytest.raises(traitlets.TraitError, match='`selected` must be "marked", in an overview; got "only"'):
        view.selected = "only"
    with pytest.raises(traitlets.TraitError, match="`statistic` must be one of 'mean', 'largest'"):
        view.statistic = "median"
    with pytest.raises(ValueError, match="`view` must be one of at most 30 images; got an overview of 40"):
        view.save_figure("never.pdf")
    view.kernel = "RBF"
    assert view.wait(60)
    part = analysis.select(range(5, 25))
    assert settled(srsm.RSMView(part)).picture() is not None


def test_its_picture_says_what_a_cell_is(view, monkeypatch):
    titles = []
    monkeypatch.setattr(large, "heatmap_still", lambda panels, title: titles.append((panels, title)))
    monkeypatch.setattr(large, "_STILL_CELLS", 12)
    view.statistic = "largest"
    view.picture()
    ((panels, title),) = titles
    assert "overview: each cell the largest of 4 x 4 pairs" in title
    assert [colours.shape for colours, _ in panels.values()] == [(10, 10)] * 3


def test_a_second_session_matches_nothing_and_reads_no_tile_for_the_whole(view, analysis, opened, monkeypatch):
    monkeypatch.setattr(tiles, "match_job", lambda *_: pytest.fail("matched again"))
    read = []
    from semrsm_widgets.storage import GramStore

    plain = GramStore.tile
    monkeypatch.setattr(GramStore, "tile", lambda self, *tile: read.append(tile) or plain(self, *tile))
    again = srsm.Analysis(analysis.images, analysis.tokens, matcher=srsm.Exact(), store=analysis.store)
    assert again.has("a")
    assert again.overview("a").window(slice(0, COUNT), slice(0, COUNT), 20).side == 2
    assert read == []
