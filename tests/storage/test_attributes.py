"""Every attribute of every store, replaced by junk of each type: a result, or one error naming store and attribute."""

from __future__ import annotations

import copy
import json
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import stores

import semrsm_widgets as srsm
from semrsm_widgets.storage import checksums, group_name
from semrsm_widgets.storage.what_is_there import pairs_left, tokens_there

GONE = object()
"""Stands for an attribute that is not there."""
HOSTILE = "a\x1b[31m\n\u202e\x00</script>"
JUNK: tuple[Any, ...] = (
    GONE, None, True, 0, -1, 2**31, 10**400, 0.5, float("nan"), "", HOSTILE, "x" * 100_000, "../..", [], [-1, 2**70],
    [[]], {}, {HOSTILE: HOSTILE},
)  # fmt: skip
FEW = (GONE, True, 2**63, HOSTILE, {"x": 1})
"""Of those one of each kind, for what takes longer."""
KEY = "semrsm_widgets"
DOCUMENTED = {
    KEY: ("which was just begun",),  # and killed before it could say what it is
    "settings": ("which differs in",),  # and in what
    "order": ("begun by an earlier version",),
    "images": ("'order'",),  # which names images that are not among so few
}
"""What a text may say instead of naming an attribute."""
LAYERS = ["first", "second"]
OPTIONS: dict[str, Any] = {"batch_size": 3, "workers": 0}
CONTROLS = {chr(k) for k in (*range(32), *range(0x7F, 0xA0), 0x202E)}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all attributes, and of what is in them."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if path and path[-1] == "settings":
        inner = list(inner)[:1]  # the others are as this one
    for key, each in inner:
        yield from places(each, (*path, key))


