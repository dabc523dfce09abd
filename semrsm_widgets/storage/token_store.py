"""A store of tokens: what calls of `extract` give, under the settings that it was begun with and no others."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import Meter, listed, message
from semrsm_widgets.tokens import Tokens

from .attributes import ORDER, TokenFacts, checked_rows, group_name, layer_facts, token_facts
from .layer_store import LayerStore
from .pending import names_in, remove_folder
from .places import MADE_OTHERWISE, TOKENS, Place, differences, open_place, reason
from .token_reading import IDS, PREFIX, VALUES

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURES = "pictures"
_ROWS_AT_ONCE = 4096
"""Names in one file, at least: a set that begins small may grow."""
Parts = dict[str, tuple[torch.Tensor, torch.Tensor | None]]


class TokenStore:
    """Tokens of N images at some layers, in a store that is written batch by batch.

    A store has a row for each image that was ever there, known by its id and its picture. New images get the next rows,
    those that are gone keep theirs, and a call has its images' rows in its own order.

    Args:
        store: anything that Zarr opens.
        settings: what the tokens of all layers depend on: words -> value; a store of others is refused.
        ids: of the images of the call.
        pictures: (N, 32) the SHA-256 of each picture.
        batch: images in a batch.
        dtype: of the tokens.

    Raises:
        ValueError: the store is of other settings, of other images alone, or of pictures that were changed since; or it
            holds something else.
    """

    def __init__(
        self,
        store: Any,
        *,
        settings: Mapping[str, str],
        ids: Sequence[str],
        pictures: NDArray[np.uint8],
        batch: int,
        dtype: torch.dtype,
    ) -> None:
        self.place = open_place(store, TOKENS, make=True)
        self._settings, self._ids, self._pictures = dict(settings), list(ids), pictures
        self._batch, self._dtype = batch, dtype
        self.check()

    @property
    def label(self) -> str:
        """What to call it."""
        return self.place.label

    def check(self) -> None:
        """Refuse a store of other settings or images; find the rows of the images of the call.

        Raises:
            ValueError: what differs is named.
        """
        facts = token_facts(self.place)
        there = [] if facts is None else ids_of(self.place, facts)
        known = {each: row for row, each in enumerate(there)}
        new = [each for each in self._ids if each not in known]
        self._all_ids = there + new
        rows = known | {each: len(there) + k for k, each in enumerate(new)}
        self._rows = np.array([rows[each] for each in self._ids], np.int64)
        self._layers: dict[str, LayerStore] = {}
        if facts is None:
            return
        if differ := [*differences(facts.settings, self._settings), *self._other_images(there)]:
            got = f"{self.label!r}, which differs in {'; '.join(differ)}"
            raise ValueError(message("store", "one of the same settings and pictures", got, MADE_OTHERWISE))

    def _other_images(self, there: Sequence[str]) -> list[str]:
        """Return what is other about the images of the store, in words."""
        common = np.flatnonzero(self._rows < len(there))
        if len(common) == 0:
            return [f"the images (none of its {len(there):,} is among those of the call)"]
        pictures = self.place.group[PICTURES][: len(there)][self._rows[common]]
        changed = [self._ids[i] for i in common[(pictures != self._pictures[common]).any(1)]]
        return [f"pictures that were changed since: {listed(changed)}"] if changed else []

    @contextmanager
    def written(self) -> Iterator[None]:
        """Be the only one who writes; on entering the store is of the images of the call.

        Raises:
            BlockingIOError: somebody else is writing it.
            ValueError: it cannot be written, or is of other settings by now.
        """
        with self.place.written():
            self.check()
            try:
                self.place.group.update_attributes({})  # before the first forward, what cannot be written says so
                self._grow()
            except OSError as error:
                raise self.place.refuse(error) from None
            yield

    def _grow(self) -> None:
        """Have a row for each image of the call, and say that they are what the store is of: that last, and at once."""
        facts, group, count = token_facts(self.place), self.place.group, len(self._all_ids)
        is_plain = np.array_equal(self._rows, np.arange(count))
        old = 0 if facts is None else len(ids_of(self.place, facts))
        was = _rows_of(self.place, facts, old) if facts is not None else None
        if facts is not None:
            self._forget_orders(facts.order)
        if was is not None and np.array_equal(was, self._rows):
            return
        if count > old:
            rows = max(count, _ROWS_AT_ONCE)
            if facts is None:
                group.create_array(IDS, shape=(count,), dtype=str, chunks=(rows,), overwrite=True)
                group.create_array(PICTURES, shape=(count, 32), dtype="uint8", chunks=(rows, 32), overwrite=True)
            ids, pictures = group[IDS], group[PICTURES]
            ids.resize((count,))
            pictures.resize((count, pictures.shape[1]))
            ids[old:] = np.array(self._all_ids[old:], dtype=object)
            new = np.flatnonzero(self._rows >= old)
            pictures[old:] = self._pictures[new[np.argsort(self._rows[new])]]
        order = "" if is_plain else f"{ORDER}-{secrets.token_hex(4)}"
        if order:
            group.create_array(order, data=self._rows, chunks=(len(self._rows),))
        said = {"settings": self._settings, "batch": self._batch, "dtype": _type_name(self._dtype)}
        self.place.say(TOKENS, {**said, "images": count, "order": order})
        self._forget_orders(order)

    def _forget_orders(self, but: str) -> None:
        """Remove orders of calls before, and of those that were killed."""
        for name in names_in(self.place.group):
            if name.startswith(f"{ORDER}-") and name != but:
                remove_folder(self.place.group, name)

    def done(self, layers: Mapping[str, str], *, clear: bool = False) -> dict[str, NDArray[np.bool_]]:
        """Return (N,) which images are there, by layer; their tokens are read and checked.

        Args:
            layers: what each depends on besides the settings, by name.
            clear: whether to remove what killed writers left; for the one who writes.

        Raises:
            ValueError: a layer was read otherwise.
        """
        found = {}
        with Meter("Checking what is kept", unit="layers") as meter:
            for k, (name, settings) in enumerate(layers.items()):
                meter(k, len(layers))
                layer = self._layer(name)
                if layer is not None and layer.facts.settings != settings:
                    got = f"{self.label!r}, in which {name!r} was read otherwise, or gave something else"
                    raise ValueError(message("store", "one of the same settings and pictures", got, MADE_OTHERWISE))
                there = np.zeros(len(self._all_ids), np.bool_) if layer is None else layer.done(clear=clear)
                found[name] = there[self._rows]
            meter(len(layers), len(layers))
        return found

    def batches(self, lacking: NDArray[np.bool_]) -> list[list[int]]:
        """Return some of the call's images (N,) by batches of the store, in the order of their rows."""
        images = np.flatnonzero(lacking)
        images = images[np.argsort(self._rows[images])]
        ends = np.flatnonzero(np.diff(self._rows[images] // self._batch)) + 1
        return [each.tolist() for each in np.split(images, ends) if len(each)]

    def add(self, name: str, settings: str, depth: int, words: Mapping[str, Any]) -> None:
        """Make room for a layer, of a depth in the model; `words` says what its tokens are besides their numbers."""
        if self._layer(name) is None:
            group = self.place.group.require_group(group_name(name))
            group.attrs.update({"name": name, "words": dict(words), "depth": depth, "settings": settings})

    def write(self, images: Sequence[int], parts: Parts) -> None:
        """Keep the tokens of some images of the call, one of the `batches`, at some layers; what is there stays.

        Raises:
            OSError: they cannot be written; the text says that what is done stays.
        """
        rows = self._rows[np.asarray(images, np.int64)]
        try:
            for name, (values, prefix) in parts.items():
                layer = self._layer(name)
                assert layer is not None, "a layer that was not added"
                layer.write(rows, {VALUES: values} if prefix is None else {VALUES: values, PREFIX: prefix})
        except OSError as error:
            text = (
                f"`store`, {self.label!r}, cannot be written ({reason(error)}) at image {images[0]:,} of "
                f"{len(self._ids):,}. What is done stays: make room, and the same call goes on from there."
            )
            raise OSError(error.errno, text) from None

    def tokens(self, name: str) -> Tokens:
        """Return the tokens of a layer, read when they are indexed."""
        layer = self._layer(name)
        assert layer is not None, "a layer that is not there"
        return layer.tokens()

    def _layer(self, name: str) -> LayerStore | None:
        if name not in self._layers:
            layer = _layer_of(self.place, name, self._all_ids, self._rows, self._batch, self._dtype)
            if layer is None:
                return None
            self._layers[name] = layer
        return self._layers[name]


def open_tokens(store: Any) -> dict[str, Tokens]:
    """Return the tokens in a store that `extract(..., store=...)` wrote, by layer, read when they are indexed.

    Neither model nor images are needed. Of a store that has grown, they are those of the images of the last call, in
    its order. Every image's tokens are checked against their checksum when they are read.

    Args:
        store: the path of a folder or of a zip file, a URL, or a Zarr store or group.

    Returns:
        A `Tokens` for each layer, in the order in which they were extracted: values (N, S, D), a `StoredTensor`.

    Raises:
        ImportError: zarr is not installed.
        FileNotFoundError: there is no store.
        ValueError: it holds something else, is of a newer version, or not all images are there yet.

    Example:
        >>> tokens = srsm.open_tokens("features.zarr")
        >>> srsm.matched_gram(tokens["blocks.4"])
    """
    place = open_place(store, TOKENS)
    facts = token_facts(place)
    todo = "Go on with the same extract(..., store=...)."
    if facts is None:
        raise ValueError(message("store", "a complete store of tokens", f"{place.label!r}, which was just begun", todo))
    ids = ids_of(place, facts)
    rows = _rows_of(place, facts, len(ids))
    layers = layers_of(place, ids, rows, facts)
    for layer in layers:
        if not layer.is_complete():
            got = f"{place.label!r} with {layer.images_done():,} of {len(rows):,} images at {layer.name!r}"
            raise ValueError(message("store", "a complete store of tokens", got, todo))
    return {layer.name: layer.tokens() for layer in layers}


def layers_of(place: Place, ids: Sequence[str], rows: NDArray[np.int64], facts: TokenFacts) -> list[LayerStore]:
    """Return the layers of a store, in depth order, for some rows of its images.

    Raises:
        ValueError: what a layer says of itself is not what it has to be.
    """
    found = []
    for key in sorted(place.group.group_keys()):
        layer = _layer_at(place, key, ids, rows, facts.batch, facts.dtype)
        if layer is not None:
            found.append(layer)
    return sorted(found, key=lambda layer: (layer.facts.depth, layer.name))


def ids_of(place: Place, facts: TokenFacts) -> list[str]:
    """Return what the images of a store are called, row by row."""
    return [str(each) for each in place.group[IDS][: facts.images]]


def _rows_of(place: Place, facts: TokenFacts, count: int) -> NDArray[np.int64]:
    """Return which rows the images of the last call have."""
    return checked_rows(place, facts.order, place.group[facts.order][:], count) if facts.order else np.arange(count)


def _layer_of(
    place: Place, name: str, ids: Sequence[str], rows: NDArray[np.int64], batch: int, dtype: torch.dtype
) -> LayerStore | None:
    key = group_name(name)
    return _layer_at(place, key, ids, rows, batch, dtype) if key in place.group else None


def _layer_at(
    place: Place, key: str, ids: Sequence[str], rows: NDArray[np.int64], batch: int, dtype: torch.dtype
) -> LayerStore | None:
    """Return the layer in a group; None where there is none yet."""
    group = place.group[key]
    facts = layer_facts(group, place.label)
    return None if facts is None else LayerStore(group, facts, place.label, ids, rows, batch, dtype)


def _type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
