"""A store of tokens whose set of images changes: what is run, what comes back, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import zarr
from helpers.stores import BATCH, model, pictures, small_shards
from PIL import Image

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.images.load import load_images
from semrsm_widgets.retrieval import search
from semrsm_widgets.rsm import matched_gram, tiles
from semrsm_widgets.storage import StoredPart
from semrsm_widgets.storage.token_store import open_tokens

LAYERS = ["first", "second"]
SEVERAL = 15
"""Images of whole batches, in a shard that is not full."""


@pytest.fixture
def images(tmp_path):
    return load_images(pictures(tmp_path / "pictures"))


@pytest.fixture
def grow(images, tmp_path, monkeypatch):
    """Return what extracts some of 40 images into one store, and returns the sizes of the forwards."""
    small_shards(monkeypatch)

    def call(some, layers=LAYERS, **options):
        ran: list[int] = []
        given = {"batch_size": BATCH, "store": tmp_path / "kept.zarr", "workers": 0, **options}
        call.tokens = extract(model(ran.append), images.select(some), layers, **given)
        return ran

    call.store = tmp_path / "kept.zarr"
    return call


def same(tokens, images, some, layers=LAYERS, exact=True):
    """Say whether tokens are those of a call without a store."""
    fresh = extract(model(), images.select(some), layers, batch_size=BATCH)
    return list(tokens) == layers and all(
        torch.equal(tokens[name].values[:], fresh[name].values)
        if exact
        else torch.allclose(tokens[name].values[:], fresh[name].values, atol=1e-6)
        for name in layers
    )


def stop_at(count):
    def stop(done, total):
        if done >= count:
            raise RuntimeError("stopped")

    return stop


def test_images_added_cost_their_own_forwards(grow, images):
    assert sum(grow(range(SEVERAL))) == SEVERAL
    opened = open_tokens(grow.store)
    assert grow(range(40)) == [BATCH] * 8 + [1]
    assert same(grow.tokens, images, range(40))  # the same batches, so the same bits
    assert same(open_tokens(grow.store), images, range(40))
    assert same(opened, images, range(SEVERAL))  # who had opened it reads on
    assert grow(range(40)) == []
    assert not list(grow.store.rglob("pending"))


@pytest.mark.parametrize("counts", [(1, 2, 4, 37), (13, 14, 26)])
def test_a_batch_that_was_not_full_is_filled(grow, images, counts):
    before = 0
    for count in counts:
        assert sum(grow(range(count))) == count - before
        assert same(open_tokens(grow.store), images, range(count), exact=False)  # in other batches: to rounding
        before = count
    assert not list(grow.store.rglob("pending"))


def test_images_left_out_or_in_another_order_cost_nothing(grow, images):
    grow(range(20))
    for some in (range(19, 3, -1), [7], range(20)):
        assert grow(some) == []
        assert same(grow.tokens, images, some, exact=False)
        assert same(open_tokens(grow.store), images, some, exact=False)
    assert sum(grow([39, 3, 38, 0, 37])) == 3  # new ones among old ones
    assert same(open_tokens(grow.store), images, [39, 3, 38, 0, 37], exact=False)
    names = [path.name for path in grow.store.iterdir()]
    assert len([name for name in names if name.startswith("order")]) == 1


def test_a_layer_is_added_for_the_images_that_are_there_then(grow, images):
    grow(range(20), ["first"])
    assert sum(grow(range(3, 9))) == 6
    assert same(open_tokens(grow.store), images, range(3, 9), exact=False)
    told = []
    assert sum(grow(range(20), progress=lambda *done: told.append(done))) == 14
    assert told[0] == (6, 20)
    assert same(open_tokens(grow.store), images, range(20), exact=False)
    grow(range(22), ["first"])
    with pytest.raises(ValueError, match=r"got 'kept\.zarr' with 20 of 22 images at 'second'"):
        open_tokens(grow.store)
    assert sum(grow(range(22))) == 2


@pytest.mark.parametrize("batches", [2, 4])
def test_growing_that_was_stopped_goes_on_and_loses_nothing(grow, images, batches):
    grow(range(SEVERAL))
    with pytest.raises(RuntimeError, match="stopped"):
        grow(range(40), progress=stop_at(SEVERAL + batches * BATCH))
    with pytest.raises(ValueError, match=rf"with {SEVERAL + batches * BATCH} of 40 images at 'first'"):
        open_tokens(grow.store)
    assert grow(range(SEVERAL)) == []  # what was there is there
    assert same(open_tokens(grow.store), images, range(SEVERAL))
    assert sum(grow(range(40))) == 40 - SEVERAL - batches * BATCH
    assert same(open_tokens(grow.store), images, range(40))


@pytest.mark.parametrize("moment", ["_let_wait", "_fill", "_forget", "_fit", "half _fit", "half _forget"])
def test_growing_that_was_killed_within_a_step_loses_nothing(grow, images, moment, monkeypatch):
    from semrsm_widgets.storage import layer_store, pending

    def killed(*_):
        raise RuntimeError("killed")

    grow(range(SEVERAL))
    with monkeypatch.context() as patch:
        if moment == "_let_wait":
            put = pending._put
            patch.setattr(pending, "_put", lambda array, *rest: (killed if "sha" in array.name else put)(array, *rest))
        elif moment == "_fill":  # the file is gone, and the new one not there
            layer_store._remove_shard(zarr.open_group(grow.store)["first/values"], 1)
            patch.setattr(layer_store, "_remove_shard", killed)
        elif moment == "_fit":
            patch.setattr(zarr.Array, "resize", killed)
        elif moment == "half _fit":  # the tokens' array has grown, that of the checksums has not
            resize = zarr.Array.resize
            patch.setattr(
                zarr.Array, "resize", lambda array, shape: (killed if "sha" in array.name else resize)(array, shape)
            )
        elif moment == "half _forget":
            patch.setattr(
                layer_store.LayerStore,
                "_forget",
                lambda layer, first: killed(pending.remove_folder(layer.group, f"pending/{first}/values")),
            )
        else:
            patch.setattr(layer_store.LayerStore, moment, killed)
        with pytest.raises(RuntimeError, match="killed"):
            grow(range(24))
    assert grow(range(SEVERAL)) == []
    assert same(grow.tokens, images, range(SEVERAL))
    grow(range(24))
    assert same(open_tokens(grow.store), images, range(24))
    assert not list(grow.store.rglob("pending"))


def test_what_is_damaged_is_made_anew_while_it_grows(grow, images):
    grow(range(SEVERAL))
    path = grow.store / "first" / "values" / "c" / "1" / "0" / "0"  # images 12 to 14
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    assert sum(grow(range(20))) == 5 + 3
    assert same(open_tokens(grow.store), images, range(20))


def test_changed_pictures_and_other_sets_are_named(grow, images, tmp_path):
    grow(range(10))
    Image.new("RGB", (16, 16), "red").save(tmp_path / "pictures" / "07.png")
    with pytest.raises(ValueError, match=r"differs in pictures that were changed since: '07.png'\. "):
        grow(range(20))
    assert len(open_tokens(grow.store)["first"]) == 10  # it was not touched
    with pytest.raises(ValueError, match=r"differs in the images \(none of its 10 is among those of the call\)"):
        grow(range(10, 20))
    with pytest.raises(ValueError, match=r"differs in batch_size \(there 3, now 4\); "):
        grow(range(20), batch_size=4)


def test_a_store_of_before_grows(grow, images):
    """Its facts say nothing of images, and its shards are as large as the set was."""
    grow(range(SEVERAL))
    group = zarr.open_group(grow.store)
    facts = dict(group.attrs["semrsm_widgets"])
    group.attrs["semrsm_widgets"] = {name: facts[name] for name in facts if name not in ("images", "order")}
    assert same(open_tokens(grow.store), images, range(SEVERAL))
    assert sum(grow(range(20))) == 5
    assert same(open_tokens(grow.store), images, range(20), exact=False)


def test_a_gram_of_a_store_that_grew_costs_new_rows_alone(grow, images, tmp_path, monkeypatch):
    grow(range(12))
    gram = tmp_path / "gram.zarr"
    matched_gram(grow.tokens["first"], store=gram)
    grow([*range(20, 23), *range(2, 12)])
    matched, match = [], tiles.match_job
    monkeypatch.setattr(tiles, "match_job", lambda matcher, job: matched.append(job.pairs) or match(matcher, job))
    found = matched_gram(grow.tokens["first"], store=gram)
    assert sum(matched) == 3 * 10 + 3  # the new with the ten that are left, and with each other
    fresh = matched_gram(open_tokens(grow.store)["first"].values[:])
    assert np.allclose(found.products, fresh.products, rtol=1e-4)


def test_a_search_looks_at_new_images_alone(grow, images, monkeypatch):
    grow(range(20))
    query = grow.tokens["first"].values[3]
    search(query, open_tokens(grow.store)["first"], k=2)
    grow([30, *range(1, 20)])
    reads, read = [], StoredPart.read
    monkeypatch.setattr(StoredPart, "read", lambda part, some: reads.append(some.tolist()) or read(part, some))
    found = search(query, grow.tokens["first"], k=2)
    assert reads[0] == [20]  # the row of the new one
    assert sum(map(len, reads)) == 1 + found.images_read
    monkeypatch.undo()
    assert np.array_equal(found.indices, search(query, grow.tokens["first"].values[:], k=2).indices)
