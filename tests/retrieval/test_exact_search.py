"""Search against the full ranking: the same images, most of them never solved to the end."""

from __future__ import annotations

import weakref
from functools import partial

import numpy as np
import pytest
import torch

import semrsm_widgets as srsm
from semrsm_widgets.common import Meter
from semrsm_widgets.retrieval.exact_search import search

S, D = 9, 12


def database(seed, n=40):
    """Return images of a few kinds, so that some are near and most are not."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(6, S, D))
    return np.stack([kinds[rng.integers(6)][rng.permutation(S)] + 0.7 * rng.normal(size=(S, D)) for _ in range(n)])


def full_ranking(query, x, k, kernel=srsm.cosine):
    K = kernel(srsm.matched_gram(query, x, matcher=srsm.Exact()))
    order = np.argsort(-K, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(K, order, 1)


@pytest.mark.parametrize("seed", range(50))
def test_search_is_the_full_ranking(seed):
    x = database(seed)
    queries = database(seed + 1000, 2) if seed % 2 else x[:2]
    found = search(queries, x, k=5)
    indices, values = full_ranking(queries, x, 5)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.values, values, atol=1e-6)
    assert found.certified.all()
    assert np.all(found.upper >= values - 1e-12)
    assert found.pairs == 80
    assert 10 <= found.refined <= 80


def test_a_stream_gives_the_same_and_holds_only_what_is_undecided():
    x = torch.from_numpy(database(1, 60))
    alive = []

    def blocks():
        for start in range(0, 60, 7):
            block = srsm.Tokens(values=x[start : start + 7].clone())
            alive.append(weakref.ref(block))
            yield block
            del block
            assert sum(ref() is not None for ref in alive[:-1]) <= 1

    whole, stream = search(x[3], x, k=4), search(x[3], blocks(), k=4)
    assert np.array_equal(whole.indices, stream.indices)
    assert np.allclose(whole.values, stream.values)
    assert stream.refined < 30


def test_a_region_is_a_query():
    x = database(2)
    region = x[5][[1, 2, 6]]
    found = search(region, x, k=3)
    indices, values = full_ranking(region[None], x, 3)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.values, values, atol=1e-6)
    moved = np.concatenate([np.random.default_rng(0).normal(size=(S - 3, D)) / 10, region])  # elsewhere in the image
    assert search(region, np.concatenate([x, moved[None]]), k=1).indices.item() == len(x)


@pytest.mark.parametrize("kernel", [srsm.inner_product, partial(srsm.rbf, sigma=4.0)], ids=["inner product", "rbf"])
def test_other_kernels_are_searched_exactly_too(kernel):
    x = database(3)
    assert np.array_equal(search(x[:3], x, k=5, kernel=kernel).indices, full_ranking(x[:3], x, 5, kernel)[0])


def test_only_candidates_are_looked_at():
    x = database(4)
    some = np.array([30, 2, 17, 9, 11])
    found = search(x[0], x, k=3, candidates=some)
    K = full_ranking(x[:1], x[some], 3)[0]
    assert np.array_equal(found.indices, some[K])
    assert found.pairs == 5
    blocks = (x[start : start + 8] for start in range(0, 40, 8))
    assert np.array_equal(search(x[0], blocks, k=3, candidates=some).indices, found.indices)
    each = np.array([[1, 2, 3], [4, 5, 6]])
    both = search(x[:2], x, k=2, candidates=each)
    for q in range(2):
        assert np.array_equal(both.indices[q], search(x[q], x, k=2, candidates=each[q]).indices[0])
    assert both.pairs == 6


def test_images_that_cannot_be_told_apart_are_not_certified():
    x = database(5)
    nearest = full_ranking(x[3:4], x[4:], 1)[0].item()
    twins = np.concatenate([x[4:], x[4 + nearest][None]])  # the last is the nearest again
    rough = srsm.Auction(gap=0.02)
    assert not search(x[3], twins, k=1, matcher=rough, coarse=rough).certified[0]
    assert search(x[3], twins, k=1, matcher=srsm.Exact(), coarse=rough).certified[0]  # a tie is no mistake
    uncertified = search(x[3], twins, k=1, matcher=srsm.Greedy(), coarse=srsm.Greedy())
    assert not uncertified.certified[0]
    assert np.isinf(uncertified.upper[0, 0])
    assert uncertified.refined == len(twins)


def test_all_images_can_be_asked_for():
    x = database(6, 7)
    found = search(x[0], x, k=7)
    assert sorted(found.indices[0].tolist()) == list(range(7))
    assert found.refined == 7


def test_on_the_demo_fewer_than_half_of_the_pairs_are_refined():
    images = srsm.demo_images(crops=4)
    tokens = srsm.extract(srsm.load_model(), images, layers=["blocks.4", "blocks.6"])
    for layer, x in tokens.items():
        queries = x.values[::4]
        found = search(queries, x, k=6)  # the query itself and its 5 nearest
        gram = srsm.matched_gram(queries, x, matcher=srsm.Exact())
        order = np.argsort(-srsm.cosine(gram), axis=1, kind="stable")[:, :6]
        assert np.array_equal(found.indices, order), layer
        assert found.refined < found.pairs / 2
        assert found.certified.all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: search(x[0], x, k=99), "at most 40, the images to choose from"),
        (lambda x: search(x[0], x, k=3, candidates=[1, 2]), "at most 2"),
        (lambda x: search(x[0], x, k=1, candidates=[1, 99]), "positions below 40"),
        (lambda x: search(x[0], x, k=1, candidates=[1, 1]), "each once"),
        (lambda x: search(x[0], x, k=1, candidates=[0.5]), "integer positions"),
        (lambda x: search(x[0], x, k=1, candidates=[-1]), "positions from 0"),
        (lambda x: search(x[:2], iter([x]), k=1, candidates=[[1], [2]]), "database that streams"),
        (lambda x: search(x[0, 0], x, k=1), r"\(S, D\) or \(Q, S, D\)"),
        (lambda x: search(x[0] * np.nan, x, k=1), "finite"),
        (lambda x: search(x[0], x, k=1, kernel=srsm.rbf), "sigma="),
        (lambda x: search(x[0][:, :3], x, k=1), "the D of x"),
    ],
)
def test_bad_searches_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call(database(0))


def test_a_database_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="iterable of such blocks"):
        search(np.zeros((2, 2)), 3, k=1)


def test_what_holds_no_tokens_is_named():
    x = database(0, 6)
    for query in ("a", 3, x[0][0], np.ma.masked_array(x[0], x[0] > 1), x[0].astype(int)):
        with pytest.raises((TypeError, ValueError), match="`query` must be"):
            search(query, x, k=1)
    for blocks in ("a", [x, "a"], [x, 3]):
        with pytest.raises((TypeError, ValueError), match="`database` must be"):
            search(x[0], blocks, k=1)
    sparse = torch.from_numpy(x).to_sparse()
    assert search(sparse[2].to_dense().to_sparse(), sparse, k=1).indices == [[2]]


def test_a_database_in_memory_is_one_step_of_its_size():
    rng = np.random.default_rng(0)
    query, database = rng.normal(size=(4, 8)).astype(np.float32), rng.normal(size=(30, 4, 8)).astype(np.float32)
    known, looked = srsm.Auction(), []

    def matcher(x, y):
        looked.append(outer.fraction)
        return known(x, y)

    with Meter("Outer", False) as outer:
        outer(0, 1)
        search(query, database, 3, matcher=matcher)
    assert looked[0] >= 0.5  # all but what is left undecided: not one image of thirty
