"""Matched Grams by tiles: two blocks of images at a time, from tokens that may lie in a store, and into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, message
from semrsm_widgets.matching import Fallbacks, Matcher, PairJob, Products, TokenSet, match_job
from semrsm_widgets.storage import GramForm, GramStore, Lacking, Patch, checksums, kind_of

from .gram import MatchedGram, mirrored
from .overview import cosine_levels
from .stored_gram import StoredGram

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_TILE = 256
"""Images on a side: larger ones are matched no quicker, and more is lost with one."""
_TILE_PART = 16
"""Of the budget: what the tokens of one side of a tile take as float32."""


@dataclass(frozen=True, eq=False)
class Part:
    """Pairs of a tile: all of some images of x with some of y, or of some images with themselves.

    Attributes:
        rows: (n,) which images of x.
        columns: (m,) which of y.
        symmetric: whether they are the same images of one set.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    symmetric: bool

    @property
    def pairs(self) -> int:
        """Pairs to match."""
        n, m = len(self.rows), len(self.columns)
        return n * (n - 1) // 2 if self.symmetric else n * m


@dataclass(frozen=True, eq=False)
class Tile:
    """What is to be matched of a tile, which begins at the images `top` and `first`."""

    top: int
    first: int
    parts: tuple[Part, ...]

    @property
    def pairs(self) -> int:
        """Pairs to match."""
        return sum(part.pairs for part in self.parts)

    def __str__(self) -> str:
        """Name its images."""
        rows, columns = (np.concatenate([getattr(part, name) for part in self.parts]) for name in ("rows", "columns"))
        return f"images {rows.min()} to {rows.max()} with {columns.min()} to {columns.max()}"


Take = Callable[["NDArray[np.int64]"], TokenSet]
"""Gives the tokens of some images, in memory."""
Keep = Callable[[Tile, Sequence[Products]], None]
"""Is given a tile that is done: of each part the products and their upper bounds (n, m), whole where symmetric."""
MatchTiles = Callable[[Matcher, TokenSet, TokenSet, Sequence[Tile], int, int, Meter, Keep], None]
"""Matches some tiles of x with y, within a budget of memory each, and hands each on when it is done; tells a meter of
how many pairs, of a total, are there. `match_tiles` does it here."""


def gram_into(
    store: Any, matcher: Matcher, left: TokenSet, right: TokenSet, symmetric: bool, match: MatchTiles, memory: int,
    meter: Meter,
) -> MatchedGram:  # fmt: skip
    """Return the matched Gram in a store, having matched the tiles that it lacks."""
    name = repr(matcher)
    if " at 0x" in name:
        todo = "Make it a dataclass(frozen=True): its repr says in a later session whether it is the same."
        raise ValueError(message("matcher", "one with a repr of its own, for a store", name, todo))
    form = GramForm(
        shape=(len(left), len(right)),
        sizes=(left.size, right.size),
        symmetric=symmetric,
        matcher=name,
        block=tile_side(left, right, memory),
    )
    settings = {"x": kind_of(left.values), "y": "x itself" if symmetric else kind_of(right.values), "matcher": name}
    digests = [checksums(left.values)] + ([] if symmetric else [checksums(right.values)])
    target = GramStore.make(store, form, settings, digests)
    meter.kept = f"The tiles that are done are kept in {target.place.label!r}: the same call goes on from there."
    sides = {"x_sq_norms": left.sq_norms, "x_means": left.means}
    sides |= {} if symmetric else {"y_sq_norms": right.sq_norms, "y_means": right.means}
    with ExitStack() as stack:
        refusal: Exception | None = None
        try:
            stack.enter_context(target.written(sides))
        except (BlockingIOError, ValueError) as error:  # all may be there already, to be read by anybody
            refusal = error
        places = _Places(target)
        try:
            missing = [places.tile(each) for each in target.missing()]
        except (ValueError, IndexError, KeyError):
            if refusal is None:
                raise
            raise refusal from None  # whoever writes changes what is read here
        if missing and refusal is not None:
            raise refusal
        levels = cosine_levels(target) if target.is_plain else None
        if missing:
            target.unsettle()
            cosine_levels(target).begin([(tile.top, tile.first) for tile in missing])

        def keep(tile: Tile, found: Sequence[Products]) -> None:
            both = target.merged(tile.top, tile.first, places.patches(tile, found))
            if levels is not None:  # before: what counts as done is a tile that is there
                levels.keep(tile.top, tile.first, both[0])
            counts = sum((one.fallbacks for one in found), Fallbacks())
            target.write(tile.top, tile.first, both, (counts.float64, counts.exact))

        match(matcher, left, right, missing, pairs_of(replace(form, shape=target.shape)), memory, meter, keep)
        gram = StoredGram(target)
        if refusal is None:
            if levels is not None:  # a killed call may have left them behind
                levels.complete(gram, lambda *_: meter(meter.done, meter.total))
            target.settle()
    return gram


