"""Centred inner products of RSMs, also with each image left out in turn, from sums that are computed once.

CKA (biased and unbiased) and Pearson's correlation of off-diagonals are cosines in an inner product of the form
Σ_ij K_ij L_ij - a Σ_i r_i(K) r_i(L) + b s(K) s(L), with row sums r, total s, and a and b that depend on n alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.common import Matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray


RELATIVE_FLOOR = 1e-13
"""A centred norm below this part of the plain one is rounding: the matrix is constant once centred."""


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

    def of(self, K: Matrix, L: Matrix) -> float:
        """Return the product of two matrices."""
        n, k_rows, l_rows = len(K), K.sum(1), L.sum(1)
        return float(np.vdot(K, L) - self.rows(n) * (k_rows @ l_rows) + self.total(n) * k_rows.sum() * l_rows.sum())

    def without_one(self, K: Matrix, L: Matrix) -> NDArray[np.float64]:
        """Return (N,) the products without image i."""
        n, k_rows, l_rows = len(K) - 1, K.sum(1), L.sum(1)
        k_own, l_own = np.diag(K), np.diag(L)
        cross = np.einsum("ij,ij->i", K, L)
        entries = cross.sum() - 2 * cross + k_own * l_own
        rows = k_rows @ l_rows - L @ k_rows - K @ l_rows + cross - (k_rows - k_own) * (l_rows - l_own)
        totals = (k_rows.sum() - 2 * k_rows + k_own) * (l_rows.sum() - 2 * l_rows + l_own)
        result: NDArray[np.float64] = entries - self.rows(n) * rows + self.total(n) * totals
        return result

    def floor(self, K: Matrix) -> float:
        """Return the squared norm at and below which nothing but rounding is left of a mean-free matrix."""
        return RELATIVE_FLOOR * float(np.vdot(K, K))

    def varies(self, K: Matrix) -> bool:
        """Return whether anything is left of a mean-free matrix once centred."""
        return self.of(K, K) > self.floor(K)


BIASED = Centred(diagonal=True, least=3, rows=lambda n: 2 / n, total=lambda n: 1 / n**2)
UNBIASED = Centred(diagonal=False, least=4, rows=lambda n: 2 / (n - 2), total=lambda n: 1 / ((n - 1) * (n - 2)))
PEARSON = Centred(diagonal=False, least=3, rows=lambda _: 0.0, total=lambda n: -1 / (n * (n - 1)))


def mean_free(K: Matrix, *, diagonal: bool) -> Matrix:
    """Return a matrix less the mean of its entries, which no centred product sees; exactly 0 if it was constant.

    Taken out first, the mean leaves nothing for the sums to cancel. Without the diagonal, that is set to 0.
    """
    n = len(K)
    counted = np.ones((n, n), bool) if diagonal else ~np.eye(n, dtype=bool)
    level = float(K[counted].mean())
    rest = np.where(counted, K - level, 0.0)
    rounding = 8 * np.finfo(np.float64).eps * float(np.abs(K[counted]).max())
    return rest if float(np.abs(rest).max()) > rounding else np.zeros_like(rest)
