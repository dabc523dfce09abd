"""Extraction into a store: what it gives, how it goes on, and what is refused; each with the real thing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import shutil
import signal
import threading
import time

import numpy as np
import pytest
import timm
import torch
import zarr
from helpers import stores
from helpers.own_disk import own_disk
from helpers.stores import BATCH, extracting, model, pictures, small_shards
from PIL import Image
from torchvision import transforms as T  # noqa: N812 (its usual name)

from semrsm_widgets.extraction.forward import extract
from semrsm_widgets.images.demo import demo_images
from semrsm_widgets.images.load import load_images
from semrsm_widgets.models.vision_model import VisionModel
from semrsm_widgets.storage.places import open_place
from semrsm_widgets.storage.token_store import open_tokens
from semrsm_widgets.tokens.stored import StoredTensor

LAYERS = ["first", "second"]


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "pictures")


@pytest.fixture
def begun(folder, tmp_path, monkeypatch):
    """Return (the folder of pictures, a store of it, what extracts into it and returns the forwards' sizes)."""
    small_shards(monkeypatch)

    def again(**options):
        ran: list[int] = []
        given = {"batch_size": BATCH, "store": tmp_path / "kept.zarr", "layers": LAYERS, **options}
        again.tokens = extract(given.pop("model", None) or model(ran.append), given.pop("images", folder), **given)
        return ran

    return folder, tmp_path / "kept.zarr", again


def same(tokens, folder, layers=LAYERS):
    """Say whether tokens in a store are those of a call without one."""
    fresh = extract(model(), folder, layers, batch_size=BATCH)
    return list(tokens) == layers and all(torch.equal(tokens[name].values[:], fresh[name].values) for name in layers)


# ---- what it gives


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_a_store_gives_what_memory_gives(dtype, folder, tmp_path):
    plain = extract(model(), folder, LAYERS, batch_size=BATCH, dtype=dtype)
    found = extract(model(), folder, LAYERS, batch_size=BATCH, dtype=dtype, store=tmp_path / "x.zarr")
    for tokens in (found, open_tokens(tmp_path / "x.zarr")):
        assert list(tokens) == LAYERS
        for name in LAYERS:
            assert isinstance(tokens[name].values, StoredTensor)
            assert tokens[name].values.dtype == dtype
            assert torch.equal(tokens[name].values[:].double(), plain[name].values.double())
            assert repr(tokens[name]) == repr(plain[name])


def test_prefix_tokens_and_what_is_said_of_a_layer_are_kept(tmp_path):
    torch.manual_seed(0)
    vit = VisionModel(
        timm.create_model("test_vit", num_classes=0).eval(), T.Compose([T.Resize((160, 160)), T.ToTensor()])
    )
    images = demo_images().select(range(5))
    plain = extract(vit, images, "blocks.0", batch_size=2, max_grid=5)["blocks.0"]
    extract(vit, images, "blocks.0", batch_size=2, max_grid=5, store=tmp_path / "x.zarr")
    kept = open_tokens(tmp_path / "x.zarr")["blocks.0"]
    assert torch.equal(kept.values[:], plain.values)
    assert torch.equal(kept.prefix[:], plain.prefix)
    assert torch.equal(kept.cls().values, plain.cls().values)
    words = ("grid", "native_grid", "layer", "note", "caution", "has_class_token")
    assert [getattr(kept, name) for name in words] == [getattr(plain, name) for name in words]


def test_a_full_store_is_few_files_without_leftovers(begun):
    _, store, again = begun
    assert sum(again()) == 40
    names = [path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()]
    assert len([name for name in names if name.startswith("first/values/c/")]) == 4  # 12 images a shard
    assert not [name for name in names if "pending" in name or "partial" in name or "lock" in name]
    other = zarr.open_group(store, mode="r")  # any Zarr 3 library reads it
    assert other["first/values"].shape == (40, 16, 8)
    assert other["first/values"].chunks == (BATCH, 16, 8)


def test_it_is_read_from_a_zip_file_and_written_to_memory(begun, tmp_path):
    folder, store, again = begun
    again()
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", store)
    assert same(open_tokens(packed), folder)
    assert again(store=packed) == []
    assert same(again.tokens, folder)
    again(store=tmp_path / "half.zarr", layers="first")
    packed = shutil.make_archive(str(tmp_path / "half"), "zip", tmp_path / "half.zarr")
    with pytest.raises(ValueError, match=r"whose parts can be replaced; got 'half.zip' \(ZipStore\). Write a folder"):
        again(store=packed)
    memory = zarr.storage.MemoryStore()
    again(store=memory)
    assert same(open_tokens(memory), folder)


def test_layers_are_added_and_the_others_not_run_again(begun):
    folder, store, again = begun
    again(layers="second")
    assert same(again.tokens, folder, ["second"])
    assert sum(again()) == 40
    assert again() == []
    assert same(open_tokens(store), folder)  # in depth order


# ---- going on


@pytest.mark.parametrize("batches", [1, 3, 4, 7])
def test_a_call_that_stopped_goes_on_at_its_batch(batches, begun):
    folder, store, again = begun

    def stop(done, total):
        if done >= BATCH * batches:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        again(progress=stop)
    with pytest.raises(ValueError, match=rf"complete store of tokens; got 'kept.zarr' with {3 * batches} of 40 images"):
        open_tokens(store)
    told = []
    assert sum(again(progress=lambda *done: told.append(done))) == 40 - BATCH * batches
    assert told[0] == (BATCH * batches, 40)
    assert told[-1] == (40, 40)
    assert same(again.tokens, folder)


def test_an_interrupt_says_what_is_kept(begun):
    _, _, again = begun

    def stop(done, total):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        again(progress=stop)
    text = (
        "Looking at the images stopped at 6 of 40 images. What is done is kept in 'kept.zarr': the same call goes on "
    )
    assert found.value.__notes__ == [f"{text}from there."]
    assert sum(again()) == 34


def test_a_killed_process_loses_what_it_was_at_and_nothing_else(folder, tmp_path):
    store, log = tmp_path / "x.zarr", tmp_path / "log"
    rng = random.Random(16)
    forwards = sorted(rng.sample(range(1, 14), 2))
    for number in forwards:
        process = extracting(folder, store, log)
        while len(log.read_text().splitlines() if log.exists() else ()) < number:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert extracting(folder, store, log).communicate()[0].endswith("done\n")
    assert same(open_tokens(store), folder)
    ran = sum(int(line.split()[1]) for line in log.read_text().splitlines())
    assert 40 <= ran <= 40 + 2 * BATCH * len(forwards)  # one at work, one on its way to the disk
    assert not list(store.rglob("*.partial"))


@pytest.mark.parametrize("left", ["all of it", "a chunk", "its place"])
def test_what_a_killed_process_had_not_removed_yet_goes(left, begun, folder):
    """It was killed after a shard was whole, and before what had waited for it was gone."""
    _, store, again = begun
    forget = stores.layer_store.LayerStore._forget

    def killed(layer, first):
        if left == "all of it":
            raise RuntimeError("killed")
        forget(layer, first)

    stores.layer_store.LayerStore._forget = killed
    try:
        with contextlib.suppress(RuntimeError):
            again()
    finally:
        stores.layer_store.LayerStore._forget = forget
    pending = store / "first" / "pending"
    assert pending.is_dir() == (left == "all of it")
    again()
    if left != "all of it":
        (pending / "0" / "values" / "c").mkdir(parents=True)
        if left == "a chunk":
            (pending / "0" / "values" / "c" / "0").write_bytes(b"half")
    again()
    assert not pending.exists()
    assert same(open_tokens(store), folder)


def test_a_store_whose_first_file_was_not_finished_is_begun(begun, folder):
    _, store, again = begun
    store.mkdir()
    for name in ("zarr.0123.partial", ".lock"):
        (store / name).write_bytes(b"{")
    assert sum(again()) == 40
    assert same(open_tokens(store), folder)
    assert not list(store.rglob("*.partial"))


@pytest.mark.parametrize("written", range(4))
def test_a_layer_whose_attributes_were_not_all_written_is_begun(written, begun, folder):
    """Zarr writes one after another; a process may be killed between two of them."""
    _, store, again = begun
    assert sum(again(layers="first")) == 40
    again()
    second = zarr.open_group(store)["second"]
    said = list(dict(second.attrs).items())
    shutil.rmtree(store / "second")
    zarr.open_group(store).create_group("second", attributes=dict(said[:written]))
    assert list(open_tokens(store)) == ["first"]
    assert sum(again()) == 40
    assert same(open_tokens(store), folder)


def test_what_waits_stays_when_what_has_waited_goes(begun, folder):
    _, store, again = begun

    def stop(done, total):
        if done >= BATCH * (stores.SHARD_BATCHES + 2):
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        again(progress=stop)
    old = store / "first" / "pending" / "0"
    (old / "values").mkdir(parents=True)
    assert sum(again()) == 40 - BATCH * (stores.SHARD_BATCHES + 2)
    assert not old.exists()
    assert same(open_tokens(store), folder)


def test_an_interrupt_waits_for_what_zarr_is_at(begun):
    _, store, again = begun
    again()
    place, ended = open_place(store, "tokens", make=True), []

    async def slow():
        await asyncio.sleep(0.3)
        ended.append(True)

    async def begin():
        begin.task = asyncio.ensure_future(slow())

    with pytest.raises(KeyboardInterrupt), place.written():  # noqa: PT012 (it is all within)
        zarr.core.sync.sync(begin())
        raise KeyboardInterrupt
    assert ended == [True]


def test_a_lock_whose_file_was_removed_meanwhile_keeps_nobody_out(begun, monkeypatch):
    """Who held it removes the file and lets go, between another's opening the file and taking the lock."""
    import filelock

    _, store, again = begun
    again()
    taken = filelock.FileLock.acquire
    third = filelock.FileLock(store / ".lock", is_singleton=False)

    def acquire(lock, *args, **kwargs):
        found = taken(lock, *args, **kwargs)
        monkeypatch.setattr(filelock.FileLock, "acquire", taken)
        (store / ".lock").unlink()  # by the one who held it
        third.acquire(timeout=0)  # finds another file of that name
        return found

    place = open_place(store, "tokens", make=True)
    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.raises(BlockingIOError, match="is being written by another"), place.written():
        pass
    third.release()


# ---- what is refused


def other_weights(options):
    options["model"] = model()
    with torch.no_grad():
        options["model"].module.first.weight[0, 0, 0, 0] += 1


def other_transform(options):
    options["model"] = VisionModel(model().module, T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5)]), name="counting")


