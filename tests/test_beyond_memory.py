"""Experiments and look-ups on an Analysis whose Grams are larger than its memory: what they say where these fit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from helpers.analyses import make_images, make_layers

import semrsm_widgets as srsm
from semrsm_widgets.retrieval import Lookup, Query
from semrsm_widgets.rsm import StreamedRSM, tiles

N = 20
KERNELS = (srsm.cosine, srsm.inner_product, srsm.rbf)


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Return an analysis whose Grams are read some rows at a time, and one over the same store that reads all."""
    monkeypatch.setattr(tiles, "LARGEST_TILE", N // 2)
    images, layers = make_images(N, labels=3), make_layers(N, ("a", "b"), (2, 2), prefix=1)
    probabilities = np.random.default_rng(1).dirichlet(np.full(5, 0.4), N)
    small, whole = (
        srsm.Analysis(
            images,
            layers,
            matcher=srsm.Exact(),
            store=tmp_path / "run.zarr",
            probabilities=probabilities,
            memory=memory,
        )
        for memory in (24 * N * N - 1, 2**30)
    )
    assert (small.is_beyond_memory, whole.is_beyond_memory) == (True, False)
    return small, whole


def assert_alike(found, expected):
    assert len(found.rows) == len(expected.rows)
    for one, other in zip(found.rows, expected.rows, strict=True):
        for name in ("layer", "kernel", "similarity", "measure", "n", "reason"):
            assert getattr(one, name) == getattr(other, name)
        for name in ("value", "low", "high", "chance"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9, nan_ok=True)


def test_retrieval_is_scored_by_rows(both):
    found, expected = (srsm.retrieval_scores(each, k=3, layers="a", kernels=KERNELS, centred=True) for each in both)
    assert {row.similarity for row in found.rows} > {"aligned centred", "class token", "pooled"}
    assert_alike(found, expected)
    mine = np.random.default_rng(2).normal(size=(N, N))
    found, expected = (srsm.retrieval_scores(each, k=3, layers="a", own={"mine": mine}) for each in both)
    assert found.rows[-1].similarity == "mine"
    assert_alike(found, expected)


def test_queries_are_scored_by_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 4)
    images, layers = make_images(N, labels=3), make_layers(N, ("a",), (2, 2), prefix=1)
    queries, asked = make_images(9, labels=3), make_layers(9, ("a",), (2, 2), prefix=1)
    small, whole = (
        srsm.Analysis(images, layers, matcher=srsm.Exact(), queries=queries, query_tokens=asked,
                      store=tmp_path / "run.zarr", memory=memory)
        for memory in (24 * N * 9 - 1, 2**30)
    )  # fmt: skip
    assert (small.queries_are_beyond_memory, whole.queries_are_beyond_memory) == (True, False)
    blocks = []
    plain = StreamedRSM.blocks
    monkeypatch.setattr(StreamedRSM, "blocks", lambda self: blocks.append(self) or plain(self))
    found, expected = (
        srsm.retrieval_scores(each, k=3, kernels=[srsm.cosine, srsm.inner_product]) for each in (small, whole)
    )
    assert {each.shape for each in blocks} == {(9, N)}
    assert_alike(found, expected)


def test_agreement_with_the_output_is_found_by_rows(both):
    some = {"layers": "a", "kernels": [srsm.cosine]}
    found, expected = (srsm.output_agreement(each, **some, centred=True) for each in both)
    assert_alike(found, expected)


@pytest.mark.parametrize("statistic", [srsm.cka, srsm.rsa, partial(srsm.rsa, method="pearson")])
def test_layers_are_compared_by_rows(both, statistic):
    some = {"similarities": ["semantic", "pooled"], "layers_a": "a", "layers_b": "b", "permutations": 19}
    found, expected = (srsm.compare(each, statistic=statistic, **some) for each in both)
    for one, other in zip(found.rows, expected.rows, strict=True):
        assert (one.layer_a, one.layer_b, one.similarity) == (other.layer_a, other.layer_b, other.similarity)
        for name in ("value", "low", "high", "p_value"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)
        assert np.isnan(one.smallest_eigenvalue_a)
        assert not np.isnan(other.smallest_eigenvalue_a)


@pytest.mark.parametrize("kernel", KERNELS)
def test_answers_to_a_query_are_ranked_from_its_own_row(both, kernel, monkeypatch):
    lookups = [Lookup(each) for each in both]
    for each in both:
        each.gram("a")
    blocks = []
    plain = StreamedRSM.blocks
    monkeypatch.setattr(StreamedRSM, "blocks", lambda self: blocks.append(self) or plain(self))
    for name in lookups[0].names("a"):
        query = Query(key=5, index=5)
        found, expected = (each.rank(name, "a", query, each.kernel("a", query, kernel)[0]) for each in lookups)
        assert found.reason == ""
        np.testing.assert_array_equal(found.order, expected.order)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    assert not blocks


def test_what_cannot_be_read_by_rows_says_so(both):
    with pytest.raises(ValueError, match="`kernel` must be cosine, inner_product, rbf"):
        srsm.retrieval_scores(both[0], kernels=[lambda gram: gram.products])
    with pytest.raises(ValueError, match=r"`method` must be \"pearson\" or \"spearman\""):
        srsm.compare(both[0], statistic=partial(srsm.rsa, method="kendall"))
