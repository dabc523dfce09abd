"""A matched Gram in a store: tiles of two blocks of images, each written once and whole, with its certificate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import message
from semrsm_widgets.tokens import StoredTensor, in_blocks

from .places import GRAM, MADE_OTHERWISE, Place, differences, open_place
from .token_reading import StoredPart, digests_of, to_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

TILES, FALLBACKS = "tiles", "fallbacks"
SETTLED = "settled"
"""The attribute that says that all tiles are there, with what `fallbacks` adds up to: a file a tile takes its time."""
_AT_ONCE = 256  # images whose checksums are made
TODO = "Go on with the same matched_gram(..., store=...)."


def fingerprint(values: Tensor) -> str:
    """Return the SHA-256 of tokens (N, S, D), the same wherever they lie; of those in a store nothing is read."""
    digest = hashlib.sha256(f"{tuple(values.shape)} {values.dtype}".encode())
    if isinstance(values, StoredTensor) and isinstance(values.source, StoredPart):
        digest.update(values.source.digests[values.images].tobytes())
        return digest.hexdigest()
    for _, part in in_blocks(values):
        for first in range(0, len(part), _AT_ONCE):
            digest.update(digests_of(to_array(part[first : first + _AT_ONCE].cpu().contiguous())).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class GramForm:
    """What a matched Gram is, besides its numbers.

    Attributes:
        shape: (N, M).
        sizes: (S, T).
        symmetric: whether a set was compared with itself: tiles above the diagonal alone are there.
        matcher: its repr.
        block: images on a side of a tile.
    """

    shape: tuple[int, int]
    sizes: tuple[int, int]
    symmetric: bool
    matcher: str
    block: int

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Yield the first images (row, column) of all tiles, a row of tiles after another."""
        for top in range(0, self.shape[0], self.block):
            for left in range(top if self.symmetric else 0, self.shape[1], self.block):
                yield top, left

    def side(self, first: int, axis: int) -> slice:
        """Return the images of a tile along an axis."""
        return slice(first, min(first + self.block, self.shape[axis]))