class _Places:
    """Which images of a call stand where in a store, and back."""

    def __init__(self, store: GramStore) -> None:
        self._form = store.form
        self._images = [np.full(count, -1, np.int64) for count in store.form.shape]
        for images, rows in zip(self._images, store.rows, strict=True):
            images[rows] = np.arange(len(rows))
        self._rows = store.rows

    def tile(self, lacking: Lacking) -> Tile:
        """Return what is to be matched of a tile, as images of the call."""
        sides = self._form.side(lacking.top, 0), self._form.side(lacking.left, 1)
        rows, columns = (images[side] for images, side in zip(self._images, sides, strict=True))
        on_diagonal = self._form.symmetric and lacking.top == lacking.left
        parts = [Part(rows[i], columns[j], whole) for i, j, whole in rectangles(lacking.pairs, on_diagonal)]
        return Tile(lacking.top, lacking.left, tuple(parts))

    def patches(self, tile: Tile, found: Sequence[Products]) -> list[Patch]:
        """Return what was found of a tile, as rows and columns of it."""
        return [
            Patch(
                self._rows[0][part.rows] - tile.top,
                self._rows[1][part.columns] - tile.first,
                one.products,
                one.upper_bound,
            )
            for part, one in zip(tile.parts, found, strict=True)
        ]


def rectangles(pairs: NDArray[np.bool_], symmetric: bool) -> list[tuple[NDArray[np.int64], NDArray[np.int64], bool]]:
    """Return rows and columns that together make up some pairs (n, m), each once; True for a set with itself.

    Args:
        pairs: which.
        symmetric: whether (i, j) is (j, i), and only one of them is to be there.
    """
    found = []
    left = pairs
    if symmetric:
        new = np.flatnonzero(pairs.diagonal())
        found += [(new, new, True)] if len(new) else []
        left = pairs.copy()
        left[new] = False
        old = ~pairs.diagonal()
        left[np.ix_(old, old)] = np.triu(left[np.ix_(old, old)], 1)
    groups: dict[bytes, list[int]] = {}
    for i in np.flatnonzero(left.any(1)).tolist():
        groups.setdefault(left[i].tobytes(), []).append(i)
    found += [(np.array(rows), np.flatnonzero(left[rows[0]]), False) for rows in groups.values()]
    return found


def match_by_tiles(
    matcher: Matcher, left: TokenSet, right: TokenSet, symmetric: bool, match: MatchTiles, memory: int, meter: Meter
) -> Products:
    """Return the products of all pairs of two sets of tokens in stores, reading two blocks of images at a time."""
    shape, sizes = (len(left), len(right)), (left.size, right.size)
    block = tile_side(left, right, memory)
    form = GramForm(shape=shape, sizes=sizes, symmetric=symmetric, matcher=repr(matcher), block=block)
    both, counts = np.zeros((2, *shape)), []

    def keep(tile: Tile, found: Sequence[Products]) -> None:
        (one,) = found
        here = form.side(tile.top, 0), form.side(tile.first, 1)
        both[0][here], both[1][here] = one.products, one.upper_bound
        counts.append(one.fallbacks)

    tiles = [whole_tile(form, *tile) for tile in form.tiles()]
    match(matcher, left, right, tiles, pairs_of(form), memory, meter, keep)
    return Products(both[0], both[1], sum(counts, Fallbacks()))