def other_code(options):
    options["model"] = model()
    options["model"].module.second.register_forward_hook(lambda module, given, output: output.clamp(max=50))


CHANGES = [
    ({"batch_size": 4}, r"differs in batch_size \(there 3, now 4\)\. Pass another store, or call as it was"),
    ({"max_grid": 2}, r"differs in max_grid \(there None, now 2\)"),
    ({"dtype": torch.float16}, r"differs in dtype \(there torch.float32, now torch.float16\)"),
    (other_weights, r"differs in the weights \(there \w{8}…, now \w{8}…\)\. "),
    (other_transform, r"differs in the transform \(there \w{8}…, now \w{8}…\)\. "),
    (other_code, r"differs in the model's code, buffers, hooks or attributes \("),
]


@pytest.mark.parametrize(("change", "text"), CHANGES, ids=[re.sub("[^a-z ]", "", text[12:30]) for _, text in CHANGES])
def test_other_settings_are_refused_and_named(change, text, begun):
    folder, _, again = begun
    again()
    options = {"images": folder}
    if callable(change):
        change(options)
    else:
        options |= change
    with pytest.raises(
        ValueError, match=r"`store` must be one of the same settings and pictures; got 'kept.zarr', which " + text
    ):
        again(**options)


def test_pictures_that_were_changed_are_named(begun):
    folder, store, again = begun
    again()
    Image.new("RGB", (16, 16), "red").save(folder / "07.png")
    with pytest.raises(ValueError, match=r"differs in pictures that were changed since: '07.png'\. "):
        again()
    assert len(open_tokens(store)["first"]) == 40


