"""Tokens read from a store: checked against their checksums, image by image, whenever they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import listed, optional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

DIGEST_BYTES = 32
IDS = "ids"
VALUES, PREFIX = PARTS = ("values", "prefix")
"""What is kept of an image, in the order of its checksums."""
_NATIVE = {torch.float16: "float16", torch.float32: "float32", torch.float64: "float64"}
_BITS = {1: torch.uint8, 2: torch.uint16}


def stored_type(dtype: torch.dtype) -> str:
    """Return the Zarr type under which tokens are kept; of a type that Zarr has not, its bits."""
    return _NATIVE.get(dtype) or str(_BITS[dtype.itemsize]).removeprefix("torch.")


def to_array(tokens: Tensor) -> NDArray[Any]:
    """Return tokens as Zarr keeps them."""
    array: NDArray[Any] = (tokens if tokens.dtype in _NATIVE else tokens.view(_BITS[tokens.dtype.itemsize])).numpy()
    return array


def digests_of(tokens: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the SHA-256 of each image's tokens, (k, 32)."""
    rows = np.ascontiguousarray(tokens).reshape(len(tokens), -1).view(np.uint8)
    joined = b"".join(hashlib.sha256(row.data).digest() for row in rows)
    return np.frombuffer(joined, np.uint8).reshape(len(tokens), DIGEST_BYTES)


@dataclass(frozen=True, eq=False)
class StoredPart:
    """The tokens, or the prefix tokens, of one layer in a store.

    Attributes:
        array: the Zarr array (N, S, D).
        digests: (N, 32) uint8, the SHA-256 of each image's tokens.
        dtype: of the tokens; the array may hold their bits.
        label: which layer of which store, for texts.
        ids: what the images are called.
    """

    array: Any
    digests: NDArray[np.uint8] = field(repr=False)
    dtype: torch.dtype
    label: str
    ids: Sequence[str] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(N, S, D)."""
        count, size, channels = self.array.shape
        return count, size, channels

    @property
    def block(self) -> int:
        """Images in one file."""
        return int((self.array.shards or self.array.chunks)[0])

    def address(self) -> PartAddress | None:
        """Return by what another process finds it; None of what lies in the memory of this one."""
        store = self.array.store
        kind = type(store).__name__
        if kind in ("LocalStore", "ZipStore"):
            path = store.root if kind == "LocalStore" else store.path
            store = str(path.resolve())
        elif "Memory" in kind:
            return None
        return PartAddress(store, self.array.path, self.dtype, self.label)

    def read(self, images: NDArray[np.int64]) -> Tensor:
        """Return the tokens (k, S, D) of some images, in their order.

        Raises:
            ValueError: they are damaged or gone; the images are named.
        """
        try:
            found = self._gather(images)
        except Exception as error:  # whatever the bytes that stand there lead to
            raise self._damaged(images) from error
        bad = (digests_of(found) != self.digests[images]).any(1)
        if bad.any():
            raise self._damaged(images[bad])
        tensor = torch.from_numpy(found)
        return tensor if tensor.dtype == self.dtype else tensor.view(self.dtype)

    def _gather(self, images: NDArray[np.int64]) -> NDArray[Any]:
        found: NDArray[Any]
        if len(images) == 0:
            return np.empty((0, *self.shape[1:]), self.array.dtype)
        first, last = int(images[0]), int(images[-1])
        if np.array_equal(images, np.arange(first, last + 1)):
            found = self.array[first : last + 1]
            return found
        wanted, places = np.unique(images, return_inverse=True)
        found = self.array.oindex[wanted][places]
        return found

    def _damaged(self, images: NDArray[np.int64]) -> ValueError:
        names = listed([self.ids[i] for i in images.tolist()])
        todo = "The same extract(..., store=...) finds what is damaged and makes it anew."
        return ValueError(f"{self.label}: the tokens of {names} are damaged or gone. {todo}")


@dataclass(frozen=True)
class PartAddress:
    """By what a process elsewhere finds the tokens, or prefix tokens, of one layer.

    Attributes:
        store: the path of a folder or zip file, or a Zarr store that can be sent.
        path: of the array in it.
        dtype: of the tokens.
        label: which layer of which store, for texts.
    """

    store: Any
    path: str
    dtype: torch.dtype
    label: str

    def open(self) -> StoredPart:
        """Return the tokens, read when they are asked for.

        Raises:
            FileNotFoundError: they are not there, seen from this machine.
        """
        zarr = optional("zarr", "scale")
        layer_path, _, name = self.path.rpartition("/")
        root_path = layer_path.rpartition("/")[0]
        try:
            target = zarr.storage.ZipStore(self.store, mode="r") if str(self.store).endswith(".zip") else self.store
            root = zarr.open_group(target, path=root_path, mode="r")
            layer = root[layer_path.rpartition("/")[2]]
            digests = layer["sha256"][:, PARTS.index(name)]
            ids = [str(each) for each in root[IDS][:]]
            return StoredPart(layer[name], digests, self.dtype, self.label, ids)
        except (OSError, KeyError, ValueError, zarr.errors.BaseZarrError) as error:
            todo = "Keep stores where all machines see them."
            raise FileNotFoundError(f"{self.label} is not where it was where it was opened. {todo}") from error
