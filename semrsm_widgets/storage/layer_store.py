"""One layer in a store of tokens: batches wait in `pending` until they fill a shard, which is then written once.

So a million images are some thousand files, and a process that is killed loses the batch that it was at. What counts
as done is what has a checksum, which is written after the tokens that it is of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.tokens import StoredTensor, Tokens

from .token_reading import DIGEST_BYTES, PREFIX, VALUES, StoredPart, digests_of, stored_type, to_array

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

SHARD_BYTES = 2**26
"""Of one file, about: a million images of 49 x 320 half-precision numbers are some 470."""
CHUNK_BYTES = 2**19
"""Read at once, about, where a single image is wanted."""
PENDING = "pending"


def group_name(layer: str) -> str:
    """Return what a layer's group is called: its name, where a file can be called so."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", layer)[:60]
    safe = plain == layer and not plain.startswith((".", "_")) and layer not in (PENDING, "zarr.json")
    return plain if safe else f"layer-{plain}-{sha256(layer.encode()).hexdigest()[:8]}"


class LayerStore:
    """The tokens of N images at one layer, written batch by batch.

    Args:
        group: the Zarr group of the layer.
        label: of the store.
        ids: of the N images.
        batch: images written at once.
    """

    def __init__(self, group: Any, label: str, ids: Sequence[str], batch: int, dtype: torch.dtype) -> None:
        self.group, self.label, self.ids, self.batch, self.dtype = group, label, ids, batch, dtype
        self._count = len(ids)
        self._nodes: dict[str, Any] = {}  # arrays that are open: to open one is to read its description
        self._marked: dict[int, NDArray[np.bool]] = {}  # by the first image of a shard: which of its images wait

    @property
    def name(self) -> str:
        """Of the layer."""
        return str(self.group.attrs["name"])

    @property
    def shard(self) -> int:
        """Images in one file."""
        return int(self._node(VALUES).shards[0])

    def _node(self, name: str) -> Any:
        if name not in self._nodes:
            self._nodes[name] = self.group[name]
        return self._nodes[name]

    def parts(self) -> list[str]:
        """Return the names of what is kept of an image: values, and prefix tokens where there are any."""
        return [VALUES, PREFIX] if self._node("sha256").shape[1] == 2 else [VALUES]

    def done(self, *, clear: bool = False) -> set[int]:
        """Return the first images of the batches that are there, and as they were written.

        Args:
            clear: remove what has waited for shards that are whole; for the one who writes.
        """
        if not self._is_made():
            return set()
        found: set[int] = set()
        for first in range(0, self._count, self.shard):
            here = slice(first, min(first + self.shard, self._count))
            if self._is_whole("", here, here):
                found.update(range(here.start, here.stop, self.batch))
            elif self._waits(first):
                self._marked[first] = np.zeros(here.stop - first, np.bool)
                for start in range(here.start, here.stop, self.batch):
                    stop = min(start + self.batch, here.stop)
                    if self._is_whole(_pending(first), slice(start - first, stop - first), slice(start, stop)):
                        found.add(start)
                        self._marked[first][start - first : stop - first] = True
                if self._marked[first].all():  # it was killed while it filled the shard: the last batch does so again
                    found.discard(range(here.start, here.stop, self.batch)[-1])
        if clear:
            self._tidy({f"{first}" for first in self._marked})
        return found

    def write(self, start: int, parts: Mapping[str, torch.Tensor]) -> None:
        """Keep the tokens of one batch, of which the first image is `start`."""
        arrays = {name: to_array(tensor) for name, tensor in parts.items()}
        if not self._is_made():
            self._make(arrays)
        first = start // self.shard * self.shard
        stop = min(first + self.shard, self._count)
        if first not in self._marked:
            self._marked[first] = self._marks_of(first)[: stop - first]
        here = slice(start - first, start - first + len(arrays[VALUES]))
        for name in self.parts():
            self._node(_pending(first) + name)[here] = arrays[name]
        digests = np.stack([digests_of(arrays[name]) for name in self.parts()], 1)
        self._node(_pending(first) + "sha256")[here] = digests
        self._marked[first][here] = True
        if self._marked[first].all():
            self._fill(slice(first, stop))

    def tokens(self) -> Tokens:
        """Return the tokens, read when they are indexed."""
        words = dict(self.group.attrs["words"])
        for name in ("grid", "native_grid"):
            words[name] = None if words[name] is None else tuple(words[name])
        digests = self._node("sha256")[:]
        label = f"{self.name!r} of {self.label!r}"
        found = {
            name: StoredTensor(StoredPart(self._node(name), digests[:, k], self.dtype, label, self.ids))
            for k, name in enumerate(self.parts())
        }
        return Tokens(values=found[VALUES], prefix=found.get(PREFIX), **words)

    def images_done(self) -> int:
        """Return how many images have their tokens, without reading them."""
        if not self._is_made():
            return 0
        waiting = [first for first in range(0, self._count, self.shard) if self._waits(first)]
        done = int(self._node("sha256")[:].any((1, 2)).sum())
        return done + sum(int(self._node(f"{_pending(first)}sha256")[:].any((1, 2)).sum()) for first in waiting)

    def is_complete(self) -> bool:
        """Return whether all images have their tokens in their last place, without reading them."""
        return self._is_made() and bool(self._node("sha256")[:].any((1, 2)).all())

    def _is_made(self) -> bool:
        """Return whether the arrays are there: the checksums' is made last."""
        return "sha256" in self._nodes or "sha256" in self.group

    def _make(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make the arrays of the layer, now that it is known how large they are."""
        largest = max(array[0].nbytes for array in arrays.values())
        batches = max(1, SHARD_BYTES // (largest * self.batch))
        shard = self.batch * min(batches, -(-self._count // self.batch))
        for name, array in arrays.items():
            chunk = max(
                k for k in range(1, self.batch + 1) if self.batch % k == 0 and (k == 1 or k * largest <= CHUNK_BYTES)
            )
            each = array.shape[1:]
            _array(self.group, name, (self._count, *each), self.dtype, (chunk, *each), shards=(shard, *each))
        shape = (self._count, len(arrays), DIGEST_BYTES)
        _array(self.group, "sha256", shape, None, (shard, *shape[1:]))

    def _waits(self, first: int) -> bool:
        """Return whether batches wait for the shard of an image to be full."""
        return f"{_pending(first)}sha256" in self.group

    def _marks_of(self, first: int) -> NDArray[np.bool]:
        """Return which images wait for a shard to be full; a place for them is made."""
        if not self._waits(first):
            group = self.group.require_group(_pending(first).rstrip("/"))
            for part in self.parts():
                each = self._node(part).shape[1:]
                _array(group, part, (self.shard, *each), self.dtype, (self.batch, *each))
            shape = (self.shard, len(self.parts()), DIGEST_BYTES)
            _array(group, "sha256", shape, None, (self.batch, *shape[1:]))
        marks: NDArray[np.bool] = self._node(f"{_pending(first)}sha256")[:].any((1, 2))
        return marks

    def _fill(self, images: slice) -> None:
        """Write one shard of what has waited for it."""
        place, inside = _pending(images.start), slice(0, images.stop - images.start)
        digests = self._node(f"{place}sha256")[inside]
        for k, name in enumerate(self.parts()):
            array = self._node(place + name)[inside]
            if not np.array_equal(digests_of(array), digests[:, k]):
                raise OSError(f"what was written to {self.label!r} reads otherwise: its disk or network loses data")
            node = self._node(name)
            _remove_shard(node, images.start // self.shard)
            node[images] = array
        self._node("sha256")[images] = digests
        del self._marked[images.start]
        self._forget(images.start)

    def _forget(self, first: int) -> None:
        """Remove what has waited for a shard, now that it is whole."""
        for node in [node for node in self._nodes if node.startswith(PENDING)]:
            del self._nodes[node]
        _remove_folder(self.group, _pending(first).rstrip("/"))
        self._tidy(set(self.group[PENDING].group_keys()))

    def _tidy(self, waiting: set[str]) -> None:
        """Remove what has waited for shards that are whole; a process may have been killed while it did so."""
        from zarr.core.sync import collect_aiterator

        if not waiting:
            _remove_folder(self.group, PENDING)
            return
        place = self.group.store_path / PENDING
        for name in collect_aiterator(place.store.list_dir(place.path)):
            if name.isdecimal() and name not in waiting:
                _remove_folder(self.group, f"{PENDING}/{name}")

    def _is_whole(self, place: str, inside: slice, images: slice) -> bool:
        """Return whether some images are in a place, with the tokens that they were written with."""
        try:
            digests = self._node(f"{place}sha256")[inside]
            if not digests.any((1, 2)).all():
                return False
            parts = enumerate(self.parts())
            return all(np.array_equal(digests_of(self._node(place + name)[inside]), digests[:, k]) for k, name in parts)
        except OSError:  # a disk that fails is no damaged file
            raise
        except Exception:  # whatever the bytes that stand there lead to
            return False


def _pending(first: int) -> str:
    """Return where the batches of a shard wait."""
    return f"{PENDING}/{first}/"


def _remove_shard(array: Any, number: int) -> None:
    """Remove a file of an array, which may be damaged: Zarr would read it before it writes there."""
    from zarr.core.sync import sync

    sync((array.store_path / array.metadata.encode_chunk_key((number, 0, 0))).delete())


def _remove_folder(group: Any, name: str) -> None:
    """Remove a group, or as much of it as is there."""
    from zarr.core.sync import sync

    sync((group.store_path / name).delete_dir())


def _array(group: Any, name: str, shape: tuple[int, ...], dtype: Any, chunks: Any, shards: Any = None) -> None:
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
