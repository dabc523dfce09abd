"""Centred inner products of RSMs, also with each image left out in turn, from sums that are computed once.

CKA (biased and unbiased) and Pearson's correlation of off-diagonals are cosines in an inner product of the form
Σ_ij K_ij L_ij - a Σ_i r_i(K) r_i(L) + b s(K) s(L), with row sums r, total s, and a and b that depend on n alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from semrsm_widgets.common import Matrix, cached_property

if TYPE_CHECKING:
    from numpy.typing import NDArray


V = TypeVar("V")

RELATIVE_FLOOR = 1e-13
"""A centred norm below this part of the plain one is rounding: the matrix is constant once centred."""
_ENTRIES = 2**16


@dataclass(frozen=True)
class Centred:
    """A centred inner product of symmetric matrices.

    Attributes:
        diagonal: whether the diagonals count.
        least: the fewest images for which it is defined.
        rows: a as a function of n.
        total: b as a function of n.
    """

    diagonal: bool
    least: int
    rows: Callable[[int], float]
    total: Callable[[int], float]

    def of(self, one: MeanFree, other: MeanFree, crossed: NDArray[np.float64]) -> float:
        """Return the product of two matrices; `crossed` is `row_products` of them."""
        n = len(crossed)
        sums = one.rows.sum() * other.rows.sum()
        return float(crossed.sum() - self.rows(n) * (one.rows @ other.rows) + self.total(n) * sums)

    def without_one(
        self, one: MeanFree, other: MeanFree, crossed: NDArray[np.float64], turned: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (N,) the products without image i.

        Args:
            one: the first matrix.
            other: the second.
            crossed: (N,) `row_products` of them.
            turned: (N,) each matrix times the row sums of the other, added up.
        """
        n = len(crossed) - 1
        entries = crossed.sum() - 2 * crossed + one.own * other.own
        rows = one.rows @ other.rows - turned + crossed - (one.rows - one.own) * (other.rows - other.own)
        totals = one.totals_without_one * other.totals_without_one
        result: NDArray[np.float64] = entries - self.rows(n) * rows + self.total(n) * totals
        return result


BIASED = Centred(diagonal=True, least=3, rows=lambda n: 2 / n, total=lambda n: 1 / n**2)
UNBIASED = Centred(diagonal=False, least=4, rows=lambda n: 2 / (n - 2), total=lambda n: 1 / ((n - 1) * (n - 2)))
PEARSON = Centred(diagonal=False, least=3, rows=lambda _: 0.0, total=lambda n: -1 / (n * (n - 1)))


@dataclass(frozen=True, eq=False)
class MeanFree:
    """An RSM less the mean of its entries, divided by a power of two, and the sums that centred products take of it.

    Taken out first, the mean, which no centred product sees, leaves nothing for the sums to cancel.

    Attributes:
        matrix: (N, N); of a constant RSM exactly 0, and where the diagonal does not count 0 there.
        exponent: of the power of two that it is divided by.
    """

    matrix: Matrix
    exponent: int = 0

    @classmethod
    def of(cls, K: Matrix, *, diagonal: bool) -> MeanFree:
        """Return a symmetric RSM (N, N) without its mean, with or without its diagonal."""
        n, exponent = len(K), int(np.frexp(max(float(K.max()), -float(K.min())))[1])
        rest, total, peak = np.empty((n, n)), 0.0, 0.0
        for rows in some_rows(n, n):
            part = rest[rows]
            np.ldexp(K[rows], -exponent, out=part)  # squares neither overflow nor vanish
            if not diagonal:
                part[_own_places(rows)] = 0
            total += float(part.sum())
            peak = max(peak, float(part.max()), -float(part.min()))
        level, most = total / (n * n if diagonal else n * (n - 1)), 0.0
        for rows in some_rows(n, n):
            part = rest[rows]
            part -= level
            if not diagonal:
                part[_own_places(rows)] = 0
            most = max(most, float(part.max()), -float(part.min()))
        return cls(rest if most > 8 * np.finfo(np.float64).eps * peak else np.zeros((n, n)), exponent)

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        """(N,) the row sums."""
        sums: NDArray[np.float64] = self.matrix.sum(1)
        return sums

    @property
    def own(self) -> NDArray[np.float64]:
        """(N,) the diagonal."""
        return np.diag(self.matrix)

    @cached_property
    def totals_without_one(self) -> NDArray[np.float64]:
        """(N,) the sums of all entries without image i."""
        totals: NDArray[np.float64] = self.rows.sum() - 2 * self.rows + self.own
        return totals

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """(N,) the sums of squares of the rows."""
        return row_products(self, self)

    @cached_property
    def turned(self) -> NDArray[np.float64]:
        """(N,) twice the matrix times its row sums."""
        turned: NDArray[np.float64] = 2 * (self.matrix @ self.rows)
        return turned

    @cached_property
    def floor(self) -> float:
        """The squared norm at and below which nothing but rounding is left."""
        return RELATIVE_FLOOR * float(self.squares.sum())

    def square(self, product: Centred) -> float:
        """Return its product with itself."""
        return self._kept("square", product, lambda: product.of(self, self, self.squares))

    def squares_without_one(self, product: Centred) -> NDArray[np.float64]:
        """Return (N,) its products with itself without image i."""
        return self._kept("without one", product, lambda: product.without_one(self, self, self.squares, self.turned))

    def varies(self, product: Centred) -> bool:
        """Return whether anything is left once it is centred."""
        return self.square(product) > self.floor

    def _kept(self, what: str, product: Centred, work: Callable[[], V]) -> V:
        """Return what `work` gives, computed once: a layer is compared with many."""
        if (what, product) not in self._products:
            self._products[what, product] = work()
        found: V = self._products[what, product]
        return found

    @cached_property
    def _products(self) -> dict[tuple[str, Centred], Any]:
        return {}