class GramStore:
    """The tiles of a matched Gram, and the norms and mean tokens of its images.

    Raises:
        ValueError: the store is of other tokens or another matcher, or holds something else.
    """

    def __init__(self, place: Place, form: GramForm, settings: Mapping[str, str]) -> None:
        self.place, self.form, self._settings = place, form, dict(settings)
        self._arrays: dict[str, Any] = {}

    @classmethod
    def make(cls, store: Any, form: GramForm, settings: Mapping[str, str]) -> GramStore:
        """Return the store for a Gram; one that was begun keeps its size of tiles."""
        found = cls(open_place(store, GRAM, make=True), form, settings)
        found.check()
        return found

    def check(self) -> None:
        """Refuse a store of other tokens or another matcher; take over the size of the tiles of one that was begun."""
        facts = self.place.facts(GRAM)
        if facts is None:
            return
        if differ := differences(facts["settings"], self._settings):
            got = f"{self.place.label!r}, which differs in {'; '.join(differ)}"
            raise ValueError(message("store", "one of the same tokens and matcher", got, MADE_OTHERWISE))
        self.form = _form(facts)

    @classmethod
    def open(cls, store: Any) -> GramStore:
        """Return a store that `make` made.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it holds something else, or not all tiles are there yet.
        """
        place = open_place(store, GRAM)
        facts = place.facts(GRAM)
        if facts is None:
            raise ValueError(
                message("store", "a complete matched Gram", f"{place.label!r}, which was just begun", TODO)
            )
        found = cls(place, _form(facts), facts["settings"])
        if place.attribute(SETTLED) is not None:
            return found
        there = int((found._array(FALLBACKS)[:, :, 2] > 0).sum())
        wanted = len(list(found.form.tiles()))
        if there < wanted:
            got = f"{place.label!r} with {there:,} of {wanted:,} tiles"
            raise ValueError(message("store", "a complete matched Gram", got, TODO))
        return found

    @classmethod
    def begun(cls, store: Any, settings: Mapping[str, str]) -> GramStore | None:
        """Return the store of a Gram, of which tiles may be missing; None where it was not begun yet.

        Raises:
            ValueError: it is of other tokens or another matcher, or holds something else.
        """
        place = open_place(store, GRAM, make=True)
        facts = place.facts(GRAM)
        if facts is None:
            return None
        found = cls(place, _form(facts), settings)
        found.check()
        return found

    @contextmanager
    def written(self, sides: Mapping[str, NDArray[np.float64]]) -> Iterator[None]:
        """Be the only one who writes; norms and means are there on entering.

        Raises:
            BlockingIOError: somebody else is writing it.
            ValueError: it cannot be written.
        """
        with self.place.written():
            self.check()
            try:
                if self.place.facts(GRAM) is None:
                    self._begin(sides)
                self.place.group.attrs.update({})  # what cannot be written says so before the first pair
            except OSError as error:
                raise self.place.refuse(error) from None
            yield

    def _begin(self, sides: Mapping[str, NDArray[np.float64]]) -> None:
        from zarr.codecs import Crc32cCodec, ZstdCodec

        group, form = self.place.group, self.form
        for name, side in sides.items():
            group.create_array(name, data=side, chunks=side.shape, compressors=[Crc32cCodec()], overwrite=True)
        blocks = [-(-count // form.block) for count in form.shape]
        group.create_array(
            FALLBACKS, shape=(*blocks, 3), dtype="int64", chunks=(1, 1, 3), compressors=None, overwrite=True
        )
        group.create_array(
            TILES, shape=(2, *form.shape), dtype="float64", chunks=(2, form.block, form.block), fill_value=float("nan"),
            compressors=[ZstdCodec(level=1), Crc32cCodec()], overwrite=True,
        )  # fmt: skip
        said = {"shape": form.shape, "sizes": form.sizes, "symmetric": form.symmetric, "block": form.block}
        self.place.say(GRAM, {**said, "matcher": form.matcher, "settings": self._settings})

    def missing(self) -> list[tuple[int, int]]:
        """Return the tiles that are not there, or not as they were written."""
        if self.place.facts(GRAM) is None:
            return list(self.form.tiles())
        return [tile for tile in self.form.tiles() if self._whole(*tile) is None]

    def write(
        self, top: int, left: int, products: NDArray[np.float64], upper: NDArray[np.float64], fallbacks: tuple[int, int]
    ) -> None:
        """Keep one tile: its products with their upper bounds in one file, and then that it is there.

        Raises:
            OSError: it cannot be written; the text says that what is done stays.
        """
        rows, columns = self.form.side(top, 0), self.form.side(left, 1)
        try:
            self._array(TILES)[:, rows, columns] = np.stack([products, upper])
            self._array(FALLBACKS)[top // self.form.block, left // self.form.block] = np.array([*fallbacks, 1])
        except OSError as error:
            raise self.place.full(error, rows, columns) from None

    def tile(self, top: int, left: int) -> NDArray[np.float64]:
        """Return (2, n, m): the products and upper bounds of a tile.

        Raises:
            ValueError: it is damaged or gone; its images are named.
        """
        found = self._whole(top, left)
        if found is None:
            rows, columns = self.form.side(top, 0), self.form.side(left, 1)
            where = f"images {rows.start} to {rows.stop - 1} with {columns.start} to {columns.stop - 1}"
            todo = "The same matched_gram(..., store=...) makes it anew."
            raise ValueError(f"The tile of {where} in {self.place.label!r} is damaged or gone. {todo}")
        return found

    def fallbacks(self) -> tuple[int, int]:
        """Return how many pairs were solved in float64, and exactly."""
        both = self.place.attribute(SETTLED)
        if both is None:
            both = self._array(FALLBACKS)[:, :, :2].sum((0, 1))
        return int(both[0]), int(both[1])

    def settle(self) -> None:
        """Write down that all tiles are there; by the one writer."""
        if self.place.attribute(SETTLED) is None:
            self.place.group.attrs[SETTLED] = list(self.fallbacks())

    def unsettle(self) -> None:
        """Say no more that all tiles are there; by the one writer, before one is written."""
        if self.place.attribute(SETTLED) is not None:
            del self.place.group.attrs[SETTLED]

    def side(self, name: str) -> NDArray[np.float64]:
        """Return the norms or mean tokens of one side: "x_sq_norms", "x_means", ..."""
        found: NDArray[np.float64] = self._array(name)[:]
        return found

    def _whole(self, top: int, left: int) -> NDArray[np.float64] | None:
        block = self.form.block
        try:
            if not self._array(FALLBACKS)[top // block, left // block][2]:
                return None
            found: NDArray[np.float64] = self._array(TILES)[:, self.form.side(top, 0), self.form.side(left, 1)]
        except OSError:  # a disk that fails is no damaged file
            raise
        except Exception:  # whatever the bytes that stand there lead to
            return None
        return None if np.isnan(found).any() else found

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self.place.group[name]
        return self._arrays[name]


def _form(facts: Mapping[str, Any]) -> GramForm:
    shape, sizes = ((int(a), int(b)) for a, b in (facts["shape"], facts["sizes"]))
    return GramForm(
        shape=shape,
        sizes=sizes,
        symmetric=bool(facts["symmetric"]),
        matcher=str(facts["matcher"]),
        block=int(facts["block"]),
    )