def changed(attributes: dict[str, Any], path: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    """Return the attributes with one of them, or a part of one, replaced or taken out."""
    found = copy.deepcopy(attributes)
    *above, last = path
    holder: Any = found
    for key in above:
        holder = holder[key]
    if junk is GONE:
        del holder[last]
    else:
        holder[last] = junk
    return found


def shown(junk: Any) -> str:
    return "gone" if junk is GONE else repr(junk)[:40]


def descriptions(store: Path) -> dict[Path, dict[str, Any]]:
    """Return what stands in the files of a store that have attributes, by path; of layers that are alike, of one."""
    found = {each.relative_to(store): json.loads(each.read_text()) for each in sorted(store.rglob("zarr.json"))}
    return {path: said for path, said in found.items() if said.get("attributes") and path.parts[0] != "second"}


def falls(store: Path, scratch: Path, read: Callable[[Path], None], junks: Sequence[Any] = JUNK) -> list[str]:
    """Return what fell when each attribute in a store was replaced by each junk, and it was read."""
    found, tried = [], 0
    for file, said in descriptions(store).items():
        for path in places(said["attributes"]):
            for junk in junks:
                tried += 1
                copied = scratch / "kept.zarr"
                shutil.copytree(store, copied)
                (copied / file).write_text(json.dumps({**said, "attributes": changed(said["attributes"], path, junk)}))
                if fell := how_it_fell(read, copied, path):
                    found.append(f"{read.__name__}, {file.parent} {path} = {shown(junk)}: {fell}")
                shutil.rmtree(copied)
    assert tried > 40, tried
    return found


def how_it_fell(read: Callable[[Path], None], store: Path, path: tuple[Any, ...]) -> str:
    """Return how a store with junk at a path in its attributes is read otherwise than it should; empty if it is not."""
    try:
        read(store)
    except ValueError as error:
        text = str(error)
        if type(error) is not ValueError or "'kept.zarr'" not in text or len(text) > 1000 or CONTROLS & set(text):
            return f"{type(error).__name__} {text[:300]!r}"
        names = [each for each in path if isinstance(each, str)]
        return (
            ""
            if any(name in text for name in (*names, *DOCUMENTED.get(names[-1], ())))
            else f"not named: {text[:300]!r}"
        )
    except Exception as error:
        return f"{type(error).__name__} {str(error)[:200]!r} at {traceback.format_exc(limit=-2)[-300:]}"
    return ""


@pytest.fixture(scope="module")
def token_store(tmp_path_factory):
    """A store of tokens of two layers that has grown, with an order and a sketch; its pictures."""
    folder = tmp_path_factory.mktemp("tokens")
    images = srsm.load_images(stores.pictures(folder / "pictures", 7))
    store = folder / "kept.zarr"
    for some in (images.select([0, 1, 2, 3]), images.select([3, 1, 0, 2, 6, 5, 4])):
        srsm.extract(stores.model(), some, LAYERS, store=store, **OPTIONS)
    tokens = srsm.open_tokens(store)["first"]
    srsm.search(tokens.values[0], tokens, k=2)
    found = {path.as_posix(): said["attributes"] for path, said in descriptions(store).items()}
    assert list(found) == ["first/sketch/zarr.json", "first/zarr.json", "zarr.json"]
    assert found["zarr.json"][KEY]["order"]
    return store, images


@pytest.fixture(scope="module")
def gram_store(tmp_path_factory):
    """A store of a Gram that has an order, and its tokens."""
    store, x = tmp_path_factory.mktemp("grams") / "kept.zarr", stores.matching_tokens(7)
    for some in (x, x[[3, 1, 0, 2]]):
        srsm.matched_gram(some, store=store)
    srsm.open_gram(store).overview(srsm.cosine)
    assert descriptions(store)[Path("zarr.json")]["attributes"][KEY]["order"]
    assert descriptions(store)[Path("zarr.json")]["attributes"]["settled"]
    return store, x


def test_tokens_that_are_opened(token_store, tmp_path):
    store, _ = token_store

    def read(copied):
        for each in srsm.open_tokens(copied).values():
            assert not CONTROLS & set(repr(each))
            assert torch.isfinite(each.values[:]).all()
            assert each.values.shape == (7, 16, 8 if each.layer == "first" else 6)
            query = np.ones((16, each.values.shape[2]), np.float32)
            assert srsm.search(query, each, k=1).indices.shape == (1, 1)

    fell = falls(store, tmp_path, read)
    assert not fell, "\n".join(fell)


def test_tokens_that_are_gone_on_with(token_store, tmp_path):
    store, images = token_store

    def extract(copied):
        tokens = srsm.extract(stores.model(), images, LAYERS, store=copied, **OPTIONS)
        assert all(len(each.values[:]) == 7 for each in tokens.values())

    def plan(copied):
        assert all(len(each.images) == 7 for each in tokens_there(copied, images.ids).values())

    fell = falls(store, tmp_path, plan) + falls(store, tmp_path, extract, FEW)
    assert not fell, "\n".join(fell)


def test_grams_that_are_opened(gram_store, tmp_path):
    store, _ = gram_store

    def read(copied):
        gram = srsm.open_gram(copied)
        assert not CONTROLS & set(repr(gram))
        assert gram.products.shape == gram.shape
        assert gram.shape[0] <= 7
        gram.overview(srsm.cosine).window(slice(0, 1), slice(0, 1), 10)

    fell = falls(store, tmp_path, read)
    assert not fell, "\n".join(fell)


def test_grams_that_are_gone_on_with(gram_store, tmp_path):
    store, x = gram_store
    expected = srsm.matched_gram(x).products

    def match(copied):
        assert np.allclose(srsm.matched_gram(x, store=copied).products, expected)

    settings = descriptions(store)[Path("zarr.json")]["attributes"][KEY]["settings"]
    digests = checksums(torch.from_numpy(x))

    def plan(copied):
        assert pairs_left(copied, settings, digests) in (0, 21)

    fell = falls(store, tmp_path, plan) + falls(store, tmp_path, match, FEW)
    assert not fell, "\n".join(fell)


def test_names_of_layers_are_names_of_files():
    assert group_name("layer1.0.relu@2") != group_name("layer1.0.relu_2")
    assert group_name("blocks.4") == "blocks.4"
    assert group_name("half \ud83d pair").isascii()  # of JSON, which no file can be called