def test_a_layer_that_is_read_otherwise_is_refused(begun):
    from semrsm_widgets.extraction.layout import Layout

    _, _, again = begun
    again()
    with pytest.raises(ValueError, match=r"in which 'first' was read otherwise"):
        again(layers="first", layout=Layout("NHWC"))


def test_a_random_layer_is_refused(begun):
    _, _, again = begun
    drawing = model()
    drawing.module.second.register_forward_hook(lambda module, given, output: output + torch.rand(1))
    with (
        pytest.warns(UserWarning, match="random"),
        pytest.raises(ValueError, match=r"'second', which gave two outputs for one input\. What is random cannot"),
    ):
        again(model=drawing)


def test_a_store_and_a_cache_are_refused(begun, tmp_path):
    with pytest.raises(ValueError, match="`cache` must be left out where `store` keeps the tokens"):
        begun[2](cache=tmp_path)


# ---- damage


def flipped(path):
    data = bytearray(path.read_bytes())
    data[100] ^= 4
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def removed(path):
    path.unlink()


@pytest.mark.parametrize("damage", [flipped, cut, removed], ids=lambda damage: damage.__name__)
def test_damaged_tokens_are_named_and_made_anew(damage, begun):
    folder, store, again = begun
    again()
    damage(store / "first" / "values" / "c" / "1" / "0" / "0")  # images 12 to 23
    tokens = open_tokens(store)
    assert torch.equal(
        tokens["first"].values[:12], extract(model(), folder, "first", batch_size=BATCH)["first"].values[:12]
    )
    with pytest.raises(
        ValueError, match=r"'first' of 'kept.zarr': the tokens of '12.png'.* are damaged or gone. The same"
    ):
        tokens["first"].values[12:15]
    assert again() == [BATCH] * (1 if damage is flipped else 4)  # where the file can be read, the batch at that byte
    assert same(open_tokens(store), folder)


