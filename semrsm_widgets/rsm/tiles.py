"""Matched Grams by tiles: two blocks of images at a time, from tokens that may lie in a store, and into one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, cached_property, message
from semrsm_widgets.matching import Fallbacks, Matcher, PairJob, Products, TokenSet, match_job
from semrsm_widgets.storage import GramForm, GramStore, fingerprint

from .gram import MatchedGram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LARGEST_TILE = 256
"""Images on a side: larger ones are matched no quicker, and more is lost with one."""
_TILE_PART = 16
"""Of the budget: what the tokens of one side of a tile take as float32."""
Keep = Callable[[int, int, Matrix, Matrix, Fallbacks], None]


class StoredGram(MatchedGram):
    """A matched Gram in a store: `select` reads the tiles that it needs, everything else reads all of it once."""

    def __init__(self, store: GramStore) -> None:
        x_means = store.side("x_means")
        y = "x" if store.form.symmetric else "y"
        y_means = x_means if y == "x" else store.side("y_means")
        float64, exact = store.fallbacks()
        known: dict[str, Any] = {
            "x_sq_norms": store.side("x_sq_norms"),
            "y_sq_norms": store.side(f"{y}_sq_norms"),
            "x_pooled_sq_norms": np.square(x_means).sum(1),
            "y_pooled_sq_norms": np.square(y_means).sum(1),
            "sizes": store.form.sizes,
            "symmetric": store.form.symmetric,
            "matcher": store.form.matcher,
            "fallbacks": Fallbacks(float64=float64, exact=exact),
            "width_from": None,
            "_store": store,
            "_means": (x_means, y_means),
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)

    _store: GramStore
    _means: tuple[NDArray[np.float64], NDArray[np.float64]]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, in {self._store.place.label!r})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self._store.form.shape

    @property
    def products(self) -> Matrix:
        """(N, M) float64: M_ij."""
        return self._whole.products

    @property
    def upper_bound(self) -> Matrix:
        """(N, M) float64: no matching is worth more."""
        return self._whole.upper_bound

    @property
    def pooled_products(self) -> Matrix:
        """(N, M) float64: <x̄_i, ȳ_j>."""
        return self._whole.pooled_products

    def select(self, rows: Sequence[int] | None = None, columns: Sequence[int] | None = None) -> MatchedGram:
        """Return the Gram of some images on either side, in memory; only tiles that hold them are read."""
        form = self._store.form
        i, j = (
            np.arange(count) if chosen is None else np.arange(count)[np.asarray(chosen, dtype=np.intp)]
            for chosen, count in zip((rows, columns), form.shape, strict=True)
        )
        both = np.empty((2, len(i), len(j)))
        for top in np.unique(i // form.block).tolist():
            for left in np.unique(j // form.block).tolist():
                here = np.ix_(np.flatnonzero(i // form.block == top), np.flatnonzero(j // form.block == left))
                inside = i[here[0][:, 0]] - top * form.block, j[here[1][0]] - left * form.block
                below = form.symmetric and top > left
                first, second = (left, top) if below else (top, left)
                tile = self._store.tile(first * form.block, second * form.block)
                tile = tile.transpose(0, 2, 1) if below else tile
                for k in range(2):
                    both[k][here] = tile[k][np.ix_(*inside)]
        pooled = self._means[0][i] @ self._means[1][j].T
        symmetric = self.symmetric and np.array_equal(i, j)
        return MatchedGram(
            products=both[0],
            upper_bound=both[1],
            pooled_products=mirrored(pooled, self.x_pooled_sq_norms[i]) if symmetric else pooled,
            x_sq_norms=self.x_sq_norms[i],
            y_sq_norms=self.y_sq_norms[j],
            x_pooled_sq_norms=self.x_pooled_sq_norms[i],
            y_pooled_sq_norms=self.y_pooled_sq_norms[j],
            sizes=self.sizes,
            symmetric=symmetric,
            matcher=self.matcher,
            fallbacks=self.fallbacks,
        )

    @cached_property
    def _whole(self) -> MatchedGram:
        return self.select()

    def at_upper_bound(self) -> MatchedGram:
        """Return the Gram with every product at its upper bound, in memory."""
        return self._whole.at_upper_bound()

    def centred(self) -> MatchedGram:
        """Return the Gram of the mean-free tokens, in memory."""
        return self._whole.centred()

    def pooled(self) -> MatchedGram:
        """Return the Gram of the mean tokens, in memory."""
        return self._whole.pooled()

    def scaled(self, factor: float) -> MatchedGram:
        """Return the Gram of tokens multiplied by sqrt(factor), in memory."""
        return self._whole.scaled(factor)


def open_gram(store: Any) -> MatchedGram:
    """Return the matched Gram in a store that `matched_gram(..., store=...)` wrote.

    `select(rows, columns)` reads the tiles that it needs. Kernels, `products` and what else wants all of it read all.

    Args:
        store: the path of a folder or of a zip file, a URL, or a Zarr store or group.

    Raises:
        ImportError: zarr is not installed.
        FileNotFoundError: there is no store.
        ValueError: it holds something else, is of a newer version, or not all tiles are there yet.

    Example:
        >>> gram = srsm.open_gram("rsm.zarr")
        >>> srsm.cosine(gram.select(range(100), range(100)))
    """
    return StoredGram(GramStore.open(store))


def gram_into(
    store: Any, matcher: Matcher, left: TokenSet, right: TokenSet, symmetric: bool, memory: int, meter: Meter
) -> MatchedGram:
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
    tokens = {"x": fingerprint(left.values), "y": "x itself" if symmetric else fingerprint(right.values)}
    target = GramStore.make(store, form, {**tokens, "matcher": name})
    meter.kept = f"The tiles that are done are kept in {target.place.label!r}: the same call goes on from there."
    sides = {"x_sq_norms": left.sq_norms, "x_means": left.means}
    sides |= {} if symmetric else {"y_sq_norms": right.sq_norms, "y_means": right.means}
    with ExitStack() as stack:
        refusal: Exception | None = None
        try:
            stack.enter_context(target.written(sides))
        except (BlockingIOError, ValueError) as error:  # all may be there already, to be read by anybody
            refusal = error
        missing = target.missing()
        if missing and refusal is not None:
            raise refusal

        def keep(top: int, first: int, products: Matrix, upper: Matrix, fallbacks: Fallbacks) -> None:
            target.write(top, first, products, upper, (fallbacks.float64, fallbacks.exact))

        match_tiles(matcher, left, right, target.form, missing, memory, meter, keep)
    return StoredGram(target)


def match_by_tiles(
    matcher: Matcher, left: TokenSet, right: TokenSet, symmetric: bool, memory: int, meter: Meter
) -> Products:
    """Return the products of all pairs of two sets of tokens in stores, reading two blocks of images at a time."""
    shape, sizes = (len(left), len(right)), (left.size, right.size)
    block = tile_side(left, right, memory)
    form = GramForm(shape=shape, sizes=sizes, symmetric=symmetric, matcher=repr(matcher), block=block)
    both, counts = np.zeros((2, *shape)), []

    def keep(top: int, first: int, products: Matrix, upper: Matrix, fallbacks: Fallbacks) -> None:
        here = form.side(top, 0), form.side(first, 1)
        both[0][here], both[1][here] = products, upper
        counts.append(fallbacks)

    match_tiles(matcher, left, right, form, list(form.tiles()), memory, meter, keep)
    return Products(both[0], both[1], sum(counts, Fallbacks()))


def match_tiles(
    matcher: Matcher,
    left: TokenSet,
    right: TokenSet,
    form: GramForm,
    tiles: Sequence[tuple[int, int]],
    memory: int,
    meter: Meter,
    keep: Keep,
) -> None:
    """Match some tiles, and hand each on when it is done: products and upper bounds (n, m), whole on the diagonal."""
    total = _pairs(form, form.tiles())
    done = total - _pairs(form, tiles)
    row: tuple[int, TokenSet] | None = None
    for top, first in tiles:
        meter(done, total)
        rows, columns = form.side(top, 0), form.side(first, 1)
        if row is None or row[0] != top:
            row = None  # two rows of tiles are never held
            row = top, left.part(rows)
        on_diagonal = form.symmetric and top == first
        x, y = row[1], row[1] if on_diagonal else right.part(columns)
        before = done

        def tell(part: int, _: int, before: int = before) -> None:
            meter(before + part, total)

        job = PairJob(x=x, y=y, symmetric=on_diagonal, memory=memory, progress=tell)
        try:
            found = match_job(matcher, job) if job.pairs else Products(*np.zeros((2, len(x), len(y))))
        except Exception as error:
            error.add_note(f"(in images {rows.start} to {rows.stop - 1} with {columns.start} to {columns.stop - 1})")
            raise
        products, upper = found.products, certified(found, x, y)
        if on_diagonal:
            products, upper = mirrored(products, x.sq_norms), mirrored(upper, x.sq_norms)
        done += job.pairs
        keep(top, first, products, upper, found.fallbacks)
    meter(total, total)


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


def mirrored(upper_triangle: Matrix, diagonal: NDArray[np.float64]) -> Matrix:
    """Return a symmetric matrix of its upper triangle and its diagonal."""
    triangle: Matrix = np.triu(upper_triangle, 1)
    full: Matrix = triangle + triangle.T
    np.fill_diagonal(full, diagonal)
    return full


def _pairs(form: GramForm, tiles: Iterable[tuple[int, int]]) -> int:
    """Return how many pairs of images some tiles hold."""
    total = 0
    for top, first in tiles:
        rows, columns = form.side(top, 0), form.side(first, 1)
        n, m = rows.stop - rows.start, columns.stop - columns.start
        total += n * (n - 1) // 2 if form.symmetric and top == first else n * m
    return total