def match_tiles(
    matcher: Matcher,
    left: TokenSet,
    right: TokenSet,
    tiles: Sequence[Tile],
    total: int,
    memory: int,
    meter: Meter,
    keep: Keep,
) -> None:
    """Match some tiles here, one after another, and hand each on when it is done; `total` pairs are to be there."""
    done = total - sum(tile.pairs for tile in tiles)
    held: dict[bytes, TokenSet] = {}

    def take_row(images: NDArray[np.int64]) -> TokenSet:
        """Return what the tiles of a row have in common, read once."""
        key = images.tobytes()
        if key not in held:
            held.clear()  # two rows of tiles are never held
            held[key] = left.part(_run(images))
        return held[key]

    for tile in tiles:
        meter(done, total)
        before = done

        def tell(part: int, before: int = before) -> None:
            meter(before + part, total)

        try:
            found = match_tile(matcher, tile, take_row, lambda images: right.part(_run(images)), memory, tell)
        except Exception as error:
            error.add_note(f"(in {tile})")
            raise
        done += tile.pairs
        keep(tile, found)
    meter(total, total)


def match_tile(
    matcher: Matcher, tile: Tile, take_x: Take, take_y: Take, memory: int, tell: Callable[[int], None] | None = None
) -> list[Products]:
    """Return the products of the parts of a tile, with upper bounds that hold; what is symmetric is whole.

    Args:
        matcher: what matches.
        tile: which pairs.
        take_x: gives tokens of x.
        take_y: gives tokens of y.
        memory: bytes that may be held besides the tokens.
        tell: is told how many pairs are done; it may raise to cancel.
    """
    found, done = [], 0
    for part in tile.parts:
        x = take_x(part.rows)
        y = x if part.symmetric else take_y(part.columns)
        progress = None if tell is None else (lambda count, _, done=done: tell(done + count))
        job = PairJob(x=x, y=y, symmetric=part.symmetric, memory=memory, progress=progress)
        one = match_job(matcher, job) if job.pairs else Products(*np.zeros((2, len(x), len(y))))
        products, upper = one.products, certified(one, x, y)
        if part.symmetric:
            products, upper = mirrored(products, x.sq_norms), mirrored(upper, x.sq_norms)
        found.append(Products(products, upper, one.fallbacks))
        done += job.pairs
    return found


def whole_tile(form: GramForm, top: int, first: int) -> Tile:
    """Return a tile of which all is to be matched."""
    rows, columns = (np.arange(side.start, side.stop) for side in (form.side(top, 0), form.side(first, 1)))
    return Tile(top, first, (Part(rows, columns, form.symmetric and top == first),))


def pairs_of(form: GramForm) -> int:
    """Return how many pairs a Gram is made of."""
    n, m = form.shape
    return n * (n - 1) // 2 if form.symmetric else n * m


def tile_side(left: TokenSet, right: TokenSet, memory: int) -> int:
    """Return how many images make a side of a tile: so many as a part of the budget holds."""
    largest = 4 * left.values.shape[2] * max(left.size, right.size)
    return int(max(1, min(LARGEST_TILE, memory // _TILE_PART // largest)))


def certified(found: Products, left: TokenSet, right: TokenSet) -> Matrix:
    """Return the upper bounds of some products, none above ‖X‖‖Y‖; inf where there is no certificate."""
    norms = np.multiply.outer(np.sqrt(left.sq_norms), np.sqrt(right.sq_norms))
    # ‖X‖‖Y‖ bounds every product, too, but for the rounding of its own sum; an uncertified product keeps inf
    largest = norms * (1 + max(left.size, right.size) * left.values.shape[2] * 2.0**-52)
    upper = np.where(np.isfinite(found.upper_bound), np.clip(found.upper_bound, found.products, largest), np.inf)
    highest: Matrix = np.maximum(upper, found.products)
    return highest


def _run(images: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return images as a slice where they follow each other: a part of a tensor is then no copy."""
    first, count = int(images[0]), len(images)
    return slice(first, first + count) if np.array_equal(images, np.arange(first, first + count)) else images