def test_a_batch_that_waits_is_checked_too(begun):
    folder, store, again = begun

    def stop(done, total):
        if done == 9:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        again(progress=stop)
    flipped(store / "second" / "pending" / "0" / "values" / "c" / "1" / "0" / "0")
    assert sum(again()) == 40 - 6
    assert same(again.tokens, folder)


# ---- disks, and others who write


def on_a_disk(tmp_path, size, *options):
    """Return what runs a command with a small disk of its own at `tmp_path/disk`, seen by that command alone."""
    disk = tmp_path / "disk"
    disk.mkdir(exist_ok=True)
    given = ",".join([f"size={size}", *options])
    return disk, ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o {given} none {disk} && exec "$0" "$@"']


@own_disk
def test_a_full_disk_is_said_and_what_is_done_stays(folder, tmp_path):
    disk, before = on_a_disk(tmp_path, "150k")
    saved = tmp_path / "saved"
    before[-1] = before[-1].replace('exec "$0" "$@"', f'"$0" "$@"; rc=$?; cp -r {disk}/x.zarr {saved}; exit $rc')
    process = extracting(folder, disk / "x.zarr", tmp_path / "log", *before)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 3, text
    said = "OSError [Errno 28] `store`, 'x.zarr', cannot be written (No space left on device) at image "
    assert said in text
    assert "What is done stays: make room, and the same call goes on from there." in text
    first = sum(int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines())
    assert extracting(folder, saved, tmp_path / "log").communicate(timeout=120)[0].endswith("done\n")
    total = sum(int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines())
    assert 0 < first < 40
    assert 40 <= total <= 40 + 2 * BATCH
    assert same(open_tokens(saved), folder)


@own_disk
def test_a_store_that_cannot_be_written_is_found_before_the_first_picture(begun, tmp_path):
    folder, _, again = begun
    again(layers="first")
    disk = tmp_path / "disk"
    disk.mkdir()
    both = f"mount --bind {tmp_path} {disk} && mount -o remount,bind,ro {disk}"
    before = ["unshare", "-rm", "sh", "-c", f'{both} && exec "$0" "$@"']
    process = extracting(folder, disk / "kept.zarr", tmp_path / "log", *before)
    text = process.communicate(timeout=120)[0]
    assert "ValueError `store` must be one that can be written; got 'kept.zarr': Read-only file system." in text
    assert not (tmp_path / "log").exists()
    again()
    assert (
        extracting(folder, disk / "kept.zarr", tmp_path / "log", *before).communicate(timeout=120)[0].endswith("done\n")
    )


def test_a_place_under_a_file_is_refused(begun, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"`store` must be one that can be written; got 'x.zarr': Not a directory"):
        begun[2](store=tmp_path / "file" / "x.zarr")


def test_only_one_writes(folder, tmp_path, begun):
    _, store, again = begun
    process = extracting(folder, store, tmp_path / "log")
    while not (tmp_path / "log").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGSTOP)  # it holds the store, and stays where it is
    try:
        with pytest.raises(
            BlockingIOError, match=r"`store`, 'kept.zarr', is being written by another process or thread"
        ):
            again()
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=120)[0].endswith("done\n")
    assert again() == []


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_only_one_thread_writes(where, begun):
    _, store, again = begun
    target = store if where == "folder" else zarr.storage.MemoryStore()
    inside, go_on, found = threading.Event(), threading.Event(), []

    def pause(done, total):
        if done == BATCH:
            inside.set()
            go_on.wait(60)

    thread = threading.Thread(target=lambda: found.append(again(store=target, progress=pause)))
    thread.start()
    inside.wait(60)
    try:
        with pytest.raises(BlockingIOError, match="is being written by another process or thread"):
            again(store=target)
    finally:
        go_on.set()
        thread.join()
    assert sum(found[0]) == 40
    assert again(store=target) == []


