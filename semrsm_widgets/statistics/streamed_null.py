"""What two RSMs reach whose images are permuted, where they are read block by block: one of them must fit in memory.

A permuted RSM is read in no order in which it is stored: for each permutation all of it would be read many times over.
So L is held and permuted, K is gone through once, and each of its blocks meets all permutations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, message

from .centred import PEARSON, Centred, some_rows
from .comparison import RSMStatistic, is_spearman, product_of
from .streamed import Centring, RSMBlocks, check_blocks, streamed_alignment
from .streamed_ranks import LEAST, StreamedRanks, streamed_spearman

if TYPE_CHECKING:
    from numpy.typing import NDArray


def permuted_products(part: NDArray[np.float64], rows: slice, held: Matrix, order: NDArray[np.integer]) -> float:
    """Return the sum of products of some rows of an RSM with those of another one whose images are permuted."""
    total, images = 0.0, order[rows]
    for some in some_rows(*part.shape):
        total += float(np.vdot(part[some], held[np.ix_(images[some], order)]))
    return total


def streamed_null(
    statistic: RSMStatistic, K: Any, L: Any, n: int, rng: np.random.Generator, memory: int, meter: Meter
) -> tuple[float, NDArray[np.float64]]:
    """Return a statistic of two RSMs that are read in blocks, and (n,) what it is of K and of L permuted.

    Raises:
        TypeError: one of the two is not read in blocks.
        ValueError: another statistic, or L takes more than `memory`.
        UndefinedStatisticError: one is constant.
    """
    is_ranked = is_spearman(statistic)
    product = PEARSON if is_ranked else product_of(statistic)
    if product is None:
        expected = 'cka, or rsa by "pearson" or "spearman", of RSMs that are read in blocks'
        todo = "Test a part of the images: analysis.select(images)."
        raise ValueError(message("statistic", expected, repr(statistic), todo))
    count = check_blocks(K, L, LEAST if is_ranked else product.least)
    if 8 * count**2 > memory:
        got = f"one of {count:,} images, which takes {8 * count**2 / 1e9:.2g} GB"
        todo = f"Allow it: memory={8 * count**2}; or test a part of the images: analysis.select(images)."
        raise ValueError(
            message("L", f"one that `memory`, {memory / 1e9:.2g} GB, holds while it is permuted", got, todo)
        )
    value = (streamed_spearman(K, L) if is_ranked else streamed_alignment(product, K, L))[0]
    one, other = (_reader(name, rsm, product, is_ranked=is_ranked) for name, rsm in (("K", K), ("L", L)))
    held: Matrix = np.empty((count, count))
    for rows, block in L.blocks():
        held[rows] = other.of(rows, block)
    orders = [rng.permutation(count).astype(np.int32) for _ in range(n)]
    shared, row_sums, square = np.zeros(n), np.zeros(count), 0.0
    for rows, block in K.blocks():
        part = one.of(rows, block)
        row_sums[rows] = part.sum(1)
        square += float(np.vdot(part, part))
        for k, order in enumerate(orders):
            meter(rows.start * n // count, n)
            shared[k] += permuted_products(part, rows, held, order)
    sums = held.sum(1)
    for k, order in enumerate(orders):
        shared[k] = _centred(product, shared[k], row_sums, sums[order])
    norms = _centred(product, square, row_sums, row_sums), _centred(product, float(np.vdot(held, held)), sums, sums)
    return value, shared / np.sqrt(norms[0] * norms[1])


def _centred(product: Centred, entries: float, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return a centred product of a sum over entries and two matrices' row sums."""
    n = len(one)
    return float(entries - product.rows(n) * (one @ other) + product.total(n) * one.sum() * other.sum())


def _reader(name: str, rsm: RSMBlocks, product: Centred, *, is_ranked: bool) -> StreamedRanks | Centring:
    return StreamedRanks(name, rsm) if is_ranked else Centring(name, rsm.blocks(), diagonal=product.diagonal)
