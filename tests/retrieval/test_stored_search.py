"""Search in a store: the same answer as in memory, by reading what may matter and nothing else."""

from __future__ import annotations

import os
import shutil
from functools import partial

import numpy as np
import pytest
import torch

import semrsm_widgets as srsm
from semrsm_widgets.retrieval import stored_search
from semrsm_widgets.retrieval.exact_search import search
from semrsm_widgets.storage import TokenStore, sketch_store, token_reading

KINDS, EACH, S, D, BATCH = 8, 40, 9, 12, 4


def images(seed=0, spread=0.4):
    """Return images of a few kinds that differ in their means, as photographs of one thing do; kinds lie together."""
    rng = np.random.default_rng(seed)
    kinds = rng.normal(size=(KINDS, S, D)) + 3 * rng.normal(size=(KINDS, 1, D))
    return torch.from_numpy(
        np.concatenate(
            [kind[rng.permutation(S)][None] + spread * rng.normal(size=(EACH, S, D)) for kind in kinds]
        ).astype(np.float32)
    )


def write(store, values):
    count = len(values)
    target = TokenStore(
        store, settings={"made": "here"}, ids=[f"{i}" for i in range(count)],
        pictures=np.zeros((count, 32), np.uint8), batch=BATCH, dtype=values.dtype,
    )  # fmt: skip
    words = {"layer": "x", "grid": None, "native_grid": None, "note": "", "caution": "", "has_class_token": False}
    with target.written():
        target.add("x", "", 0, words)
        for start in range(0, count, BATCH):
            here = range(start, min(start + BATCH, count))
            target.write(here, {"x": (values[here.start : here.stop].contiguous(), None)})
    return store


@pytest.fixture
def reads(monkeypatch):
    """Images that were read from a store, one entry a call."""
    monkeypatch.setattr("semrsm_widgets.storage.layer_store.CHUNK_BYTES", BATCH * S * D * 4)
    found = []
    read = token_reading.StoredPart.read
    monkeypatch.setattr(
        token_reading.StoredPart, "read", lambda part, which: found.append(which.tolist()) or read(part, which)
    )
    return found


def all_of(reads):
    return [image for call in reads for image in call]


def same(found, expected):
    assert np.array_equal(found.indices, expected.indices)
    assert np.allclose(found.values, expected.values, atol=1e-6)
    assert found.certified.all()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kernel", [srsm.cosine, srsm.inner_product, partial(srsm.rbf, sigma=4.0)])
