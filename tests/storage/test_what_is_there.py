"""What a planned call would have to do: said without writing, and what the call then does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.clusters import tokens_in

from semrsm_widgets.matching import Auction
from semrsm_widgets.rsm import matched_gram, tiles
from semrsm_widgets.storage import checksums, kind_of, pairs_left, tokens_there

X = torch.from_numpy(np.random.default_rng(5).normal(size=(30, 9, 16)).astype(np.float32))
SETTINGS = {"x": kind_of(X), "y": "x itself", "matcher": repr(Auction())}


@pytest.fixture(autouse=True)
def matched(monkeypatch):
    """Pairs that are matched, by tiles of 8 images."""
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)
    found, plain = [], tiles.match_job
    monkeypatch.setattr(tiles, "match_job", lambda matcher, job: found.append(job.pairs) or plain(matcher, job))
    return found


def planned(store, images, seen):
    """Return the pairs that a call would match, of which only images seen before have checksums."""
    digests = checksums(X[images])
    digests[~np.isin(images, sorted(seen))] = 0
    return pairs_left(store, SETTINGS, digests)


SETS = {
    "grows": [range(13), range(14), range(30)],
    "shrinks, and comes back": [range(20), [1, 5, 17, 3, 9], range(20), [*range(3, 20), *range(22, 26)], range(30)],
    "new ones while others are gone": [range(10), [*range(4, 10), *range(12, 20)], range(20)],
}


@pytest.mark.parametrize("name", SETS)
def test_what_is_left_is_what_the_call_matches(tmp_path, matched, name):
    seen: set[int] = set()
    for images in SETS[name]:
        images = np.array(list(images))
        if seen:
            left = planned(tmp_path / "rsm.zarr", images, seen)
        del matched[:]
        matched_gram(X[images], store=tmp_path / "rsm.zarr")
        if seen:
            assert left == sum(matched)
        seen |= set(images.tolist())
        assert planned(tmp_path / "rsm.zarr", images, seen) == 0


@pytest.mark.parametrize("first", [0, 13])
def test_of_a_call_that_was_stopped_what_it_had_done_is_not_left(tmp_path, matched, first):
    if first:
        matched_gram(X[:first], store=tmp_path / "rsm.zarr")
    there = first * (first - 1) // 2

    def stop(done, total):
        if done >= there + 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched_gram(X, store=tmp_path / "rsm.zarr", progress=stop)
    left = planned(tmp_path / "rsm.zarr", np.arange(30), set(range(30)))
    assert 0 < left < 30 * 29 // 2 - there
    del matched[:]
    matched_gram(X, store=tmp_path / "rsm.zarr")
    assert left == sum(matched)


def test_images_of_a_store_are_known_by_their_ids(tmp_path):
    tokens = tokens_in(tmp_path / "x.zarr", X[:10], ids=[f"{k}.png" for k in range(10)])
    found = tokens_there(tmp_path / "x.zarr", ["new.png", "7.png", "0.png"])["noise"]
    assert found.images.tolist() == [False, True, True]
    assert not found.digests[0].any()
    assert np.array_equal(found.digests[1:], checksums(tokens.values)[[7, 0]])


def test_another_matcher_is_refused_as_the_call_refuses_it(tmp_path):
    matched_gram(X[:9], store=tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match=r"differs in matcher"):
        pairs_left(tmp_path / "rsm.zarr", {**SETTINGS, "matcher": "Exact()"}, checksums(X[:9]))
    with pytest.raises(FileNotFoundError, match="which is not there"):
        pairs_left(tmp_path / "gone.zarr", SETTINGS, checksums(X[:9]))
    assert not (tmp_path / "gone.zarr").exists()
