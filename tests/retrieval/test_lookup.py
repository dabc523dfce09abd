"""One query among the images: its rankings against whole RSMs and exact search, its labels against hand counts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from helpers.analyses import CHANNELS, GRID, make_analysis, make_tokens

import semrsm_widgets as srsm
from semrsm_widgets.retrieval.lookup import Lookup
from semrsm_widgets.retrieval.query import Query
from semrsm_widgets.rsm import tiles
from semrsm_widgets.storage import GramStore

N = 9

KERNELS = [srsm.cosine, srsm.inner_product, srsm.rbf]


def nine(n=N, **options):
    """Return an analysis of nine images of three kinds, with class tokens."""
    return make_analysis(n, **{"labels": 3, "prefix": 2, **options})


def of_image(index, box=None):
    return Query(key=index, index=index, box=box)


def from_outside(tokens, labels=(), box=None):
    return Query(key="outside", index=None, tokens={"a": tokens}, labels=frozenset(labels), box=box)


def ranked(lookup, name, query, kernel=srsm.cosine):
    lookup.match("a", query)
    return lookup.rank(name, "a", query, lookup.kernel("a", query, kernel)[0])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["aligned", "semantic", "pooled", "class token"])
def test_a_row_is_that_of_the_rsm_whether_the_rsm_is_there_or_not(kernel, name):
    whole = nine()
    similarities = whole.similarities("a", kernel)
    expected = (kernel(whole.class_token_gram("a")) if name == "class token" else getattr(similarities, name))[2]
    for analysis in (whole, nine()):
        lookup = Lookup(analysis)
        assert lookup.has("a", of_image(2)) == (analysis is whole)
        row = ranked(lookup, name, of_image(2), kernel)
        others = np.arange(N) != 2
        if kernel is not srsm.rbf or analysis is whole or name == "class token":
            np.testing.assert_allclose(row.values[others], expected[others], rtol=1e-6, atol=1e-9)
        assert np.isnan(row.values[2])
        # σ changes no order, so the whole RSM's is that of the row by itself
        full = expected.copy()
        full[2] = -np.inf
        assert row.order.tolist() == np.argsort(-full, kind="stable")[: N - 1].tolist()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_row_of_a_gram_in_a_store_is_read_and_no_more(kernel, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 2)
    plain = nine()
    kept = srsm.Analysis(plain.images, plain.tokens, store=tmp_path / "run.zarr", memory=24 * 2 * N)  # two rows
    for analysis in (kept, plain):
        for matcher in (None, srsm.Identity()):
            analysis.gram("a", matcher=matcher)
    here, there = Lookup(plain), Lookup(kept)
    read, tile = [], GramStore.tile
    monkeypatch.setattr(GramStore, "tile", lambda *given: read.append(given[1:]) or tile(*given))
    for name in ("aligned", "semantic", "pooled", "class token"):
        if kernel is srsm.rbf and name == "class token":
            continue  # its width is that of all class tokens, which two rows do not give
        found, expected = (ranked(lookup, name, of_image(2), kernel) for lookup in (there, here))
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-3, atol=1e-3)
        assert found.order.tolist() == expected.order.tolist()
    if kernel is not srsm.rbf:  # the row of tiles of this image, once under each matching
        assert len(read) == 2 * 5
        assert all(2 in (top, left) for top, left in read)


def test_one_query_needs_one_row_of_matchings():
    pairs = []

    def matcher(x, y):
        pairs.append(len(x))
        return srsm.Exact()(x, y)

    analysis = nine(matcher=matcher)
    lookup = Lookup(analysis)
    lookup.match("a", of_image(4))
    assert sum(pairs) == N
    for name in ("aligned", "semantic", "pooled"):
        lookup.rank(name, "a", of_image(4), srsm.cosine)
    assert sum(pairs) == N  # remembered
    assert lookup.has("a", of_image(4))
    assert not lookup.has("a", of_image(5))


def test_a_box_is_searched_with_its_patches_only():
    analysis = nine()
    lookup = Lookup(analysis)
    query = of_image(3, box=(0, 1, 2, 3))
    assert lookup.patches("a", query) == (4, 12)
    row = ranked(lookup, "semantic", query)
    part = analysis.tokens["a"].values[3][[1, 2, 5, 6]]
    database = analysis.tokens["a"].values
    expected = srsm.semantic_rsm(part[None], database, matcher=srsm.Exact())[0]
    others = np.arange(N) != 3
    np.testing.assert_allclose(row.values[others], expected[others], atol=1e-9)
    found = srsm.search(part, database, k=5, matcher=srsm.Exact(), candidates=np.flatnonzero(others))
    assert row.order[:5].tolist() == found.indices[0].tolist()
    pooled = ranked(lookup, "pooled", query).values
    means = database.double().mean(1).numpy()
    mean = part.double().mean(0).numpy()
    cosines = means @ mean / np.linalg.norm(means, axis=1) / np.linalg.norm(mean)
    np.testing.assert_allclose(pooled[others], cosines[others], atol=1e-6)


def test_what_is_not_defined_for_a_query_says_why():
    lookup = Lookup(nine(), {"mine": np.eye(N)})
    assert lookup.names("a") == ("aligned", "semantic", "pooled", "class token", "mine")
    box, outside = of_image(0, box=(0, 0, 1, 1)), from_outside(make_tokens(1, prefix=2, seed=1))
    for name, query, text in [
        ("aligned", box, "same position"),
        ("class token", box, "whole image"),
        ("mine", box, "whole images"),
        ("mine", outside, "from outside"),
    ]:
        row = ranked(lookup, name, query)
        assert text in row.reason
        assert len(row.order) == 0
    assert ranked(lookup, "aligned", outside).reason == ""


def test_a_picture_from_outside_is_ranked_against_all_images():
    analysis = nine()
    own = analysis.tokens["a"]
    copy = srsm.Tokens(
        values=own.values[5:6].flip(1), grid=GRID, layer="a", prefix=own.prefix[5:6], has_class_token=True
    )
    lookup = Lookup(analysis)
    query = from_outside(copy, labels={"kind 2"})
    semantic = ranked(lookup, "semantic", query)
    assert semantic.order[0] == 5  # its patches, in another order
    assert semantic.values[5] == pytest.approx(1)
    assert len(semantic.order) == N
    assert ranked(lookup, "class token", query).values[5] == pytest.approx(1)
    expected = srsm.aligned_rsm(copy.values, own.values)[0]
    np.testing.assert_allclose(ranked(lookup, "aligned", query).values, expected, atol=1e-9)
    assert lookup.answers(query).relevant == 3


def test_scores_are_those_of_retrieval():
    analysis = nine()
    lookup = Lookup(analysis, {"mine": analysis.rsm("a") * 2})
    labels = analysis.images.labels
    f1 = srsm.label_f1(labels)
    for query in range(N):
        for name, K in (("semantic", analysis.rsm("a")), ("mine", analysis.rsm("a"))):
            row = ranked(lookup, name, of_image(query))
            order = srsm.nearest(K)
            for k in (1, 3, N - 1):
                assert row.f1[k - 1] == pytest.approx(srsm.f1_at_k(order, f1, k)[query])
            relevant = (f1 > 0) & ~np.eye(N, dtype=bool)
            assert row.average_precision == pytest.approx(srsm.average_precision(order, relevant)[query])
    answers = lookup.answers(of_image(0))
    assert answers.relevant == 2
    assert answers.chance_f1 == pytest.approx(2 / 8)
    assert answers.chance_average_precision == pytest.approx(float(srsm.chance_average_precision(2, 8)))


def test_without_labels_there_are_no_scores():
    lookup = Lookup(nine(labels=None))
    row = ranked(lookup, "semantic", of_image(0))
    assert len(row.f1) == 0
    assert np.isnan(row.average_precision)
    assert lookup.answers(of_image(0)) is None
    labelled = Lookup(nine())
    assert labelled.answers(from_outside(make_tokens(1, prefix=2, seed=1))) is None


def test_an_unlabelled_query_among_labelled_images_has_no_scores():
    analysis = nine()
    images = srsm.load_images(analysis.images, labels=[None, *["cat", "dog"] * 4])
    lookup = Lookup(srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact()))
    assert lookup.answers(of_image(0)) is None
    assert lookup.answers(of_image(1)).relevant == 3
    assert lookup.answers(of_image(1)).unlabelled == 1
    assert len(ranked(lookup, "semantic", of_image(1)).f1) == N - 2  # nothing is known of what image 0 shows


def test_certainty_follows_the_certificate():
    exact = ranked(Lookup(nine()), "semantic", of_image(0))
    assert exact.certain.all()
    coarse = nine(matcher=srsm.Auction(gap=0.3))
    row = ranked(Lookup(coarse), "semantic", of_image(0))
    gram = srsm.matched_gram(
        coarse.tokens["a"].values[:1], coarse.tokens["a"].values[1:], matcher=srsm.Auction(gap=0.3)
    )
    upper = srsm.cosine(gram.at_upper_bound())[0]
    for k in range(1, N):
        rest = np.setdiff1d(np.arange(1, N), row.order[:k])
        expected = len(rest) == 0 or upper[rest - 1].max() <= row.values[row.order[k - 1]]
        assert row.certain[k - 1] == expected
    assert not row.certain[0]  # a gap of .3 proves little
    assert ranked(Lookup(nine(matcher=srsm.Greedy())), "semantic", of_image(0)).certain is None
    assert ranked(Lookup(nine()), "aligned", of_image(0)).certain is None


def test_the_null_of_a_box_is_that_of_as_few_tokens():
    analysis = nine()
    lookup = Lookup(analysis)
    whole = lookup.null("a", of_image(0), srsm.cosine)
    assert whole == analysis.null("a")
    calls = []
    box = of_image(0, box=(1, 1, 2, 3))
    assert not lookup.has_null("a", box)
    part = lookup.null("a", box, srsm.cosine, progress=lambda done, total: calls.append((done, total)))
    assert lookup.has_null("a", box)
    assert calls
    assert part.n == whole.n
    assert 0 < part.mean < whole.mean  # two of twelve patches carry less of the norm
    # by hand: the level of two tokens of one image among those of another whose channels are permuted
    rng = np.random.default_rng(5)
    values = analysis.tokens["a"].values
    levels = []
    for _ in range(400):
        i, j = rng.choice(N, 2, replace=False)
        other = values[j][:, torch.from_numpy(rng.permutation(CHANNELS))]
        levels.append(srsm.semantic_rsm(values[i][[5, 6]][None], other[None], matcher=srsm.Exact()).item())
    assert part.mean == pytest.approx(np.mean(levels), abs=4 * np.std(levels) / np.sqrt(96))


def test_the_rbf_says_whose_width_it_has():
    analysis = nine()
    lookup = Lookup(analysis)
    _, sigma, own = lookup.kernel("a", of_image(0), srsm.rbf)
    gram = srsm.matched_gram(analysis.tokens["a"].values[:1], analysis.tokens["a"].values[1:], matcher=srsm.Exact())
    assert own
    assert sigma == pytest.approx(srsm.rbf_sigma(gram))
    analysis.gram("a")
    kernel, sigma, own = lookup.kernel("a", of_image(0), srsm.rbf)
    assert not own
    assert sigma == pytest.approx(srsm.rbf_sigma(analysis.gram("a")))
    assert isinstance(kernel, partial)
    assert lookup.kernel("a", of_image(0, box=(0, 0, 1, 1)), srsm.rbf)[2]
    assert lookup.kernel("a", of_image(0), srsm.cosine) == (srsm.cosine, None, False)


def test_images_that_are_all_alike_have_no_rbf_but_a_cosine():
    analysis = nine()
    analysis.tokens["a"].values[:] = 1.0
    lookup = Lookup(analysis)
    with pytest.raises(ValueError, match="differ"):
        lookup.kernel("a", of_image(0), srsm.rbf)
    assert ranked(lookup, "semantic", of_image(0)).order.tolist() == list(range(1, N))


def test_a_set_of_one_image_retrieves_nothing():
    row = ranked(Lookup(nine(1)), "semantic", of_image(0))
    assert len(row.order) == 0


def test_a_box_without_a_grid_is_refused():
    with pytest.raises(ValueError, match="no known place"):
        Lookup(nine(grid=None)).match("a", of_image(0, box=(0, 0, 1, 1)))


def test_unlabelled_images_are_neither_right_nor_wrong():
    analysis = nine()
    names = [None if k in (3, 4, 7) else f"kind {k % 3}" for k in range(N)]
    lookup = Lookup(srsm.Analysis(srsm.load_images(analysis.images, names), analysis.tokens, matcher=srsm.Exact()))
    query, answers = of_image(0), lookup.answers(of_image(0))
    known = [k for k in range(1, N) if names[k]]
    right = {k for k in known if names[k] == names[0]}
    assert (answers.labelled, answers.unlabelled, answers.relevant) == (len(known), 3, len(right))
    assert np.isnan(answers.f1[[3, 4, 7]]).all()
    assert answers.chance_f1 == pytest.approx(len(right) / len(known))
    row = ranked(lookup, "semantic", query)
    assert len(row.order) == N - 1  # they are still shown
    seen = [k for k in row.order if k in known]
    assert row.f1.tolist() == pytest.approx([np.mean([k in right for k in seen[:n]]) for n in range(1, len(seen) + 1)])
    hits = [n for n, k in enumerate(seen, 1) if k in right]
    assert row.average_precision == pytest.approx(np.mean([m / n for m, n in enumerate(hits, 1)]))
    assert repr(answers) == "Answers(1 of 5 images are right; 3 without a label left out)"


def test_no_labelled_image_beside_the_query_is_no_score():
    analysis = nine()
    images = srsm.load_images(analysis.images, labels={"0": "cat"})
    lookup = Lookup(srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact()))
    assert len(ranked(lookup, "semantic", of_image(0)).f1) == 0
    answers = lookup.answers(of_image(0))
    assert (answers.labelled, answers.unlabelled, answers.relevant) == (0, N - 1, 0)
    assert np.isnan(answers.chance_f1)
