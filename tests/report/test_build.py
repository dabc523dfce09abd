"""What is put into a report: the views, their states, which pairs."""

from __future__ import annotations

import json

import pytest
from helpers.analyses import make_analysis
from helpers.pages import Elements, unpacked_pack
from helpers.views import settled, state

import semrsm_widgets as srsm
from semrsm_widgets.report import report
from semrsm_widgets.report.near_pairs import near_pairs
from semrsm_widgets.views.base.traits import KERNELS


def test_the_views_are_there_with_every_layer_and_kernel(page, analysis):
    data = json.loads(page.data("srsm-page"))
    names = [part["module"] for part in data["parts"]]
    assert names == ["RSMView", "PairView", "RetrievalView"]
    assert len({str(part["traits"]["pair"]) for part in data["parts"]}) == 1
    assert not [name for part in data["parts"] for name in part["traits"] if name.startswith(("_esm", "_css", "_view"))]
    states = {}
    for part in data["parts"]:
        found = states[part["module"]] = set()
        for pack_ in part["packs"]:
            head, _ = unpacked_pack(page.data(pack_["id"]))
            scopes = [message["scope"] for message in head["messages"]]
            assert {scope.get("layer") for scope in scopes} == {pack_["layer"]}
            found |= {tuple(str(scope[key]) for key in part["keys"]) for scope in scopes if len(scope) == 2}
    layers = analysis.layers
    assert states["RSMView"] == {(layer, kernel) for layer in layers for kernel in KERNELS}
    assert states["PairView"] == {(layer, str(held)) for layer in layers for held in data["pairs"]["held"]}
    assert states["RetrievalView"] == {(layer, str(query)) for layer in layers for query in range(len(analysis))}


def test_the_pairs_are_the_nearest_ones():
    analysis = make_analysis(n=16)
    page = Elements(report.static(analysis, neighbours=1).html)
    held = json.loads(page.data("srsm-page"))["pairs"]["held"]
    assert {tuple(pair) for pair in held} == set(near_pairs(analysis, 1).pairs)
    assert f"Patches: {len(held)} of 120 pairs: each image’s nearest at every layer" in " ".join(page.text)


def test_fewer_pairs_where_there_is_no_room(monkeypatch):
    monkeypatch.setattr("semrsm_widgets.report.build._LEAST_PAIR_BYTES", 12_000)
    analysis = make_analysis(n=16, grid=(8, 8))
    text = report.static(analysis, neighbours=10, max_megabytes=0.1).html
    page = Elements(text)
    held = json.loads(page.data("srsm-page"))["pairs"]["held"]
    near = near_pairs(analysis, 10)
    assert 0 < len(held) < len(near.pairs)
    assert {tuple(pair) for pair in held} == {tuple(held[0]), *near.pairs[: len(held) - 1]}
    words = " ".join(page.text)
    assert f"Patches: {len(held)} of 120 pairs" in words
    assert "More would not fit: max_megabytes" in words


@pytest.mark.parametrize(
    ("pairs", "count", "words"), [("current", 1, "1 of 120 pairs: the one"), ("all", 120, "all 120 pairs")]
)
def test_the_pair_that_is_shown_alone_or_all_pairs(pairs, count, words):
    analysis = make_analysis(n=16)
    page = Elements(report.static(analysis, pairs=pairs, pair=(7, 2)).html)
    held = json.loads(page.data("srsm-page"))["pairs"]["held"]
    assert len(held) == count
    assert held[0] == [2, 7]
    assert f"Patches: {words}" in " ".join(page.text)


def test_all_pairs_stay_within_a_limit_that_is_given(monkeypatch):
    monkeypatch.setattr("semrsm_widgets.report.build._LEAST_PAIR_BYTES", 12_000)
    analysis = make_analysis(n=16, grid=(8, 8))
    page = Elements(report.static(analysis, pairs="all", max_megabytes=0.1).html)
    assert 0 < len(json.loads(page.data("srsm-page"))["pairs"]["held"]) < 120


def test_large_grids_are_pooled_for_the_patches_alone():
    analysis = make_analysis(n=4, grid=(6, 6))
    page = Elements(report.static(analysis, max_grid=3).html)
    rsm, pair, _ = json.loads(page.data("srsm-page"))["parts"]
    assert [row["grid"] for row in pair["traits"]["_layers"]] == [[3, 3], [3, 3]]
    assert [row["native"] for row in pair["traits"]["_layers"]] == [[6, 6], [6, 6]]
    assert [row["grid"] for row in rsm["traits"]["_layers"]] == [[6, 6], [6, 6]]
    assert "Patches at a and b are pooled from 6×6 to 3×3" in " ".join(page.text)


def test_without_tokens_there_are_no_patches(tmp_path):
    make_analysis(n=4).save(tmp_path / "saved.npz")
    page = Elements(report.static(srsm.Analysis.load(tmp_path / "saved.npz")).html)
    assert [part["module"] for part in json.loads(page.data("srsm-page"))["parts"]] == ["RSMView", "RetrievalView"]
    assert "No patches: this Analysis was saved without its tokens" in " ".join(page.text)


def test_orders_of_the_images_are_recorded(page, analysis):
    rsm = json.loads(page.data("srsm-page"))["parts"][0]
    (effect,) = rsm["effects"]
    assert effect["given"] == ["order", "layer", "kernel"]
    assert effect["gives"] == ["_sequence", "_sequence_note"]
    view = srsm.RSMView(analysis, layer="b", order="cluster")
    settled(view)
    assert effect["values"]['["cluster","b","cosine"]'] == [state(view)["_sequence"], "clusters of b"]
    view.close()
    assert effect["values"]['["label","a","RBF"]'] == [[0, 2, 4, 6, 1, 3, 5, 7], ""]
    assert effect["values"]['["file","a","RBF"]'] == [[], ""]
    assert len(effect["values"]) == 3 * 2 * 3
