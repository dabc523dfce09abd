"""An Analysis that keeps its Grams in a store: what one in memory says, gone on with, and within a budget of memory."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import make_images, make_layers

import semrsm_widgets as srsm
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import kernels, tiles

N = 20


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)


@pytest.fixture
def given():
    return make_images(N, labels=3), make_layers(N, ("a", "a/b: c"), (2, 2), prefix=1)


def stored(given, tmp_path, **options):
    return srsm.Analysis(*given, matcher=srsm.Exact(), store=tmp_path / "run.zarr", **options)


def test_it_says_what_one_in_memory_says(given, tmp_path):
    kept, plain = stored(given, tmp_path), srsm.Analysis(*given, matcher=srsm.Exact())
    assert (kept.is_stored, plain.is_stored) == (True, False)
    for layer in kept.layers:
        for kernel in (srsm.cosine, srsm.rbf):
            found, expected = kept.similarities(layer, kernel), plain.similarities(layer, kernel)
            for name in ("aligned", "semantic", "pooled", "upper"):
                assert np.allclose(getattr(found, name), getattr(expected, name), atol=1e-4)
            assert found.null == expected.null
        assert np.allclose(kept.class_token_gram(layer).products, plain.class_token_gram(layer).products)
    assert kept.matches("a", 1, 5).aligned == pytest.approx(plain.matches("a", 1, 5).aligned)


def test_a_later_one_finds_what_is_there_and_goes_on_where_one_was_stopped(given, tmp_path, monkeypatch):
    def stop(done, _total):
        if done > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(given, tmp_path).gram("a", progress=stop)
    matched, plain = [], tiles.match_job
    monkeypatch.setattr(tiles, "match_job", lambda matcher, job: matched.append(job.pairs) or plain(matcher, job))
    again = stored(given, tmp_path)
    assert not again.has("a")
    again.gram("a")
    assert 0 < len(matched) < 6
    third = stored(given, tmp_path)
    assert third.has("a")
    assert not third.has("a", matcher=Identity())
    del matched[:]
    assert np.array_equal(third.rsm("a"), again.rsm("a"))
    assert matched == []


def test_a_store_of_other_tokens_and_what_is_no_place_for_grams_are_refused(given, tmp_path):
    stored(given, tmp_path).gram("a")
    images, _ = given
    others = srsm.Analysis(
        images, make_layers(N, ("a",), (2, 2), seed=7), matcher=srsm.Exact(), store=tmp_path / "run.zarr"
    )
    with pytest.raises(ValueError, match="one of the same tokens and matcher"):
        others.gram("a")
    srsm.matched_gram(given[1]["a"], store=tmp_path / "rsm.zarr")
    with pytest.raises(
        ValueError, match=r"`store` must be one to keep several Grams in; got 'rsm.zarr', one of a matched"
    ):
        srsm.Analysis(*given, store=tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match="`memory` must be an integer >= 1"):
        stored(given, tmp_path, memory=0)


def test_no_more_is_read_at_once_than_was_allowed_and_a_part_is_an_analysis_in_memory(given, tmp_path):
    kept = stored(given, tmp_path, memory=24 * 10 * 10)
    kept.gram("a")
    for whole in (lambda: kept.rsm("a"), lambda: kept.similarities("a"), lambda: kept.select(range(15))):
        with pytest.raises(
            ValueError, match=r"`gram` must be read in parts of at most .* GB; got \d+ x \d+ pairs at once"
        ):
            whole()
    part = kept.select([3, 17, 4])
    assert not part.is_stored
    plain = srsm.Analysis(*given, matcher=srsm.Exact()).rsm("a")
    assert np.allclose(part.rsm("a"), plain[np.ix_([3, 17, 4], [3, 17, 4])], atol=1e-4)
    window = kept.overview("a", similarity="aligned").window(slice(0, N), slice(0, N), 10)
    assert window.side == 2
    with pytest.raises(ValueError, match="`analysis` must be one that keeps its Grams in a store"):
        part.overview("a")


def test_queries_are_kept_too(given, tmp_path):
    queries = {"queries": make_images(5), "query_tokens": make_layers(5, ("a", "a/b: c"), (2, 2), seed=9)}
    kept, plain = stored(given, tmp_path, **queries), srsm.Analysis(*given, matcher=srsm.Exact(), **queries)
    assert np.allclose(kept.query_rsm("a"), plain.query_rsm("a"), atol=1e-4)
    assert kept.query_gram("a").shape == (5, N)
    assert kept.select([2, 3]).query_rsm("a").shape == (5, 2)


def test_class_tokens_are_compared_by_rows_within_the_budget(given, tmp_path):
    queries = {"queries": make_images(5), "query_tokens": make_layers(5, ("a", "a/b: c"), (2, 2), prefix=1, seed=9)}
    plain = srsm.Analysis(*given, **queries)
    kept = stored(given, tmp_path, memory=24 * N, **queries)  # a row and no more
    for of_queries in (False, True):
        found = kept.class_token_gram("a", queries=of_queries)
        expected = srsm.cosine(plain.class_token_gram("a", queries=of_queries))
        assert np.allclose(srsm.cosine(found.select([3], None)), expected[[3]], atol=1e-6)
        with pytest.raises(ValueError, match=r"`gram` must be read in parts of at most"):
            srsm.cosine(found)


def test_the_width_of_the_rbf_is_counted_once(given, tmp_path, monkeypatch):
    counted, plain = [], kernels.streamed_median
    monkeypatch.setattr(kernels, "streamed_median", lambda *given: counted.append(given) or plain(*given))
    kept = stored(given, tmp_path, memory=24 * N * 4)
    kernel, sigma = kept.shared_kernel("a", srsm.rbf)
    assert sigma == pytest.approx(srsm.rbf_sigma(srsm.matched_gram(given[1]["a"], matcher=srsm.Exact())), rel=1e-6)
    assert kept.shared_kernel("a", srsm.rbf)[1] == kernel.keywords["sigma"] == sigma
    assert len(counted) == 1