def row_products(one: MeanFree, other: MeanFree) -> NDArray[np.float64]:
    """Return (N,) the sums of products of the rows of two matrices."""
    products: NDArray[np.float64] = np.einsum("ij,ij->i", one.matrix, other.matrix)
    return products


def alignment(product: Centred, one: MeanFree, other: MeanFree) -> float:
    """Return the cosine of two matrices that vary in a centred inner product."""
    return _cosine(product, one, other, row_products(one, other))


def alignments(products: Sequence[Centred], one: MeanFree, other: MeanFree) -> list[tuple[float, NDArray[np.float64]]]:
    """Return the cosine in each of some inner products, and (N,) without image i; NaN where one is undefined."""
    crossed = row_products(one, other)
    turned = one.matrix @ other.rows + other.matrix @ one.rows
    found = []
    for product in products:
        shared = product.without_one(one, other, crossed, turned)
        left, right = one.squares_without_one(product), other.squares_without_one(product)
        varies = (left > one.floor) & (right > other.floor)
        values: NDArray[np.float64] = np.full(len(shared), np.nan)
        np.divide(shared, np.sqrt(np.maximum(left * right, 0)), out=values, where=varies)
        whole = one.varies(product) and other.varies(product)
        found.append((_cosine(product, one, other, crossed) if whole else np.nan, values))
    return found


def _cosine(product: Centred, one: MeanFree, other: MeanFree, crossed: NDArray[np.float64]) -> float:
    norms = one.square(product) * other.square(product)
    return float(np.clip(product.of(one, other, crossed) / np.sqrt(norms), -1, 1))


def u_centred(mean_free: MeanFree) -> Matrix:
    """Return (N, N) an RSM centred as unbiased CKA does, of one without its mean and diagonal; diagonal 0."""
    n, level = len(mean_free.matrix), mean_free.rows / (len(mean_free.matrix) - 2)
    level = level - mean_free.rows.sum() / (2 * (n - 1) * (n - 2))
    centred: Matrix = np.empty((n, n))
    for rows in some_rows(n, n):
        np.subtract(mean_free.matrix[rows], level[rows, None] + level, out=centred[rows])
        centred[_own_places(rows)[1], _own_places(rows)[1]] = 0
    return centred


def some_rows(count: int, width: int) -> Iterator[slice]:
    """Yield rows that are gone through together, as the processor's cache holds them."""
    step = max(1, _ENTRIES // max(1, width))
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


def _own_places(rows: slice) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where some rows of a matrix have the diagonal."""
    places = np.arange(rows.start, rows.stop)
    return places - rows.start, places
