"""One layer in a store of tokens: batches wait in `pending` until they fill a shard, which is then written once.

So a million images are some thousand files, and a process that is killed loses the batch that it was at. What counts
as done is what has a checksum, which is written after the tokens that it is of. A shard that had room when a set grew
waits again, as a copy, and is replaced when all that is wanted of it is there: what was in its place stays until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.tokens import StoredTensor, Tokens

from .attributes import LayerFacts, check_layer
from .pending import PENDING, SHA256, Pending, make_array, same_as_written, tidy
from .token_reading import DIGEST_BYTES, PREFIX, VALUES, StoredPart, digests_of, to_array

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

SHARD_BYTES = 2**26
"""Of one file, about: a million images of 49 x 320 half-precision numbers are some 470."""
CHUNK_BYTES = 2**19
"""Read at once, about, where a single image is wanted."""
_MOST_BATCHES = 4096
"""In a file, however small tokens are: it begins with a table of its pieces."""
_DIGESTS_AT_ONCE = 1024
"""Checksums in one file, at least: a set that begins small may grow."""


@dataclass
class _Shard:
    """What is there of the images of one shard, as it was written.

    Attributes:
        placed: (n,) which are in their last place.
        waits: (n,) which wait.
        pending: what waits.
        is_sound: whether all that has a checksum in its last place is as it was written, and something has.
    """

    placed: NDArray[np.bool_]
    waits: NDArray[np.bool_]
    pending: Pending
    is_sound: bool


class LayerStore:
    """The tokens of N images at one layer, a row each, written batch by batch.

    Args:
        group: the Zarr group of the layer.
        facts: what it says of itself.
        label: of the store.
        ids: of the N images.
        rows: (n,) which of them are wanted.
        batch: images in a batch: a batch is of rows that follow a multiple of it.
    """

    def __init__(
        self,
        group: Any,
        facts: LayerFacts,
        label: str,
        ids: Sequence[str],
        rows: NDArray[np.int64],
        batch: int,
        dtype: torch.dtype,
    ) -> None:
        self.group, self.facts, self.label = group, facts, label
        self.ids, self.batch, self.dtype = ids, batch, dtype
        self._count, self._rows = len(ids), rows
        self._nodes: dict[str, Any] = {}  # arrays that are open: to open one is to read its description
        self._shards: dict[int, _Shard] = {}  # those that were looked at, by their first row

    @property
    def name(self) -> str:
        """Of the layer."""
        return self.facts.name

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
        return [VALUES, PREFIX] if self._node(SHA256).shape[1] == 2 else [VALUES]

    def done(self, *, clear: bool = False) -> NDArray[np.bool_]:
        """Return (N,) which images are there, as they were written: of a batch that is damaged, none.

        Args:
            clear: whether to remove what has waited for shards that are whole, and to fill those for which all waits;
                for the one who writes. For others, what waits is not there.
        """
        found = np.zeros(self._count, np.bool_)
        if not self._is_made():
            return found
        waiting = set()
        for first in range(0, self._count, self.shard):
            here = self._looked_at(first)
            if clear and not (here.waits & ~here.placed).any():  # a process may have been killed while it removed it
                here.pending.remove()
                here.waits[:] = False
            elif clear and not self._lacks(first).any():  # one was killed before it had filled it
                self._fill(first)
            placed_or_waits = here.placed | here.waits if clear else here.placed
            found[first : first + self.shard] = placed_or_waits
            if (here.waits & ~here.placed).any():
                waiting.add(f"{first}")
        if clear:
            tidy(self.group, waiting)
        return found

    def write(self, rows: NDArray[np.int64], parts: Mapping[str, torch.Tensor]) -> None:
        """Keep the tokens of some images of one batch, whose rows ascend; what is there stays as it is."""
        arrays = {name: to_array(tensor) for name, tensor in parts.items()}
        if not self._is_made():
            self._make(arrays)
        self._fit()
        first = int(rows[0]) // self.shard * self.shard
        here = self._looked_at(first)
        inside = rows - first
        new = np.flatnonzero(~(here.placed | here.waits)[inside])
        if len(new) == 0:
            return
        self._let_wait(first, here)
        chosen = {name: arrays[name] if len(new) == len(rows) else arrays[name][new] for name in self.parts()}
        digests = np.stack([digests_of(array) for array in chosen.values()], 1)
        here.pending.write(inside[new], chosen, digests)
        here.waits[inside[new]] = True
        if not self._lacks(first).any():
            self._fill(first)

    def tokens(self) -> Tokens:
        """Return the tokens of the wanted images, read when they are indexed."""
        values = self._node(VALUES)
        check_layer(self.facts, self.label, values.shape, values.dtype.name, self.dtype)
        digests = self._node(SHA256)[:]
        label = f"{self.name!r} of {self.label!r}"
        count = self._node(VALUES).shape[0]  # which grows before that of the checksums does
        rows = None if count == len(digests) and np.array_equal(self._rows, np.arange(count)) else self._rows
        found = {
            name: StoredTensor(StoredPart(self._node(name), digests[:, k], self.dtype, label, self.ids), rows)
            for k, name in enumerate(self.parts())
        }
        return Tokens(values=found[VALUES], prefix=found.get(PREFIX), **self.facts.words)

    def images_done(self) -> int:
        """Return how many wanted images have their tokens, without reading them."""
        return int(self.marks()[0][self._rows].sum())

    def marks(self) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Return (N,) which images have their tokens, without reading them, and (N, 32) the checksums of these.

        Checksums are those of tokens in their last place; of others there are zeros.
        """
        digests = np.zeros((self._count, DIGEST_BYTES), np.uint8)
        if not self._is_made():
            return np.zeros(self._count, np.bool_), digests
        there = self._claimed()
        own = self._node(SHA256)[: self._count, 0]
        digests[: len(own)] = own
        for first in range(0, self._count, self.shard):
            there[first : first + self.shard] |= self._pending(first).marked()[: self._count - first]
        return there, digests

    def is_complete(self) -> bool:
        """Return whether all wanted images have their tokens in their last place, without reading them."""
        return self._is_made() and bool(self._claimed()[self._rows].all())

    def _claimed(self) -> NDArray[np.bool_]:
        """Return (N,) which images have a checksum in its last place."""
        marks = self._node(SHA256)[: self._count].any((1, 2))
        claimed: NDArray[np.bool_] = np.concatenate([marks, np.zeros(self._count - len(marks), np.bool_)])
        return claimed

    def _is_made(self) -> bool:
        """Return whether the arrays are there: the checksums' is made last."""
        return SHA256 in self._nodes or SHA256 in self.group

    def _make(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Make the arrays of the layer, now that it is known how large they are."""
        largest = max(array[0].nbytes for array in arrays.values())
        shard = self.batch * min(max(1, SHARD_BYTES // (largest * self.batch)), _MOST_BATCHES)
        for name, array in arrays.items():
            chunk = max(
                k for k in range(1, self.batch + 1) if self.batch % k == 0 and (k == 1 or k * largest <= CHUNK_BYTES)
            )
            each = array.shape[1:]
            make_array(self.group, name, (self._count, *each), self.dtype, (chunk, *each), shards=(shard, *each))
        each = (len(arrays), DIGEST_BYTES)
        chunk = min(shard, max(self._count, _DIGESTS_AT_ONCE))
        make_array(self.group, SHA256, (self._count, *each), None, (chunk, *each))

    def _fit(self) -> None:
        """Have room for all images; the checksums' array is the last to grow."""
        for name in (*self.parts(), SHA256):
            node = self._node(name)
            if node.shape[0] < self._count:
                node.resize((self._count, *node.shape[1:]))

    def _pending(self, first: int) -> Pending:
        forms = {name: self._node(name).shape[1:] for name in self.parts()}
        return Pending(self.group, first, forms=forms, shard=self.shard, batch=self.batch, dtype=self.dtype)

    def _lacks(self, first: int) -> NDArray[np.bool_]:
        """Return (n,) which images of a shard are wanted, and neither in their place nor waiting."""
        here = self._shards[first]
        wanted = np.zeros(len(here.placed), np.bool_)
        inside = self._rows - first
        wanted[inside[(inside >= 0) & (inside < len(wanted))]] = True
        return wanted & ~(here.placed | here.waits)

    def _looked_at(self, first: int) -> _Shard:
        """Return what is there of a shard, having read it once."""
        if first not in self._shards:
            count = min(self.shard, self._count - first)
            placed, is_sound = self._placed(first, count)
            pending = self._pending(first)
            self._shards[first] = _Shard(placed, pending.whole()[:count], pending, is_sound)
        return self._shards[first]

    def _placed(self, first: int, count: int) -> tuple[NDArray[np.bool_], bool]:
        """Return (n,) which images of a shard are in their place, as they were written, and whether that is all."""
        placed = np.zeros(count, np.bool_)
        try:
            digests = self._node(SHA256)[first : first + count]
            marks = digests.any((1, 2))
            if not marks.any():
                return placed, False
            arrays = {name: self._node(name)[first : first + len(digests)] for name in self.parts()}
        except OSError:  # a disk that fails is no damaged file
            raise
        except Exception:  # whatever the bytes that stand there lead to
            return placed, False
        good = same_as_written(arrays, digests)
        for start in range(0, len(digests), self.batch):
            batch = slice(start, start + self.batch)
            placed[: len(digests)][batch] = marks[batch] if good[batch][marks[batch]].all() else False
        return placed, bool(good[marks].all())

    def _let_wait(self, first: int, here: _Shard) -> None:
        """Have what is in its place wait, too, by a copy: the shard is written anew with what comes."""
        copied = here.placed & ~here.waits
        for start in range(0, len(copied), self.batch):
            inside = start + np.flatnonzero(copied[start : start + self.batch])
            if len(inside):
                span = slice(first + int(inside[0]), first + int(inside[-1]) + 1)
                chosen = {name: self._node(name)[span][inside - inside[0]] for name in self.parts()}
                here.pending.write(inside, chosen, self._node(SHA256)[span][inside - inside[0]])
                here.waits[inside] = True

    def _fill(self, first: int) -> None:
        """Write one shard of what has waited for it."""
        here = self._shards[first]
        self._let_wait(first, here)
        arrays, digests = here.pending.read(len(here.waits))
        if not same_as_written(arrays, digests)[here.waits].all():
            raise OSError(f"what was written to {self.label!r} reads otherwise: its disk or network loses data")
        digests[~here.waits] = 0
        images = slice(first, first + len(here.waits))
        for name, array in arrays.items():
            node = self._node(name)
            if not here.is_sound:
                _remove_shard(node, first // self.shard)
            node[images] = array
        self._node(SHA256)[images] = digests
        here.placed, here.waits, here.is_sound = here.waits, np.zeros_like(here.waits), True
        self._forget(first)

    def _forget(self, first: int) -> None:
        """Remove what has waited for a shard, now that it is whole."""
        self._shards[first].pending.remove()
        tidy(self.group, set(self.group[PENDING].group_keys()))


def _remove_shard(array: Any, number: int) -> None:
    """Remove a file of an array, which may be damaged: Zarr would read it before it writes there."""
    from zarr.core.sync import sync

    sync((array.store_path / array.metadata.encode_chunk_key((number, 0, 0))).delete())
