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
DIGESTS = "tokens_sha256"
FORMAT = 2
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
_missing: WeakKeyDictionary[StoredPart, NDArray[np.bool_]] = WeakKeyDictionary()
"""Which images of a store a known sketch is not of."""


def kept_sketch(values: StoredTensor, make: Callable[[StoredTensor], Sketch]) -> Sketch:
    """Return the sketch of tokens in a store: as it was read before, from the store, or made of these and kept there.

    It is that of the tokens whose checksums the store has; of images that came since, or whose tokens are others, it is
    made. Where the store cannot be written, or is being written by somebody else, the sketch lasts as long as the
    tokens are open.
    """
    part = values.source
    if not isinstance(part, StoredPart):
        return make(values)
    if part not in _known or _missing[part][values.images].any():
        kept = _read(part)
        missing = np.ones(len(part.digests), np.bool_) if kept is None else (kept[0] != part.digests).any(1)
        new = np.intersect1d(values.images, np.flatnonzero(missing))
        known = kept[1] if kept is not None else None
        if known is None or len(new):
            known = _with(known, new, make(StoredTensor(part, new)), len(missing))
            missing[new] = False
            with suppress(OSError, ValueError, NotImplementedError):  # to keep it saves time, and was not asked for
                _write(part, known, missing)
        _known[part], _missing[part] = known, missing
    return _known[part].select(values.images)


def _with(known: Sketch | None, images: NDArray[np.int64], made: Sketch, count: int) -> Sketch:
    """Return a sketch of `count` images with that of some of them put in."""
    found = {}
    for each in fields(Sketch):
        fresh = getattr(made, each.name)
        found[each.name] = np.zeros((count, *fresh.shape[1:]), fresh.dtype)
        if known is not None:
            found[each.name][:] = getattr(known, each.name)
        found[each.name][images] = fresh
    return Sketch(**found)


def piece_of(values: StoredTensor) -> NDArray[np.int64]:
    """Return (N,) numbers of the pieces in which images lie: what is read at least for one of them."""
    part = values.source
    return values.images // (part.array.chunks[0] if isinstance(part, StoredPart) else part.block)


def _of(digests: NDArray[np.uint8]) -> str:
    """Return what says which tokens a sketch is of, and in which form."""
    return f"{FORMAT} {hashlib.sha256(digests.tobytes()).hexdigest()}"


def _layer_path(part: StoredPart) -> str:
    return str(part.array.path).rpartition("/")[0]


def _read(part: StoredPart) -> tuple[NDArray[np.uint8], Sketch] | None:
    """Return the sketch in the store, with the checksums (N, 32) of the tokens that it is of, zeros where of none.

    None where there is none, or what is there is damaged.
    """
    zarr = optional("zarr", "scale")
    try:
        group = zarr.open_group(part.array.store, path=f"{_layer_path(part)}/{SKETCH}", mode="r")
        names = [DIGESTS, *(each.name for each in fields(Sketch))]
        digests, *numbers = (group[name][:] for name in names)
        if group.attrs.get("of") != _of(digests):
            return None
        filled = []
        for each in (digests, *numbers):  # it may be of a time when fewer images were there
            whole = np.zeros((len(part.digests), *each.shape[1:]), each.dtype)
            whole[: len(each)] = each[: len(whole)]
            filled.append(whole)
        return filled[0], Sketch(*filled[1:])
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return None
        raise  # a disk that fails is no damaged file
    except Exception:  # whatever the bytes that stand there lead to
        return None


def _write(part: StoredPart, sketch: Sketch, missing: NDArray[np.bool_]) -> None:
    """Keep a sketch beside the tokens; what it is of is written last.

    Args:
        part: the tokens.
        sketch: of all images of the store.
        missing: which of them it is not of.

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
        digests = np.where(missing[:, None], np.uint8(0), part.digests)
        arrays = {DIGESTS: digests} | {each.name: getattr(sketch, each.name) for each in fields(Sketch)}
        for name, numbers in arrays.items():
            group.create_array(name, data=numbers, chunks=numbers.shape, compressors=[Crc32cCodec()])
        group.attrs["of"] = _of(digests)
