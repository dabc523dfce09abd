"""Tokens of one shard that wait until all that is wanted of it is there: the file of a shard is written once, whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .token_reading import DIGEST_BYTES, digests_of, stored_type

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

PENDING = "pending"
SHA256 = "sha256"


class Pending:
    """The images of one shard of a layer that wait, batch by batch.

    Args:
        group: the Zarr group of the layer.
        first: the first row of the shard.
        forms: (S, D) of each part, by name, in the order of its checksums.
        shard: images in it.
        batch: images in a batch.
        dtype: of the tokens.
    """

    def __init__(
        self,
        group: Any,
        first: int,
        *,
        forms: Mapping[str, tuple[int, ...]],
        shard: int,
        batch: int,
        dtype: torch.dtype,
    ) -> None:
        self._group, self._name = group, f"{PENDING}/{first}"
        self._forms, self._shard, self._batch, self._dtype = forms, shard, batch, dtype
        self._nodes: dict[str, Any] = {}  # arrays that are open: to open one is to read its description

    @property
    def is_there(self) -> bool:
        """Whether anything waits; what a killed process has removed or made in part does not."""
        return all(name in self._nodes or f"{self._name}/{name}" in self._group for name in (*self._forms, SHA256))

    def marked(self) -> NDArray[np.bool_]:
        """Return (shard,) which images wait, without reading them."""
        if not self.is_there:
            return np.zeros(self._shard, np.bool_)
        marks: NDArray[np.bool_] = self._node(SHA256)[:].any((1, 2))
        return marks

    def whole(self) -> NDArray[np.bool_]:
        """Return (shard,) which images wait as they were written: of a batch that is damaged, none."""
        found = np.zeros(self._shard, np.bool_)
        for start in range(0, self._shard if self.is_there else 0, self._batch):
            here = slice(start, start + self._batch)
            try:
                digests = self._node(SHA256)[here]
                if not digests.any():
                    continue
                arrays = {name: self._node(name)[here] for name in self._forms}
            except OSError:  # a disk that fails is no damaged file
                raise
            except Exception:  # whatever the bytes that stand there lead to
                continue
            marks, good = digests.any((1, 2)), same_as_written(arrays, digests)
            found[here] = marks if good[marks].all() else False
        return found

    def write(self, inside: NDArray[np.int64], arrays: Mapping[str, NDArray[Any]], digests: NDArray[np.uint8]) -> None:
        """Have some images of one batch wait; their checksums (k, parts, 32) are written last."""
        if not self.is_there:
            self._make()
        for name in self._forms:
            _put(self._node(name), inside, arrays[name])
        _put(self._node(SHA256), inside, digests)

    def read(self, count: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
        """Return the first images with their checksums; zeros stand where none waits."""
        return {name: self._node(name)[:count] for name in self._forms}, self._node(SHA256)[:count]

    def remove(self) -> None:
        """Remove what has waited, now that the shard is whole."""
        self._nodes.clear()
        remove_folder(self._group, self._name)

    def _make(self) -> None:
        group = self._group.require_group(self._name)
        for name, form in self._forms.items():
            make_array(group, name, (self._shard, *form), self._dtype, (self._batch, *form))
        each = (len(self._forms), DIGEST_BYTES)
        make_array(group, SHA256, (self._shard, *each), None, (self._batch, *each))

    def _node(self, name: str) -> Any:
        if name not in self._nodes:
            self._nodes[name] = self._group[f"{self._name}/{name}"]
        return self._nodes[name]


def same_as_written(arrays: Mapping[str, NDArray[Any]], digests: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return (k,) which images' tokens, by part, are those that their checksums (k, parts, 32) are of."""
    found = [(digests_of(array) == digests[:, k]).all(1) for k, array in enumerate(arrays.values())]
    same: NDArray[np.bool_] = np.logical_and.reduce(found)
    return same


def _put(array: Any, inside: NDArray[np.int64], values: NDArray[Any]) -> None:
    """Write rows of an array, all of one batch, which is one file."""
    first, last = int(inside[0]), int(inside[-1])
    if len(inside) <= last - first:  # there is something between them, which stays
        both = array[first : last + 1]
        both[inside - first] = values
        values = both
    array[first : last + 1] = values


def tidy(group: Any, waiting: set[str]) -> None:
    """Remove what has waited for shards that are whole; a process may have been killed while it did so.

    Args:
        group: the Zarr group of the layer.
        waiting: the first rows of the shards for which something waits still.
    """
    if not waiting:
        remove_folder(group, PENDING)
        return
    for name in names_in(group, PENDING):
        if name.isdecimal() and name not in waiting:
            remove_folder(group, f"{PENDING}/{name}")


def names_in(group: Any, *below: str) -> list[str]:
    """Return what stands in a group, or below it, without asking what it is: half of it may be there."""
    from zarr.core.sync import collect_aiterator

    place = group.store_path
    for name in below:
        place = place / name
    return [str(name) for name in collect_aiterator(place.store.list_dir(place.path))]


def remove_folder(group: Any, name: str) -> None:
    """Remove a group, or as much of it as is there."""
    from zarr.core.sync import sync

    sync((group.store_path / name).delete_dir())


def make_array(
    group: Any, name: str, shape: tuple[int, ...], dtype: torch.dtype | None, chunks: Any, shards: Any = None
) -> None:
    """Make an array without compression: tokens hardly get smaller, and the checksums are ours."""
    group.create_array(
        name,
        shape=shape,
        dtype="uint8" if dtype is None else stored_type(dtype),
        chunks=chunks,
        shards=shards,
        compressors=None,
        filters=None,
        fill_value=0,
        config={"write_empty_chunks": True},
        overwrite=True,
    )
