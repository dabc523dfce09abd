"""What a store of tokens keeps of each image so that a search need not read its tokens: written when first needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from semrsm_widgets.common import optional
from semrsm_widgets.tokens import StoredTensor

from .places import TOKENS, open_place
from .token_reading import StoredPart

if TYPE_CHECKING:
    from numpy.typing import NDArray

SKETCH = "sketch"
FORMAT = 1
"""Raise it when a sketch holds other numbers: those of another format are made anew."""


@dataclass(frozen=True, eq=False)
class Sketch:
    """The mean token of each of N images, and how far its tokens spread about it, channel by channel.

    Attributes:
        sq_norms: (N,) float64 squared Frobenius norms.
        means: (N, D) float64 mean tokens.
        spreads: (N, D) float32 standard deviations over the tokens (divided by S), rounded up.
    """

    sq_norms: NDArray[np.float64]
    means: NDArray[np.float64]
    spreads: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.sq_norms)

    def select(self, images: NDArray[np.int64]) -> Sketch:
        """Return the sketch of some images."""
        return Sketch(self.sq_norms[images], self.means[images], self.spreads[images])


_known: WeakKeyDictionary[StoredPart, Sketch] = WeakKeyDictionary()


def kept_sketch(values: StoredTensor, make: Callable[[StoredTensor], Sketch]) -> Sketch:
    """Return the sketch of tokens in a store: as it was read before, from the store, or made of all and kept there.

    It is that of the tokens whose checksums the store has; one of others is made anew. Where the store cannot be
    written, or is being written by somebody else, the sketch lasts as long as the tokens are open.
    """
    part = values.source
    if not isinstance(part, StoredPart):
        return make(values)
    if part not in _known:
        found = _read(part)
        if found is None:
            found = make(StoredTensor(part))
            with suppress(OSError, ValueError, NotImplementedError):  # to keep it saves time, and was not asked for
                _write(part, found)
        _known[part] = found
    return _known[part].select(values.images)


def piece_of(values: StoredTensor) -> NDArray[np.int64]:
    """Return (N,) numbers of the pieces in which images lie: what is read at least for one of them."""
    part = values.source
    return values.images // (part.array.chunks[0] if isinstance(part, StoredPart) else part.block)


def _of(part: StoredPart) -> str:
    """Return what says which tokens a sketch is of, and in which form."""
    return f"{FORMAT} {hashlib.sha256(part.digests.tobytes()).hexdigest()}"


def _layer_path(part: StoredPart) -> str:
    return str(part.array.path).rpartition("/")[0]


def _read(part: StoredPart) -> Sketch | None:
    """Return the sketch in the store; None where there is none of these tokens, or what is there is damaged."""
    zarr = optional("zarr", "scale")
    try:
        group = zarr.open_group(part.array.store, path=f"{_layer_path(part)}/{SKETCH}", mode="r")
        if group.attrs.get("of") != _of(part):
            return None
        return Sketch(**{each.name: group[each.name][:] for each in fields(Sketch)})
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return None
        raise  # a disk that fails is no damaged file
    except Exception:  # whatever the bytes that stand there lead to
        return None


def _write(part: StoredPart, sketch: Sketch) -> None:
    """Keep a sketch beside the tokens; what it is of is written last.

    Raises:
        OSError, ValueError: the store cannot be written, or somebody else writes it.
    """
    from zarr.codecs import Crc32cCodec

    zarr = optional("zarr", "scale")
    store = part.array.store
    if store.read_only:
        store = store.with_read_only(False)
    layer = _layer_path(part)
    top = layer.rpartition("/")[0]
    place = open_place(zarr.open_group(store, path=top, mode="r+"), TOKENS)
    with place.written():
        group: Any = zarr.open_group(store, path=layer, mode="r+").create_group(SKETCH, overwrite=True)
        for each in fields(Sketch):
            numbers = getattr(sketch, each.name)
            group.create_array(each.name, data=numbers, chunks=numbers.shape, compressors=[Crc32cCodec()])
        group.attrs["of"] = _of(part)