# ---- what is no store


def test_what_holds_no_tokens_is_refused(tmp_path, begun):
    _, _, again = begun
    with pytest.raises(FileNotFoundError, match=r"got 'gone.zarr', which is not there. Make it: extract"):
        open_tokens(tmp_path / "gone.zarr")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    for call in (open_tokens, lambda store: again(store=store)):
        with pytest.raises(ValueError, match="got 'notes', a folder of something else"):
            call(tmp_path / "notes")
        with pytest.raises(ValueError, match=r"got the file 'a\.txt'"):
            call(tmp_path / "notes" / "a.txt")
    zarr.create_array(tmp_path / "array.zarr", data=np.zeros(3))
    with pytest.raises(ValueError, match="`store` must be one of tokens"):
        again(store=tmp_path / "array.zarr")
    zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
    with pytest.raises(ValueError, match=r"got 'old\.zarr' in Zarr 2"):
        open_tokens(tmp_path / "old.zarr")


def test_a_newer_version_is_named(begun):
    _, store, again = begun
    again()
    group = zarr.open_group(store)
    group.attrs["semrsm_widgets"] = {**group.attrs["semrsm_widgets"], "format": 9, "version": "7.0"}
    for call in (open_tokens, lambda store: again()):
        with pytest.raises(ValueError, match=r"'kept.zarr' of format 9, written by version 7.0. Update semrsm-widgets"):
            call(store)


def test_a_store_whose_making_was_cut_short_is_made(begun):
    folder, store, again = begun
    zarr.open_group(store, mode="w")
    with pytest.raises(ValueError, match=r"got 'kept.zarr', which was just begun. Go on with"):
        open_tokens(store)
    again()
    assert same(open_tokens(store), folder)


def test_a_torn_description_is_said(begun):
    _, store, again = begun
    again()
    (store / "zarr.json").write_text('{"zar')
    with pytest.raises(ValueError, match=r"got 'kept.zarr': JSONDecodeError. Pass another place"):
        again()


# ---- what takes tokens takes them from a store


def test_an_analysis_of_a_store_is_that_of_memory(folder, tmp_path, monkeypatch):
    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.retrieval import search
    from semrsm_widgets.tokens import stored

    monkeypatch.setattr(stored, "BLOCK_BYTES", 4096)
    images = load_images(folder)
    plain = extract(model(), images, LAYERS, batch_size=BATCH)
    extract(model(), images, LAYERS, batch_size=BATCH, store=tmp_path / "x.zarr")
    kept = open_tokens(tmp_path / "x.zarr")
    one, other = Analysis(images, plain, model=model()), Analysis(images, kept, model=model())
    for layer in LAYERS:
        found, expected = other.similarities(layer), one.similarities(layer)
        assert np.allclose(found.semantic, expected.semantic, atol=1e-4)
        assert np.allclose(found.aligned, expected.aligned, atol=1e-9)
        assert np.allclose(found.pooled, expected.pooled, atol=1e-12)
        assert found.null.mean == pytest.approx(expected.null.mean)
        assert np.array_equal(other.matches(layer, 3, 9).permutation, one.matches(layer, 3, 9).permutation)
        places = [each.patch_places(layer, 5, 2, k=4) for each in (other, one)]
        assert np.array_equal(places[0].images, places[1].images)
        some = other.select([4, 30, 11])
        assert isinstance(some.tokens[layer].values, StoredTensor)
        assert np.array_equal(some.rsm(layer), other.rsm(layer)[np.ix_([4, 30, 11], [4, 30, 11])])
        query = plain[layer].values[7]
        assert np.array_equal(search(query, kept[layer], k=3).indices, search(query, plain[layer], k=3).indices)
    other.save(tmp_path / "a.npz", tokens=True)
    assert torch.equal(Analysis.load(tmp_path / "a.npz").tokens["first"].values, plain["first"].values)
