"""A matched Gram in a store: tiles of two blocks of images, each written once and whole, with its certificate.

A store keeps its images in the order in which they came. An image is known by the checksum of its tokens: one that is
new gets the next row, one that is gone keeps its own, and a call has its images' rows in its own order. What a tile
lacks is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Memo, message

from .attributes import checked_rows
from .gram_form import ORDERS, SETTLED, TILES, GramForm, Lacking, Patch, form_of, rows_of, settled
from .places import GRAM, MADE_OTHERWISE, Place, differences, open_place
from .pyramid import PYRAMIDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FALLBACKS = "fallbacks"
DONE, GROWN = 1, 2
"""Marks of a tile: all is there; what is there was all, before images came that fill its block."""
MADE_WITH_TILES = "cosine"
"""The overview whose levels are made as tiles are written."""
RECENT_TILES = 32
"""That were read last, and are kept, 1 MiB each: where one moves about, and for the pair under a pointer."""
Rows = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
TODO = "Go on with the same matched_gram(..., store=...)."


class GramStore:
    """The tiles of a matched Gram, and the norms and mean tokens of its images.

    Attributes:
        place: the store.
        form: of all images that are there, or will be.
        rows: (N,) and (M,) which rows and columns of the store the images of the call are, in its order.

    Raises:
        ValueError: the store is of other tokens or another matcher, or holds something else.
    """

    def __init__(
        self,
        place: Place,
        form: GramForm,
        settings: Mapping[str, str],
        rows: Rows,
        digests: Sequence[NDArray[np.uint8]] = (),
    ) -> None:
        self.place, self.form, self.rows, self._settings = place, form, rows, dict(settings)
        self._digests = tuple(digests)
        self._masks: tuple[NDArray[np.bool_], ...] | None = None  # which rows and columns the call asks for
        self._arrays: dict[str, Any] = {}
        self._recent: Memo[tuple[int, int], NDArray[np.float64]] = Memo(keep=RECENT_TILES)

    @classmethod
    def make(
        cls, store: Any, form: GramForm, settings: Mapping[str, str], digests: Sequence[NDArray[np.uint8]]
    ) -> GramStore:
        """Return the store for a Gram; one that was begun keeps its size of tiles, and its images.

        Args:
            store: anything that Zarr opens.
            form: of a Gram of the images of this call alone.
            settings: what products depend on besides the images: words -> value; a store of others is refused.
            digests: checksums of the tokens of x, and of y where that is another set.
        """
        found = cls(open_place(store, GRAM, make=True), form, settings, (np.arange(0), np.arange(0)), digests)
        found.check()
        return found

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M) of the call."""
        return len(self.rows[0]), len(self.rows[1])

    @property
    def is_plain(self) -> bool:
        """Whether the images of the call are all that are there, in the store's order."""
        return all(
            len(rows) == count and np.array_equal(rows, np.arange(count))
            for rows, count in zip(self.rows, self.form.shape, strict=True)
        )

    def check(self) -> None:
        """Refuse a store of other tokens or another matcher; take over tiles and images of one that was begun."""
        self._arrays.clear()
        self._recent = Memo(keep=RECENT_TILES)
        self._masks = None
        facts = self.place.facts(GRAM)
        if facts is None:
            self.rows = self._rows_among(tuple(digests[:0] for digests in self._digests))
            return
        form = form_of(facts, self.place)
        if "order" not in facts:
            got = f"{self.place.label!r}, begun by an earlier version"
            raise ValueError(message("store", "one that can be gone on with", got, "Pass another; open_gram reads it."))
        differ = differences(facts["settings"], self._settings)
        if not differ:
            there = tuple(
                self._array(f"{axis}_sha256")[:count] for axis, count in zip(self._axes, facts["shape"], strict=False)
            )
            self.rows = self._rows_among(there)
            differ = [
                f"{axis} (no image has the tokens of one that is there)"
                for axis, rows, old in zip(self._axes, self.rows, there, strict=False)
                if len(rows) and len(old) and rows.min() >= len(old)
            ]
        if differ:
            got = f"{self.place.label!r}, which differs in {'; '.join(differ)}"
            raise ValueError(message("store", "one of the same tokens and matcher", got, MADE_OTHERWISE))
        counts = [max(count, int(rows.max(initial=-1)) + 1) for count, rows in zip(form.shape, self.rows, strict=True)]
        self.form = replace(form, shape=(counts[0], counts[1]))

    @property
    def _axes(self) -> str:
        """The sides that are kept: of a set with itself, one."""
        return "x" if self.form.symmetric else "xy"

    def _rows_among(self, there: Sequence[NDArray[np.uint8]]) -> Rows:
        rows = [rows_of(old, now) for old, now in zip(there, self._digests, strict=True)]
        return rows[0], rows[-1]

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
        form = form_of(facts, place)
        found = cls(place, form, facts["settings"], (np.arange(0), np.arange(0)))
        found.rows = found.rows_of_last_call()
        if found.is_settled:
            return found
        there, wanted = int((found._array(FALLBACKS)[:, :, 2] == DONE).sum()), len(list(form.tiles()))
        if there < wanted:
            got = f"{place.label!r} with {there:,} of {wanted:,} tiles"
            raise ValueError(message("store", "a complete matched Gram", got, TODO))
        return found

    def rows_of_last_call(self) -> Rows:
        """Return which rows and columns the images of the last call are, in its order."""
        facts = self.place.facts(GRAM) or {"shape": (0, 0)}
        if order := facts.get("order"):
            kept = [
                checked_rows(self.place, order, self._array(f"{order}/{axis}")[:], count)
                for axis, count in zip(self._axes, facts["shape"], strict=False)
            ]
            return kept[0], kept[-1]
        rows = [np.arange(count) for count in facts["shape"]]
        return rows[0], rows[1]

    @classmethod
    def begun(cls, store: Any, settings: Mapping[str, str], digests: Sequence[NDArray[np.uint8]]) -> GramStore | None:
        """Return the store of a Gram, of which tiles may be missing; None where it is not of these images yet.

        Args:
            store: anything that Zarr opens.
            settings: what products depend on besides the images.
            digests: checksums of the tokens of x, and of y where that is another set.

        Raises:
            ValueError: it is of other tokens or another matcher, or holds something else.
        """
        place = open_place(store, GRAM, make=True)
        facts = place.facts(GRAM)
        if facts is None:
            return None
        found = cls(place, form_of(facts, place), settings, (np.arange(0), np.arange(0)), digests)
        found.check()
        return None if found._is_other(facts) else found

    @contextmanager
    def written(self, sides: Mapping[str, NDArray[np.float64]]) -> Iterator[None]:
        """Be the only one who writes; norms and means of the call's images are there on entering.

        Raises:
            BlockingIOError: somebody else is writing it.
            ValueError: it cannot be written.
        """
        with self.place.written():
            self.check()
            try:
                facts = self.place.facts(GRAM)
                if facts is None:
                    self._begin()
                self.place.group.update_attributes({})  # what cannot be written says so before the first pair
                if facts is None or self._is_other(facts):
                    self._grow(sides, (0, 0) if facts is None else tuple(facts["shape"]), facts)
            except OSError as error:
                raise self.place.refuse(error) from None
            yield

    def _is_other(self, facts: Mapping[str, Any]) -> bool:
        """Return whether the store is of other images than the call, or has them in another order."""
        if tuple(facts["shape"]) != self.form.shape:
            return True
        if not facts["order"]:
            return not self.is_plain
        kept = [self._array(f"{facts['order']}/{axis}")[:] for axis in self._axes]
        return not all(np.array_equal(old, now) for old, now in zip(kept, self.rows, strict=False))

    def _begin(self) -> None:
        """Make the arrays, without images."""
        from zarr.codecs import Crc32cCodec, ZstdCodec

        group, block = self.place.group, self.form.block
        group.create_array(
            FALLBACKS, shape=(0, 0, 3), dtype="int64", chunks=(1, 1, 3), compressors=None, overwrite=True
        )
        group.create_array(
            TILES, shape=(2, 0, 0), dtype="float64", chunks=(2, block, block), fill_value=float("nan"),
            compressors=[ZstdCodec(level=1), Crc32cCodec()], overwrite=True,
        )  # fmt: skip

    def _grow(
        self, sides: Mapping[str, NDArray[np.float64]], old: tuple[int, int], facts: Mapping[str, Any] | None
    ) -> None:
        """Have room for the images of the call, and say that they are what the store is of: that last, and at once."""
        form = self.form
        given: dict[str, NDArray[Any]] = {**sides}
        for axis, digests in zip(self._axes, self._digests, strict=True):
            given[f"{axis}_sha256"] = digests
        for name, values in given.items():
            side = "xy".index(name[0])
            if facts is None and name in self.place.group:  # of a store whose making was cut short
                del self.place.group[name]
            self._extend(name, values, self.rows[side], old[side], form.shape[side])
        self._array(TILES).resize((2, *form.shape))
        blocks = [-(-count // form.block) for count in form.shape]
        marks = self._array(FALLBACKS)
        marks.resize((*blocks, 3))
        for side in (0, 1):
            block, filled = divmod(old[side], form.block)
            if filled and form.shape[side] > old[side]:  # blocks that had room are filled first
                for other in range(-(-old[1 - side] // form.block)):
                    here = (block, other) if side == 0 else (other, block)
                    if marks[here][2] == DONE:
                        marks[(*here, 2)] = GROWN
        in_force = "" if facts is None else facts["order"]
        order = "" if self.is_plain else next(name for name in ORDERS if name != in_force)
        if order:
            for axis, rows in zip(self._axes, self.rows, strict=False):
                chunks = (max(1, len(rows)),)
                self.place.group.create_array(f"{order}/{axis}", data=rows, chunks=chunks, overwrite=True)
        if form.shape != old and PYRAMIDS in self.place.group:  # what is not made with the tiles is made anew
            for name in set(self.place.group[PYRAMIDS].group_keys()) - {MADE_WITH_TILES}:
                del self.place.group[f"{PYRAMIDS}/{name}"]
        self.unsettle()
        self._say(order)
        self._arrays.clear()

    def _extend(self, name: str, values: NDArray[Any], rows: NDArray[np.int64], old: int, count: int) -> None:
        """Add what is known of the images that are new to an array of all."""
        from zarr.codecs import Crc32cCodec

        if name not in self.place.group:
            shape = (count, *values.shape[1:])
            self.place.group.create_array(
                name, shape=shape, dtype=values.dtype, chunks=(max(1, count), *shape[1:]), compressors=[Crc32cCodec()]
            )
        array = self._array(name)
        array.resize((count, *array.shape[1:]))
        if count > old:
            new = np.flatnonzero(rows >= old)
            array[old:count] = values[new[np.argsort(rows[new])]]

    def _say(self, order: str) -> None:
        form = self.form
        said = {"shape": form.shape, "sizes": form.sizes, "symmetric": form.symmetric, "block": form.block}
        self.place.say(GRAM, {**said, "matcher": form.matcher, "settings": self._settings, "order": order})

    def missing(self) -> Iterator[Lacking]:
        """Yield what the call asks for and is not there, or not as it was written, tile by tile."""
        begun = self.place.facts(GRAM) is not None
        for top, left in self.form.tiles():
            wanted = self._wanted(top, left)
            tile = self._there(top, left) if begun and wanted.any() else None
            lacks = wanted if tile is None else wanted & np.isnan(tile).any(0)
            if lacks.any():
                yield Lacking(top, left, lacks)

    def _wanted(self, top: int, left: int) -> NDArray[np.bool_]:
        """Return (n, m) which pairs of a tile the call asks for."""
        if self._masks is None:
            self._masks = tuple(np.zeros(count, np.bool_) for count in self.form.shape)
            for mask, rows in zip(self._masks, self.rows, strict=True):
                mask[rows] = True
        wanted: NDArray[np.bool_] = (
            self._masks[0][self.form.side(top, 0)][:, None] & self._masks[1][self.form.side(left, 1)]
        )
        return wanted

    def merged(self, top: int, left: int, patches: Sequence[Patch]) -> NDArray[np.float64]:
        """Return (2, n, m) a tile with what it has, and patches of it: products, upper bounds; NaN elsewhere."""
        found = self._there(top, left)
        if found is None:
            rows, columns = self.form.side(top, 0), self.form.side(left, 1)
            found = np.full((2, rows.stop - rows.start, columns.stop - columns.start), np.nan)
        for patch in patches:
            for plane, values in zip(found, (patch.products, patch.upper_bound), strict=True):
                plane[np.ix_(patch.rows, patch.columns)] = values
                if self.form.symmetric and top == left:
                    plane[np.ix_(patch.columns, patch.rows)] = values.T
        return found

    def write(self, top: int, left: int, tile: NDArray[np.float64], fallbacks: tuple[int, int]) -> None:
        """Keep one tile: its products with their upper bounds in one file, and then that it is there.

        Args:
            top: its first row.
            left: its first column.
            tile: what `merged` returned.
            fallbacks: pairs that were solved in float64, and exactly, of those that are new.

        Raises:
            OSError: it cannot be written; the text says that what is done stays.
        """
        rows, columns = self.form.side(top, 0), self.form.side(left, 1)
        here = top // self.form.block, left // self.form.block
        try:
            marks = self._array(FALLBACKS)
            before = marks[here] if marks[here][2] == GROWN else np.zeros(3, np.int64)
            self._array(TILES)[:, rows, columns] = tile
            marks[here] = np.array([before[0] + fallbacks[0], before[1] + fallbacks[1], DONE])
        except OSError as error:
            raise self.place.full(error, rows, columns) from None

    def tile(self, top: int, left: int) -> NDArray[np.float64]:
        """Return (2, n, m): the products and upper bounds of a tile; NaN may stand for images that were removed.

        Raises:
            ValueError: it is damaged or gone; its images are named.
        """
        return self._recent.get((top, left), lambda _: self._whole(top, left))

    def _whole(self, top: int, left: int) -> NDArray[np.float64]:
        found = self._there(top, left, marked=False)  # its file is there as a whole, or not at all
        if found is None or (np.isnan(found.max()) and np.isnan(found)[:, self._wanted(top, left)].any()):
            rows, columns = self.form.side(top, 0), self.form.side(left, 1)
            where = f"images {rows.start} to {rows.stop - 1} with {columns.start} to {columns.stop - 1}"
            todo = "The same matched_gram(..., store=...) makes it anew."
            raise ValueError(f"The tile of {where} in {self.place.label!r} is damaged or gone. {todo}")
        found.setflags(write=False)
        return found

    def fallbacks(self) -> tuple[int, int]:
        """Return how many pairs were solved in float64, and exactly."""
        both = settled(self.place)
        if both is None:
            counted = self._array(FALLBACKS)[:, :, :2].sum((0, 1))
            return int(counted[0]), int(counted[1])
        return both

    @property
    def is_settled(self) -> bool:
        """Whether it is written down that all is there."""
        return settled(self.place) is not None

    def settle(self) -> None:
        """Write down that all that the call asks for is there; by the one writer."""
        if self.is_settled:
            return
        self._arrays.clear()
        marks = self._array(FALLBACKS)
        known = marks[:]
        for top, left in self.form.tiles():
            here = top // self.form.block, left // self.form.block
            if known[here][2] != DONE:
                marks[(*here, 2)] = DONE
        self.place.group.attrs[SETTLED] = list(self.fallbacks())

    def unsettle(self) -> None:
        """Say no more that all tiles are there; by the one writer, before one is written."""
        if self.is_settled:
            del self.place.group.attrs[SETTLED]

    def side(self, name: str) -> NDArray[np.float64]:
        """Return the norms or mean tokens of all images of one side, in the store's order: "x_sq_norms", ..."""
        found: NDArray[np.float64] = self._array(name)[:]
        return found

    def _there(self, top: int, left: int, *, marked: bool = True) -> NDArray[np.float64] | None:
        """Return what is there of a tile, with NaN for what is not; None where nothing is, or it is damaged.

        With `marked=False` it is not looked up whether somebody has written down that it is there.
        """
        block = self.form.block
        try:
            if marked and not self._array(FALLBACKS)[top // block, left // block][2]:
                return None
            found: NDArray[np.float64] = self._array(TILES)[:, self.form.side(top, 0), self.form.side(left, 1)]
        except OSError:  # a disk that fails is no damaged file
            raise
        except Exception:  # whatever the bytes that stand there lead to
            return None
        sides = self.form.side(top, 0), self.form.side(left, 1)
        room = [(0, side.stop - side.start - had) for side, had in zip(sides, found.shape[1:], strict=True)]
        if any(more for _, more in room):  # of images for which it has not grown yet
            found = np.pad(found, [(0, 0), *room], constant_values=np.nan)
        return None if np.isnan(found.max(initial=-np.inf)) and np.isnan(found).all() else found

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self.place.group[name]
        return self._arrays[name]
