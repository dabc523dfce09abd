"""A store of tokens: what one call of `extract` gives, under the settings that it was begun with and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import Meter, listed, message
from semrsm_widgets.tokens import Tokens

from .layer_store import LayerStore, group_name
from .places import MADE_OTHERWISE, TOKENS, Place, differences, open_place, reason
from .token_reading import IDS, PREFIX, VALUES

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURES = "pictures"
Parts = dict[str, tuple[torch.Tensor, torch.Tensor | None]]


class TokenStore:
    """Tokens of N images at some layers, in a store that is written batch by batch.

    Args:
        store: anything that Zarr opens.
        settings: what the tokens of all layers depend on: words -> value; a store of others is refused.
        ids: of the images.
        pictures: (N, 32) the SHA-256 of each picture.
        batch: images in a batch.
        dtype: of the tokens.

    Raises:
        ValueError: the store is of other settings or other images, or holds something else.
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
        self._layers: dict[str, LayerStore] = {}
        self.check()

    @property
    def label(self) -> str:
        """What to call it."""
        return self.place.label

    def check(self) -> None:
        """Refuse a store of other settings or images.

        Raises:
            ValueError: what differs is named.
        """
        facts = self.place.facts(TOKENS)
        if facts is None:
            return
        if differ := [*differences(facts["settings"], self._settings), *self._other_images()]:
            got = f"{self.label!r}, which differs in {'; '.join(differ)}"
            raise ValueError(message("store", "one of the same settings and images", got, MADE_OTHERWISE))

    def _other_images(self) -> list[str]:
        """Return what is other about the images of the store, in words."""
        ids = ids_of(self.place)
        if ids != self._ids:
            gone, new = [i for i in ids if i not in set(self._ids)], [i for i in self._ids if i not in set(ids)]
            parts = [f"without {listed(gone)}"] * bool(gone) + [f"with {listed(new)}"] * bool(new)
            return [f"the images ({' and '.join(parts) or 'in another order'})"]
        pictures = self.place.group[PICTURES][:]
        changed = [self._ids[i] for i in np.flatnonzero((pictures != self._pictures).any(1))]
        return [f"pictures that were changed since: {listed(changed)}"] if changed else []

    @contextmanager
    def written(self) -> Iterator[None]:
        """Be the only one who writes; what a store begins with is there on entering.

        Raises:
            BlockingIOError: somebody else is writing it.
            ValueError: it cannot be written, or is of other settings by now.
        """
        with self.place.written():
            self.check()
            try:
                if self.place.facts(TOKENS) is None:
                    self._begin()
                self.place.group.attrs.update({})  # before the first forward, what cannot be written says so
            except OSError as error:
                raise self.place.refuse(error) from None
            yield

    def _begin(self) -> None:
        group, count = self.place.group, len(self._ids)
        group.create_array(IDS, shape=(count,), dtype=str, chunks=(count,), overwrite=True)[:] = np.array(
            self._ids, dtype=object
        )
        group.create_array(PICTURES, data=self._pictures, chunks=self._pictures.shape, overwrite=True)
        self.place.say(TOKENS, {"settings": self._settings, "batch": self._batch, "dtype": _type_name(self._dtype)})

    def done(self, layers: Mapping[str, str], *, clear: bool = False) -> dict[str, set[int]]:
        """Return the first images of the batches that are there, by layer; their tokens are read and checked.

        Args:
            layers: what each depends on besides the settings, by name.
            clear: remove what killed writers left; for the one who writes.

        Raises:
            ValueError: a layer was read otherwise.
        """
        found = {}
        with Meter("Checking what is kept", unit="layers") as meter:
            for k, (name, settings) in enumerate(layers.items()):
                meter(k, len(layers))
                layer = self._layer(name)
                if layer is not None and layer.group.attrs["settings"] != settings:
                    got = f"{self.label!r}, in which {name!r} was read otherwise, or gave something else"
                    raise ValueError(message("store", "one of the same settings and images", got, MADE_OTHERWISE))
                found[name] = set() if layer is None else layer.done(clear=clear)
            meter(len(layers), len(layers))
        return found

    def add(self, name: str, settings: str, depth: int, words: Mapping[str, Any]) -> None:
        """Make room for a layer, of a depth in the model; `words` says what its tokens are besides their numbers."""
        if self._layer(name) is None:
            group = self.place.group.require_group(group_name(name))
            group.attrs.update({"name": name, "words": dict(words), "depth": depth, "settings": settings})

    def write(self, start: int, parts: Parts) -> None:
        """Keep the tokens of one batch at some layers.

        Raises:
            OSError: they cannot be written; the text says that what is done stays.
        """
        try:
            for name, (values, prefix) in parts.items():
                layer = self._layer(name)
                assert layer is not None, "a layer that was not added"
                layer.write(start, {VALUES: values} if prefix is None else {VALUES: values, PREFIX: prefix})
        except OSError as error:
            text = (
                f"`store`, {self.label!r}, cannot be written ({reason(error)}) at image {start:,} of "
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
            layer = _layer_of(self.place, name, self._ids, self._batch, self._dtype)
            if layer is None:
                return None
            self._layers[name] = layer
        return self._layers[name]


def open_tokens(store: Any) -> dict[str, Tokens]:
    """Return the tokens in a store that `extract(..., store=...)` wrote, by layer, read when they are indexed.

    Neither model nor images are needed. Every image's tokens are checked against their checksum when they are read.

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
    facts = place.facts(TOKENS)
    todo = "Go on with the same extract(..., store=...)."
    if facts is None:
        raise ValueError(message("store", "a complete store of tokens", f"{place.label!r}, which was just begun", todo))
    ids, dtype = ids_of(place), getattr(torch, facts["dtype"])
    names = sorted((int(group.attrs["depth"]), str(group.attrs["name"])) for group in _groups(place))
    layers = [_layer_of(place, name, ids, int(facts["batch"]), dtype) for _, name in names]
    for layer in layers:
        if layer is not None and not layer.is_complete():
            got = f"{place.label!r} with {layer.images_done():,} of {len(ids):,} images at {layer.name!r}"
            raise ValueError(message("store", "a complete store of tokens", got, todo))
    return {layer.name: layer.tokens() for layer in layers if layer is not None}


def ids_of(place: Place) -> list[str]:
    """Return what the images of a store are called."""
    return [str(each) for each in place.group[IDS][:]]


def _groups(place: Place) -> Iterator[Any]:
    for name in sorted(place.group.group_keys()):
        group = place.group[name]
        if "settings" in group.attrs:
            yield group


def _layer_of(place: Place, name: str, ids: Sequence[str], batch: int, dtype: torch.dtype) -> LayerStore | None:
    key = group_name(name)
    if key not in place.group or "settings" not in place.group[key].attrs:
        return None
    return LayerStore(place.group[key], place.label, ids, batch, dtype)


def _type_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
