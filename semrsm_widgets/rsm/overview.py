"""An RSM that is too large to be held, from afar and from near: any part of it in as many cells as can be shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, Progress, ProgressOption, check_int, message
from semrsm_widgets.storage import BINS, Cells, GramStore, Pyramid

from .gram import MatchedGram
from .kernels import Kernel, check_kernel, cosine, inner_product, kernel_key, kernel_name, rbf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class RSMWindow:
    """A part of a large RSM, in cells of `side` x `side` pairs.

    Attributes:
        rows: (first, last + 1), the images of its rows.
        columns: (first, last + 1).
        side: pairs a side of a cell; 1: each cell is a pair.
        mean: (n, m) float32, the mean of the pairs of each cell; NaN where it has none.
        low: (n, m) float32, the least of them.
        high: (n, m) float32, the largest of them.
        pairs: (n, m) float32, how many there are: an image with itself does not count, but where each cell is a pair.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    side: int
    mean: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    pairs: NDArray[np.float32]

    def __repr__(self) -> str:
        what = "pairs" if self.side == 1 else f"cells of {self.side} x {self.side} pairs"
        n, m = self.mean.shape
        return f"RSMWindow({n} x {m} {what}, rows {self.rows}, columns {self.columns})"


class Overview:
    """An RSM over a Gram in a store, read in windows.

    The mean, least and largest values of squares of 2 x 2, 4 x 4, ... pairs lie in the store beside the tiles. They are
    of one kernel's values; `StoredGram.overview` makes what is missing of them.
    """

    def __init__(self, gram: MatchedGram, kernel: Kernel, pyramid: Pyramid) -> None:
        self.gram, self.kernel, self._pyramid = gram, kernel, pyramid

    def __repr__(self) -> str:
        n, m = self.shape
        return f"Overview({kernel_name(self.kernel)}, {n} x {m})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self._pyramid.form.shape

    def is_complete(self) -> bool:
        """Return whether all levels are there."""
        return self._pyramid.is_complete()

    def values(self, rows: slice, columns: slice) -> Matrix:
        """Return (n, m) the kernel's values of some rows and columns; the tiles that hold them are read."""
        n, m = self.shape
        return self.kernel(self.gram.select(range(n)[rows], range(m)[columns]))

    def window(self, rows: slice, columns: slice, cells: int) -> RSMWindow:
        """Return a part of the RSM in at most so many cells a side, each a square of 1, 2, 4 ... pairs a side.

        Cells stand at multiples of their side, so that the window may begin before and end after what was asked for.

        Args:
            rows: which; empty ones are refused.
            columns: which.
            cells: at most so many a side, where cells stood at the first row and column.

        Example:
            >>> gram.overview().window(slice(0, 20_000), slice(0, 20_000), 400)
            RSMWindow(313 x 313 cells of 64 x 64 pairs, rows (0, 20000), columns (0, 20000))
        """
        cells = check_int("cells", cells, minimum=1)
        (top, bottom), (left, right) = (
            each.indices(count)[:2] for each, count in zip((rows, columns), self.shape, strict=True)
        )
        if top >= bottom or left >= right:
            raise ValueError(message("rows and columns", f"within {self.shape}", f"{rows} and {columns}"))
        level = 0
        while -(-max(bottom - top, right - left) // 2**level) > cells:
            level += 1
        side = 2**level
        spans = [(first // side, -(-last // side)) for first, last in ((top, bottom), (left, right))]
        here, there = (slice(*span) for span in spans)
        found = self._cells(level, here, there)
        ends = [(first * side, min(last * side, count)) for (first, last), count in zip(spans, self.shape, strict=True)]
        return RSMWindow(
            rows=ends[0], columns=ends[1], side=side, **{name: _narrow(each) for name, each in found._asdict().items()}
        )

    def _cells(self, level: int, rows: slice, columns: slice) -> Cells:
        if level == 0:
            return Cells.of(self.values(rows, columns))
        if level <= self._pyramid.levels:
            return self._pyramid.read(level, rows, columns)
        below = (
            slice(2 * each.start, min(2 * each.stop, -(-count // 2 ** (level - 1))))
            for each, count in zip((rows, columns), self.shape, strict=True)
        )
        return self._cells(level - 1, *below).halved()

    def extremes(self) -> tuple[float, float]:
        """Return the least and the largest value of all pairs of different images."""
        whole = self._cells(self._pyramid.levels, *(slice(0, -(-n // 2**self._pyramid.levels)) for n in self.shape))
        return float(np.nanmin(whole.low)), float(np.nanmax(whole.high))

    def spread(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return (BINS + 1,) the edges and (BINS,) how many pairs of different images have values between them."""
        return np.linspace(*self._pyramid.limits, BINS + 1), self._pyramid.spread()

    def quantiles(self, shares: NDArray[np.float64] | list[float]) -> NDArray[np.float64]:
        """Return the values below which some shares of all pairs lie, to the width of a bin of `spread`."""
        edges, counts = self.spread()
        reached = np.concatenate([[0.0], np.cumsum(counts)]) / max(1, counts.sum())
        return np.interp(shares, reached, edges)


def overview_of(
    gram: MatchedGram, store: GramStore, kernel: Kernel, *, part: str = "", progress: ProgressOption = None
) -> Overview:
    """Return the overview of a Gram in a store under a kernel, having made what it lacks of it.

    Args:
        gram: reads the tiles.
        store: where they are.
        kernel: of the package.
        part: what is taken of the Gram, if not its matched products: "pooled".
        progress: as for `matched_gram`, with (tiles done, tiles in all).
    """
    key = _key(kernel)
    name = f"{part}-{key}" if part else key
    form = store.form
    if not store.is_plain:  # of some of the images, or in another order: cells are of other pairs
        rows = hashlib.sha256(b"".join(each.tobytes() for each in store.rows)).hexdigest()[:16]
        name, form = f"{name}-of-{rows}", replace(form, shape=store.shape)
    found = Overview(gram, kernel, Pyramid(store.place, name, form, _limits(gram, kernel)))
    if found.is_complete():
        return found
    place = store.place.to_write()
    kept = "What is done of it is kept: the same call goes on from there."
    with place.written(), Meter("Making the overview", progress, unit="tiles", kept=kept) as meter:
        Pyramid(place, name, form, _limits(gram, kernel)).complete(found.values, meter)
    return found


def _key(kernel: Kernel) -> str:
    """Return under which name the levels of a kernel are kept."""
    key = kernel_key(check_kernel(kernel))
    if key is None:
        todo = "Others may depend on the whole Gram: apply them to gram.select(rows, columns)."
        expected = "cosine, inner_product or partial(rbf, sigma=...), for an overview"
        raise ValueError(message("kernel", expected, kernel_name(kernel), todo))
    name, sigma = key
    return name if sigma is None else f"{name}-{sigma.hex()}"


def _limits(gram: MatchedGram, kernel: Kernel) -> tuple[float, float]:
    """Return the least and the largest value that a kernel of the package can have."""
    if kernel is inner_product:
        most = float(np.sqrt(gram.x_sq_norms.max(initial=0) * gram.y_sq_norms.max(initial=0))) or 1.0
        return -most, most
    return (0.0, 1.0) if isinstance(kernel, partial) and kernel.func is rbf else (-1.0, 1.0)


class CosineLevels:
    """The levels of the cosine, made as tiles are written: by whoever writes a tile, in whichever process."""

    def __init__(self, store: GramStore, pyramid: Pyramid) -> None:
        self._store, self._pyramid = store, pyramid
        self._norms = store.side("x_sq_norms"), store.side("x_sq_norms" if store.form.symmetric else "y_sq_norms")

    def is_complete(self) -> bool:
        """Return whether all levels are there, and so all tiles."""
        return self._pyramid.is_complete()

    def begin(self, tiles: Sequence[tuple[int, int]]) -> None:
        """Forget what is above and of some tiles; by the one writer, before any of them is written."""
        self._pyramid.begin(tiles)

    def keep(self, top: int, left: int, products: Matrix) -> None:
        """Keep the first level of a tile, from its products; two who keep the same one do no harm."""
        if self._pyramid.is_aligned:
            sides = self._store.form.side(top, 0), self._store.form.side(left, 1)
            self._pyramid.put(
                top, left, _cosines(products, *(n[side] for n, side in zip(self._norms, sides, strict=True)))
            )

    def complete(self, gram: MatchedGram, progress: Progress) -> None:
        """Make what is missing, and the levels above; by the one writer, once all tiles are there."""
        self._pyramid.complete(Overview(gram, cosine, self._pyramid).values, progress)


def cosine_levels(store: GramStore) -> CosineLevels:
    """Return the levels of the cosine of a Gram that is being written."""
    return CosineLevels(store, Pyramid(store.place, _key(cosine), store.form, (-1.0, 1.0)))


def _cosines(products: Matrix, x_sq_norms: NDArray[np.float64], y_sq_norms: NDArray[np.float64]) -> Matrix:
    gram = MatchedGram(
        products=products,
        upper_bound=products,
        pooled_products=products,  # not looked at, as the norms of mean tokens
        x_sq_norms=x_sq_norms,
        y_sq_norms=y_sq_norms,
        x_pooled_sq_norms=x_sq_norms,
        y_pooled_sq_norms=y_sq_norms,
        sizes=(1, 1),
        symmetric=False,
        matcher="",
    )
    return cosine(gram)


def _narrow(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)