def test_it_finds_what_exact_matching_of_all_finds(tmp_path, seed, kernel):
    x = images(seed)
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    queries = x[:: EACH // 2] if seed % 2 else images(seed + 100)[:3]
    found = search(queries, tokens, k=5, kernel=kernel)
    K = kernel(srsm.matched_gram(queries, x, matcher=srsm.Exact()))
    order = np.argsort(-K, axis=1, kind="stable")[:, :5]
    assert np.array_equal(found.indices, order)
    assert np.allclose(found.values, np.take_along_axis(K, order, 1), rtol=1e-6, atol=1e-6)
    assert np.all(found.upper >= np.take_along_axis(K, order, 1) - 1e-12)
    assert found.pairs == len(queries) * len(x)


def test_most_images_are_never_read(tmp_path, reads):
    x = images()
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    search(x[0], tokens, k=3)
    assert set(range(len(x))) <= set(all_of(reads))  # the first search has gone through all of them
    reads.clear()
    found = search(x[3], tokens, k=5)
    read = all_of(reads)
    assert len(read) == len(set(read)) == found.images_read == found.matched
    assert found.images_read <= EACH + 32
    assert found.matched < found.pairs == len(x)
    assert f"{found.matched} matched" in repr(found)


def test_no_piece_is_read_twice_whatever_the_queries(tmp_path, reads, monkeypatch):
    monkeypatch.setattr(stored_search, "PAYING_SHARE", 1)  # piece by piece to the end
    x = images(3, spread=1.5)
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    queries = x[::50]
    search(queries, tokens, k=1)
    reads.clear()
    found = search(queries, tokens, k=4)
    same(found, search(queries, x, k=4))
    pieces = [{i // BATCH for i in call} for call in reads]
    assert len(pieces) > 2
    assert sum(map(len, pieces)) == len(set().union(*pieces))
    assert found.matched <= found.images_read * len(queries)


def test_where_bounds_rule_out_nothing_the_rest_is_read_in_its_order_and_in_large_blocks(tmp_path, reads, monkeypatch):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(KINDS * EACH, S, D)).astype(np.float32))
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    search(x[3], tokens, k=3)
    reads.clear()
    found = search(x[3], tokens, k=3)
    same(found, search(x[3], x, k=3))
    assert found.images_read == len(x)
    assert len(reads) == 2  # those with the best bounds, and all others
    assert reads[1] == sorted(reads[1])
    monkeypatch.setattr(stored_search, "BLOCK_BYTES", 100 * S * D * 4)
    reads.clear()
    again = search(x[3], tokens, k=3)
    assert np.array_equal(again.indices, found.indices)
    assert len(reads) == 4
    assert sorted(all_of(reads)) == list(range(len(x)))


def test_means_and_spreads_are_kept_in_the_store(tmp_path, reads):
    x = images()
    store = write(tmp_path / "x.zarr", x)
    first = search(x[0], srsm.open_tokens(store)["x"], k=3)
    assert len(all_of(reads)) == len(x) + first.images_read
    reads.clear()
    again = search(x[0], srsm.open_tokens(store)["x"], k=3)  # as another process would
    same(again, first)
    assert len(all_of(reads)) == again.images_read < len(x)


@pytest.mark.parametrize("harm", ["other tokens", "damaged", "half written", "other format"])
def test_means_and_spreads_that_are_not_of_these_tokens_are_made_anew(tmp_path, reads, harm, monkeypatch):
    x, store = images(), tmp_path / "x.zarr"
    search(x[0], srsm.open_tokens(write(store, x))["x"], k=3)
    sketch = store / "x" / "sketch"
    if harm == "other tokens":
        kept = tmp_path / "kept"
        shutil.copytree(sketch, kept)
        shutil.rmtree(store)
        x = images(9)
        write(store, x)
        shutil.copytree(kept, sketch)
    elif harm == "damaged":
        file = next(path for path in (sketch / "means" / "c").rglob("*") if path.is_file())
        content = bytearray(file.read_bytes())
        content[100] ^= 1
        file.write_bytes(content)
    elif harm == "half written":
        shutil.rmtree(sketch / "spreads")
    else:
        monkeypatch.setattr(sketch_store, "FORMAT", sketch_store.FORMAT + 1)
    reads.clear()
    found = search(x[200], srsm.open_tokens(store)["x"], k=3)
    same(found, search(x[200], x, k=3))
    assert len(all_of(reads)) == len(x) + found.images_read


def test_a_store_that_cannot_be_written_is_searched_all_the_same(tmp_path, reads):
    from zarr.storage import ZipStore

    x = images()
    write(tmp_path / "x.zarr", x)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "x.zarr")
    tokens = srsm.open_tokens(ZipStore(packed, mode="r"))["x"]
    same(search(x[7], tokens, k=3), search(x[7], x, k=3))
    reads.clear()
    found = search(x[8], tokens, k=3)  # they last as long as the tokens are open
    assert len(all_of(reads)) == found.images_read < len(x)


def test_a_store_that_somebody_else_writes_is_searched_all_the_same(tmp_path):
    from filelock import FileLock

    x = images()
    store = write(tmp_path / "x.zarr", x)
    with FileLock(store / ".lock"):
        same(search(x[7], srsm.open_tokens(store)["x"], k=3), search(x[7], x, k=3))
    assert not os.path.exists(store / "x" / "sketch")


def test_tokens_chosen_from_a_store_candidates_and_regions(tmp_path):
    x = images(5)
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    rows = np.random.default_rng(0).permutation(len(x))[:77]
    some = tokens.select(rows.tolist())
    same(search(x[40], some, k=4), search(x[40], x[rows], k=4))
    candidates = np.arange(30, 90)
    same(search(x[40], tokens, k=4, candidates=candidates), search(x[40], x, k=4, candidates=candidates))
    each = np.stack([np.arange(30, 90), np.arange(100, 160)])
    same(search(x[[40, 120]], tokens, k=4, candidates=each), search(x[[40, 120]], x, k=4, candidates=each))
    region = x[40][[1, 4, 5]]
    same(search(region, tokens, k=4), search(region, x, k=4))
    larger = torch.cat([x[40], x[41][:4]])
    same(search(larger, tokens, k=4), search(larger, x, k=4))


def test_without_a_certificate_the_bound_still_rules_out(tmp_path):
    x = images()
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    found = search(x[3], tokens, k=5, coarse=srsm.Greedy())
    same(found, search(x[3], x, k=5))
    assert found.matched < len(x)


def test_progress_counts_images_that_are_decided(tmp_path):
    x = images()
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    told = []
    search(x[3], tokens, k=5, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(x), len(x))
    assert told == sorted(told)


def test_what_cannot_be_searched_is_named(tmp_path):
    x = images()
    tokens = srsm.open_tokens(write(tmp_path / "x.zarr", x))["x"]
    with pytest.raises(ValueError, match="`database` must be tokens with the D of query, 5"):
        search(x[0][:, :5], tokens, k=1)
    with pytest.raises(ValueError, match="at most 320, the images to choose from"):
        search(x[0], tokens, k=999)
    with pytest.raises(ValueError, match="`query` must be finite"):
        search(x[0] * np.nan, tokens, k=1)
