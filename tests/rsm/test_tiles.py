"""Matched Grams by tiles: those of memory, from tokens in stores and into stores, gone on with whatever happens."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from helpers.own_disk import own_disk
from helpers.stores import MATCHING, extracting, matching, matching_tokens, pictures

from semrsm_widgets.matching import Auction, Exact, Fallbacks, Greedy, Identity, auction
from semrsm_widgets.matching.solvers import engine, numba_auction
from semrsm_widgets.rsm import tiles
from semrsm_widgets.rsm.kernels import cosine, inner_product, rbf
from semrsm_widgets.rsm.rsm import matched_gram, semantic_rsm
from semrsm_widgets.rsm.stored_gram import open_gram
from semrsm_widgets.storage.gram_store import GramStore
from semrsm_widgets.storage.places import GRAM, open_place
from semrsm_widgets.storage.token_store import open_tokens
from semrsm_widgets.tokens import stored

TESTS = Path(__file__).parents[1]
RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(30, 9, 16)).astype(np.float32), RNG.normal(size=(17, 7, 16)).astype(np.float32)
ARRAYS = ("products", "upper_bound", "pooled_products", "x_sq_norms", "y_sq_norms", "x_pooled_sq_norms")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)
    monkeypatch.setattr(stored, "BLOCK_BYTES", 4096)


def agree(found, expected, gap=1e-4):
    """Say whether two Grams are the same within their certificates, and each certifies the other."""
    norms = expected.norms
    assert (found.shape, found.sizes, found.symmetric, found.matcher) == (
        expected.shape, expected.sizes, expected.symmetric, expected.matcher,
    )  # fmt: skip
    assert np.all(np.abs(found.products - expected.products) <= gap * norms)
    assert np.all(found.products <= expected.upper_bound + 1e-6 * norms)
    assert np.all(expected.products <= found.upper_bound + 1e-6 * norms)
    for name in ARRAYS[2:]:
        assert np.allclose(getattr(found, name), getattr(expected, name), rtol=1e-12, atol=1e-12)
    return True


@pytest.mark.parametrize("matcher", [Auction(), Exact(), Identity(), Greedy()], ids=repr)
@pytest.mark.parametrize("sides", [(X, None), (X, Y), (Y, X), (X[:8], None), (X[:1], None)], ids=lambda _: "")
def test_tiles_give_what_memory_gives(sides, matcher, tmp_path):
    x, y = sides
    if isinstance(matcher, Identity) and y is not None:
        y = np.resize(y, (len(y), x.shape[1], 16)) if y.shape[1] != x.shape[1] else y
    kept = matched_gram(x, y, matcher=matcher, store=tmp_path / "rsm.zarr")
    plain = matched_gram(x, y, matcher=matcher)
    assert agree(kept, plain)
    assert "in 'rsm.zarr')" in repr(kept)
    again = open_gram(tmp_path / "rsm.zarr")
    for kernel in (cosine, inner_product, *([rbf] if len(x) > 1 else [])):
        assert np.array_equal(kernel(again), kernel(kept))
        assert np.allclose(kernel(again), kernel(plain), atol=1e-3, rtol=1e-4)
    assert np.isinf(again.upper_bound).any() == (isinstance(matcher, Greedy | Identity) and len(x) > 1)


def test_a_gram_in_a_store_does_what_one_in_memory_does(tmp_path):
    kept, plain = matched_gram(X, store=tmp_path / "rsm.zarr"), matched_gram(X)
    assert np.array_equal(kept.products, kept.products.T)
    assert np.array_equal(kept.upper_bound, kept.upper_bound.T)
    assert np.array_equal(np.diag(kept.products), kept.x_sq_norms)
    for change in ("at_upper_bound", "centred", "pooled"):
        assert agree(getattr(kept, change)(), getattr(plain, change)(), gap=2e-4)
    assert agree(kept.scaled(4.0), plain.scaled(4.0))
    assert np.allclose(kept.gap, plain.gap, atol=1e-4)
    assert kept.fallbacks == plain.fallbacks


@pytest.mark.parametrize(
    ("rows", "columns"),
    [([3, 1, 29], [0, 5, 16]), (None, [20]), ([20], None), ([7, 8, 2], [7, 8, 2]), ([-1, 0], [-2]), ([], [3])],
)
def test_a_part_reads_only_its_tiles(rows, columns, tmp_path, monkeypatch):
    kept = matched_gram(X, store=tmp_path / "rsm.zarr")
    whole, read = kept.products, []
    plain = kept._store.tile
    monkeypatch.setattr(kept._store, "tile", lambda *tile: read.append(tile) or plain(*tile))
    some = kept.select(rows, columns)
    i = np.arange(30)[slice(None) if rows is None else rows] if rows != [] else np.arange(0)
    j = np.arange(30)[slice(None) if columns is None else columns]
    assert np.array_equal(some.products, whole[np.ix_(i, j)])
    assert some.symmetric == (rows == columns)
    assert set(read) == {(min(a, b) // 8 * 8, max(a, b) // 8 * 8) for a in i for b in j}


def test_tokens_in_a_store_are_matched_two_blocks_at_a_time(tmp_path):
    folder = pictures(tmp_path / "pictures", 20)
    assert extracting(folder, tmp_path / "x.zarr", tmp_path / "log").communicate()[0].endswith("done\n")
    tokens = open_tokens(tmp_path / "x.zarr")["first"]
    plain = tokens.values[:]
    seen = []
    read = type(tokens.values.source).read

    class Watched:
        def __getattr__(self, name):
            return getattr(tokens.values.source, name)

        def read(self, images):
            seen.append(len(images))
            return read(tokens.values.source, images)

    watched = type(tokens.values)(Watched())
    assert agree(matched_gram(watched), matched_gram(plain))
    assert agree(matched_gram(plain[:5], watched), matched_gram(plain[:5], plain))
    assert max(seen) <= 12  # norms and means are made by shards, tiles of two blocks of 8
    kept = matched_gram(tokens, store=tmp_path / "rsm.zarr")
    assert agree(kept, matched_gram(plain))
    counted = []
    matched_gram(plain, store=tmp_path / "rsm.zarr", progress=lambda *done: counted.append(done))
    assert counted[0] == (190, 190) or counted[1] == (190, 190)  # the same tokens, wherever they lie
    assert np.allclose(semantic_rsm(tokens), semantic_rsm(plain), atol=1e-4)


# ---- going on


def counting(monkeypatch):
    """Return a list to which the tiles that are matched are added."""
    matched, plain = [], tiles.match_job
    monkeypatch.setattr(tiles, "match_job", lambda matcher, job: matched.append(job.pairs) or plain(matcher, job))
    return matched


def test_what_was_stopped_goes_on_at_its_tile(tmp_path, monkeypatch):
    matched = counting(monkeypatch)

    def stop(done, total):
        if done >= 28 + 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        matched_gram(X, store=tmp_path / "rsm.zarr", progress=stop)
    kept = "The tiles that are done are kept in 'rsm.zarr': the same call goes on from there."
    assert found.value.__notes__[-1].endswith(kept)
    with pytest.raises(
        ValueError, match=r"complete matched Gram; got 'rsm.zarr' with \d of 10 tiles. Go on with the same"
    ):
        open_gram(tmp_path / "rsm.zarr")
    first = len(matched)
    whole = matched_gram(X, store=tmp_path / "rsm.zarr")
    assert len(matched) <= 11  # ten tiles, and the one that was stopped
    assert first >= 2
    assert agree(whole, matched_gram(X))
    del matched[:]
    matched_gram(X, store=tmp_path / "rsm.zarr")
    assert matched == []


def test_a_killed_process_loses_the_tile_that_it_was_at(tmp_path):
    store, log, rng = tmp_path / "rsm.zarr", tmp_path / "log", random.Random(2)
    stops = sorted(rng.sample(range(2, 34), 2))
    for number in stops:
        process = matching(store, log)
        while len(log.read_text().splitlines() if log.exists() else ()) < number:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    text = matching(store, log).communicate()[0]
    assert text.endswith("done\n"), text
    assert 36 <= len(log.read_text().splitlines()) <= 36 + len(stops)  # of 8 x 8 blocks, those above the diagonal
    assert agree(open_gram(store), matched_gram(matching_tokens(60)))
    assert not list(store.rglob("*.partial"))


# ---- growing


def grown(tmp_path, monkeypatch, sets, y=None, matcher=None):
    """Match one set after another into one store, and return the pairs that each call matched."""
    matched = counting(monkeypatch)
    told = []
    for images in sets:
        del matched[:]
        gram = matched_gram(X[images], y, matcher=matcher, store=tmp_path / "rsm.zarr")
        told.append(sum(matched))
        plain = matched_gram(X[images], y, matcher=matcher)
        assert agree(gram, plain)
        again = open_gram(tmp_path / "rsm.zarr")
        assert np.array_equal(again.products, gram.products)
        some = [len(images) - 1, 0, len(images) // 2]
        assert np.array_equal(gram.select(some, [1, 0]).products, gram.products[np.ix_(some, [1, 0])])
    return told


@pytest.mark.parametrize(("old", "new"), [(13, 14), (13, 30), (8, 9), (16, 24), (3, 5)])
def test_images_added_cost_their_own_rows(old, new, tmp_path, monkeypatch):
    told = grown(tmp_path, monkeypatch, [range(old), range(new)])
    assert told == [old * (old - 1) // 2, new * (new - 1) // 2 - old * (old - 1) // 2]


def test_images_removed_are_masked_and_come_back(tmp_path, monkeypatch):
    sets = [range(20), [1, 5, 17, 3, 9], range(20), range(19, -1, -1), [*range(3, 20), *range(22, 26)], range(30)]
    told = grown(tmp_path, monkeypatch, sets)
    assert told[:4] == [190, 0, 0, 0]
    assert told[4] == 4 * 17 + 6  # the four that are new, with those that are there now and with each other
    assert sum(told) == 30 * 29 // 2


def test_another_set_grows_too(tmp_path, monkeypatch):
    told = grown(tmp_path, monkeypatch, [range(10), [*range(4, 10), *range(12, 20)], range(20)], y=Y)
    assert told == [10 * 17, 8 * 17, 2 * 17]


def test_images_with_the_same_tokens_have_rows_of_their_own(tmp_path, monkeypatch):
    told = grown(tmp_path, monkeypatch, [[0, 1, 1, 2], [1, 0, 1, 1, 2]])
    assert told == [6, 4]


def test_a_grown_store_says_what_is_not_there_yet(tmp_path):
    matched_gram(X[:13], store=tmp_path / "rsm.zarr")

    def stop(done, total):
        if done > 78 + 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched_gram(X, store=tmp_path / "rsm.zarr", progress=stop)
    with pytest.raises(ValueError, match=r"complete matched Gram; got 'rsm.zarr' with \d of 10 tiles"):
        open_gram(tmp_path / "rsm.zarr")
    told = []
    whole = matched_gram(X, store=tmp_path / "rsm.zarr", progress=lambda *done: told.append(done))
    assert told[1][0] >= 78 + 24  # what was there, and the tile that was done
    assert agree(whole, matched_gram(X))
    assert agree(matched_gram(X[:13], store=tmp_path / "rsm.zarr"), matched_gram(X[:13]))


def test_the_overview_is_of_the_images_that_are_there(tmp_path):
    def check(images):
        gram = matched_gram(X[images], store=tmp_path / "rsm.zarr")
        own, window = cosine(gram), gram.overview().window(slice(0, 30), slice(0, 30), 2)
        np.fill_diagonal(own, np.nan)
        count = len(images)
        low, high = gram.overview().extremes()
        assert low == pytest.approx(np.nanmin(own), abs=1e-6)
        assert high == pytest.approx(np.nanmax(own), abs=1e-6)
        assert window.pairs.sum() == count * (count - 1)

    for images in (range(13), range(30), [3, 2, 20, 9], range(30)):
        check(images)


# ---- what is refused


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"x": X + 1}, r"differs in x \(no image has the tokens of one that is there\)\. Pass another store"),
        ({"x": X[:, :8]}, r"differs in x \(there 9 x 16 float32, now 8 x 16 float32\)"),
        ({"x": X.astype(np.float64)}, r"differs in x \(there 9 x 16 float32, now 9 x 16 float64\)"),
        ({"y": X}, r"differs in y \(there x itself, now 9 x 16 float32\)"),
        ({"matcher": Auction(gap=0.01)}, r"differs in matcher \(there Auction\(.*\), now Auction\(.*0.01.*\)\)"),
    ],
    ids=["others", "size", "type", "another side", "matcher"],
)
def test_other_tokens_or_another_matcher_are_refused(change, text, tmp_path):
    matched_gram(X, store=tmp_path / "rsm.zarr")
    given = {"x": X, "y": None, **change}
    with pytest.raises(ValueError, match=r"one of the same tokens and matcher; got 'rsm.zarr', which " + text):
        matched_gram(given.pop("x"), given.pop("y"), store=tmp_path / "rsm.zarr", **given)


def test_a_matcher_without_a_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`matcher` must be one with a repr of its own, for a store"):
        matched_gram(X, matcher=lambda x, y: Auction()(x, y), store=tmp_path / "rsm.zarr")


@pytest.mark.parametrize("damage", ["flipped", "cut", "removed"])
def test_a_damaged_tile_is_named_and_made_anew(damage, tmp_path, monkeypatch):
    good = matched_gram(X, store=tmp_path / "rsm.zarr").products
    (path,) = [path for path in (tmp_path / "rsm.zarr" / "tiles" / "c").rglob("2") if path.parent.name == "1"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flipped" else data[:-9])
    text = r"The tile of images 8 to 15 with 16 to 23 in 'rsm.zarr' is damaged or gone. The same matched_gram"
    gram = open_gram(tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match=text):
        gram.select([20], [9])
    assert np.array_equal(gram.select([0], None).products, good[:1])
    matched = counting(monkeypatch)
    assert np.array_equal(matched_gram(X, store=tmp_path / "rsm.zarr").products, good)
    assert matched == [64]


def test_a_tile_that_fails_names_its_images(tmp_path):
    def broken(x, y):
        raise RuntimeError("no")

    class Broken:
        def __repr__(self):
            return "Broken()"

        __call__ = staticmethod(broken)

    with pytest.raises(RuntimeError, match="no") as found:
        matched_gram(X, matcher=Broken(), store=tmp_path / "rsm.zarr")
    assert found.value.__notes__ == ["(in images 0 to 7 with 0 to 7)"]


def stalling(monkeypatch, *types):
    """Have the auction give up pairs with prices of some types, as where rounding keeps it from the gap."""
    loader = engine.kernel_for(np.float32)
    compiled = loader.kernel

    def stall(flat, *arguments):
        compiled(flat, *arguments)
        if arguments[8].dtype in types:  # the prices
            arguments[-6][:] = numba_auction.STALLED

    monkeypatch.setattr(loader, "kernel", stall)
    monkeypatch.setattr(loader, "makes_products", False)  # which the kernel would say by what it returns


def test_pairs_that_miss_the_gap_are_solved_otherwise_and_counted_in_the_store(tmp_path, monkeypatch):
    plain = matched_gram(X[:20])
    stalling(monkeypatch, np.float32)
    gram = matched_gram(X[:20], store=tmp_path / "rsm.zarr")
    for found in (gram, open_gram(tmp_path / "rsm.zarr")):
        assert found.fallbacks == Fallbacks(float64=190)
        assert found.gap.max() <= 1e-4
    assert agree(gram, plain)


def test_a_tile_that_cannot_be_certified_is_named_and_not_kept(tmp_path, monkeypatch):
    with monkeypatch.context() as broken:
        stalling(broken, np.float32, np.float64)
        broken.setattr(auction, "LARGEST_EXACT", 1)
        with pytest.raises(RuntimeError, match="larger gap, or pool the tokens") as found:
            matched_gram(X, store=tmp_path / "rsm.zarr")
    assert found.value.__notes__[0] == "(in images 0 to 7 with 0 to 7)"
    with pytest.raises(ValueError, match=r"got 'rsm\.zarr' with 0 of 10 tiles"):
        open_gram(tmp_path / "rsm.zarr")
    assert agree(matched_gram(X, store=tmp_path / "rsm.zarr"), matched_gram(X))


def test_a_place_that_cannot_be_written_is_found_before_the_first_pair(tmp_path, monkeypatch):
    def stop(done, total):
        if done >= 28 + 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matched_gram(X, store=tmp_path / "rsm.zarr", progress=stop)
    matched = counting(monkeypatch)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "rsm.zarr")
    for place in (packed, zarr.storage.LocalStore(tmp_path / "rsm.zarr", read_only=True)):
        with pytest.raises(
            ValueError, match=r"`store` must be one whose parts can be replaced; got '[a-z.]+' \(\w+Store"
        ):
            matched_gram(X, store=place)
    assert matched == []
    matched_gram(X, store=tmp_path / "rsm.zarr")
    gram = matched_gram(X, store=zarr.storage.LocalStore(tmp_path / "rsm.zarr", read_only=True))  # all is there
    assert agree(gram, matched_gram(X))


def test_a_place_that_is_full_is_found_before_the_first_pair(monkeypatch):
    class Full(zarr.storage.MemoryStore):
        async def set(self, key, value, byte_range=None):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def stop(done, total):
        if done >= 28 + 64:
            raise KeyboardInterrupt

    held = {}
    with pytest.raises(KeyboardInterrupt):
        matched_gram(X, store=zarr.storage.MemoryStore(held), progress=stop)
    matched = counting(monkeypatch)
    with pytest.raises(ValueError, match="No space left on device"):
        matched_gram(X, store=Full(held))
    assert matched == []
    assert agree(matched_gram(X, store=zarr.storage.MemoryStore(held)), matched_gram(X))


def test_a_store_of_before_grams_could_grow_is_read_and_not_gone_on_with(tmp_path, monkeypatch):
    store = tmp_path / "gram-format-1.zarr"  # written by the version of that time
    shutil.unpack_archive(TESTS / "data" / "gram-format-1.zip", store)
    x = np.random.default_rng(0).integers(-4, 5, size=(6, 3, 4)).astype(np.float32)
    assert zarr.open_group(store, mode="r").attrs["semrsm_widgets"]["format"] == 1
    gram, now = open_gram(store), matched_gram(x, matcher=Exact())
    assert np.array_equal(gram.products, now.products)  # of whole numbers
    assert np.array_equal(gram.select([5, 0], [1, 2]).products, now.products[np.ix_([5, 0], [1, 2])])
    window = gram.overview().window(slice(0, 6), slice(0, 6), 6)
    assert np.allclose(window.mean, cosine(now), atol=1e-6)
    with pytest.raises(
        ValueError, match=r"one that can be gone on with; got .*, begun by an earlier version\. Pass another"
    ):
        matched_gram(x, matcher=Exact(), store=store)


def test_only_one_writes_and_a_zip_is_read(tmp_path):
    inside, go_on = threading.Event(), threading.Event()

    def pause(done, total):
        if done >= 28:
            inside.set()
            go_on.wait(60)

    store = tmp_path / "rsm.zarr"
    thread = threading.Thread(target=lambda: matched_gram(X, store=store, progress=pause))
    thread.start()
    inside.wait(60)
    try:
        with pytest.raises(BlockingIOError, match=r"'rsm.zarr', is being written by another"):
            matched_gram(X, store=store)
    finally:
        go_on.set()
        thread.join()
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", store)
    assert agree(open_gram(packed), matched_gram(X, store=packed))
    memory = zarr.storage.MemoryStore()
    assert agree(matched_gram(torch.from_numpy(X), store=memory), open_gram(memory))


def test_what_another_changes_meanwhile_is_no_damage(tmp_path, monkeypatch):
    """Who may not write looks whether all is there, while the images of the store become others."""
    matched_gram(X, store=tmp_path / "rsm.zarr")

    def changing(self):
        raise ValueError("operands could not be broadcast together with shapes (21,21) (15,15)")

    monkeypatch.setattr(GramStore, "missing", changing)
    with (
        open_place(tmp_path / "rsm.zarr", GRAM, make=True).written(),
        pytest.raises(BlockingIOError, match=r"'rsm.zarr', is being written by another"),
    ):
        matched_gram(X, store=tmp_path / "rsm.zarr")


@own_disk
def test_a_full_disk_is_said_and_what_is_done_stays(tmp_path):
    disk, saved = tmp_path / "disk", tmp_path / "saved.zarr"
    disk.mkdir()
    inner = f'mount -t tmpfs -o size=200k none {disk} && "$0" "$@"; cp -r {disk}/rsm.zarr {saved}'
    command = [
        sys.executable,
        "-c",
        MATCHING,
        str(disk / "rsm.zarr"),
        str(tmp_path / "log"),
        "60",
        str(TESTS),
        *sys.path,
    ]
    done = subprocess.run(["unshare", "-rm", "sh", "-c", inner, *command], capture_output=True, text=True, timeout=200)
    said = r"`store`, 'rsm.zarr', cannot be written (No space left on device) at the tile of images "
    assert said in done.stderr
    before = len((tmp_path / "log").read_text().splitlines())
    assert matching(saved, tmp_path / "log").communicate()[0].endswith("done\n")
    assert len((tmp_path / "log").read_text().splitlines()) == 36 + 1
    assert 1 < before < 36


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape", None),
        ("shape", [36, -1]),
        ("shape", "36"),
        ("sizes", [9, 0]),
        ("sizes", [9.5, 9]),
        ("symmetric", "yes"),
        ("matcher", 3),
        ("block", 0),
        ("block", True),
        ("settings", ["a"]),
        ("order", 1),
    ],
)
def test_a_form_that_is_none_is_refused_by_name(tmp_path, name, value):
    matched_gram(X, store=tmp_path / "rsm.zarr")
    group = zarr.open_group(tmp_path / "rsm.zarr")
    group.attrs["semrsm_widgets"] = {**group.attrs["semrsm_widgets"], name: value}
    for ask in (open_gram, lambda store: matched_gram(X, store=store)):
        with pytest.raises(ValueError, match=rf"^`store` must be .* got 'rsm.zarr', whose '{name}' is "):
            ask(tmp_path / "rsm.zarr")


def test_what_a_store_says_stays_on_its_line(tmp_path):
    matched_gram(X, store=tmp_path / "rsm.zarr")
    group = zarr.open_group(tmp_path / "rsm.zarr")
    group.attrs["semrsm_widgets"] = {**group.attrs["semrsm_widgets"], "matcher": "Auction()\n\x1b[31m"}
    assert "\n\x1b" not in repr(open_gram(tmp_path / "rsm.zarr"))


def test_what_holds_no_gram_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"got 'gone.zarr', which is not there. Make it: matched_gram"):
        open_gram(tmp_path / "gone.zarr")
    matched_gram(X, store=tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match=r"`store` must be one of tokens; got 'rsm.zarr', one of a matched Gram"):
        open_tokens(tmp_path / "rsm.zarr")
    group = zarr.open_group(tmp_path / "rsm.zarr")
    group.attrs["semrsm_widgets"] = {**group.attrs["semrsm_widgets"], "format": 9, "version": "7.0"}
    with pytest.raises(ValueError, match=r"of format 9, written by version 7.0"):
        open_gram(tmp_path / "rsm.zarr")
