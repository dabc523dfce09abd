"""Spearman's correlation of RSMs that are read block by block, with its interval: ranks are looked up, not sorted.

The pairs cannot be sorted in memory. A random part of them can: between two neighbours of these lie few others, which
all get their mean rank. (Numbers that are equal always get one rank.) That changes the correlation by less than 1e-9.
A first pass samples, a second one counts, and in the third what `spearman` takes is added up by rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Meter, message

from .centred import some_rows
from .spearman import (
    RankSums,
    below_of,
    bins_at,
    bins_of,
    correlation_without_one,
    joint_of,
    rest_of,
    tables_of,
)
from .statistic import UndefinedStatisticError
from .streamed import CONSTANT_TODO, RSMBlocks, Told, ToldRSM, check_blocks, check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLED = 2**18
"""Numbers among which the others are looked up. Where there are no more pairs, ranks are exact."""
_ROUNDINGS = 8
"""Of the largest entry: so far may an entry be from its mirror image."""
LEAST = 3
"""Images for which pairs can be ranked."""


class StreamedRanks:
    """The ranks of an RSM's pairs less their mean, of any rows that are given; ties averaged.

    Raises:
        ValueError: NaN.
        UndefinedStatisticError: all pairs are alike.
    """

    def __init__(self, name: str, rsm: RSMBlocks) -> None:
        n = rsm.shape[0]
        self.pairs = n * (n - 1) // 2
        share, rng = min(1.0, SAMPLED / self.pairs), np.random.default_rng(0)
        sampled, peak = [], 0.0
        for rows, block in rsm.blocks():
            check_finite(name, rows, block)
            peak = max(peak, float(np.abs(block).max(initial=0)))
            for values in _pairs(rows, block):
                sampled.append(values if share == 1 else values[rng.random(len(values)) < share])
        self._edges = np.unique(np.concatenate(sampled))
        self._rounding = _ROUNDINGS * np.finfo(np.float64).eps * peak
        counts = np.zeros(2 * len(self._edges) + 1, np.int64)
        for rows, block in rsm.blocks():
            for values in _pairs(rows, block):
                counts += np.bincount(self._places(values), minlength=len(counts))
        if counts.max() == self.pairs:
            raise UndefinedStatisticError(message(name, "an RSM that varies", "a constant one", CONSTANT_TODO))
        self._ranks = np.cumsum(counts) - (counts - 1) / 2 - 1 - (self.pairs - 1) / 2

    def of(self, rows: slice, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the ranks (n, N) of some rows; 0 where an image meets itself."""
        ranks: NDArray[np.float64] = self._ranks[self._places(block)]
        ranks[np.arange(len(ranks)), np.arange(rows.start, rows.stop)] = 0
        return ranks

    def _places(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return at which sampled number each is, odd, or between which two, even.

        An entry and its mirror image, which may come from other sums, are one number: the nearest within rounding.
        """
        last = len(self._edges) - 1
        above = np.searchsorted(self._edges, values)
        below = np.maximum(above - 1, 0)
        to_above = np.abs(self._edges[np.minimum(above, last)] - values)
        to_below = np.abs(values - self._edges[below])
        nearest = np.where(to_above <= to_below, np.minimum(above, last), below)
        places: NDArray[np.int64] = np.where(
            np.minimum(to_above, to_below) <= self._rounding, 2 * nearest + 1, 2 * above
        )
        return places


def _pairs(rows: slice, block: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the entries right of the diagonal, of some rows at a time."""
    columns = np.arange(block.shape[1])
    for some in some_rows(*block.shape):
        part = block[some]
        yield part[columns > np.arange(rows.start + some.start, rows.start + some.stop)[:, None]]


class _Side:
    """What is added up of one RSM's ranks."""

    def __init__(self, name: str, rsm: RSMBlocks) -> None:
        n = rsm.shape[0]
        self.ranks = StreamedRanks(name, rsm)
        self.bins = bins_of(self.ranks.pairs)
        self.held, self.sums = np.zeros((n, self.bins)), np.zeros((n, self.bins))
        self.own, self.every = np.zeros(n), 0.0

    def add(
        self, rows: slice, part: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.uint16], NDArray[np.float64]]:
        """Take over some rows; return their ranks, bins, and ranks without those of the image's own."""
        ranks = self.ranks.of(rows, part)
        bins = bins_at(ranks, self.ranks.pairs)
        self.held[rows], self.sums[rows] = tables_of(ranks, bins, rows, self.bins)
        rest = rest_of(ranks, bins, below_of(self.held[rows]), rows)
        self.own[rows] = np.einsum("ij,ij->i", rest, rest)
        self.every += float(np.vdot(ranks, ranks)) / 2
        return ranks, bins, rest

    def told(self) -> RankSums:
        """Return what leaving out one image needs, once all rows are taken over."""
        return RankSums.of(self.held, self.sums, below_of(self.held), self.own, self.every)


def streamed_spearman(K: Any, L: Any, *, intervals: bool = False) -> tuple[float, NDArray[np.float64] | None]:
    """Return the Spearman correlation of two RSMs' pairs, and (N,) without image i where asked for.

    Raises:
        TypeError: one of the two is not read in blocks.
        ValueError: RSMs of different sizes or in different blocks, too few images, NaN.
        UndefinedStatisticError: one is constant.
    """
    n = check_blocks(K, L, LEAST)
    with Meter("Comparing the RSMs", unit="rows") as meter:
        told = Told(meter, 6 * n)
        return _spearman(ToldRSM(K, told), ToldRSM(L, told), intervals=intervals)


def _spearman(K: RSMBlocks, L: RSMBlocks, *, intervals: bool) -> tuple[float, NDArray[np.float64] | None]:
    """Return `streamed_spearman` of RSMs that fit."""
    n = K.shape[0]
    one, other = _Side("K", K), _Side("L", L)
    own, every, joint = np.zeros(n), 0.0, np.zeros((one.bins, one.bins), np.int64)
    for (rows, left), (same, right) in zip(K.blocks(), L.blocks(), strict=True):
        if rows != same:
            raise ValueError(message("L", "read in the blocks of K", f"rows {same}, where K has {rows}"))
        for some in some_rows(*left.shape):
            here = slice(rows.start + some.start, rows.start + some.stop)
            a, b = one.add(here, left[some]), other.add(here, right[some])
            joint += joint_of(a[1], b[1], here, one.bins)
            own[here] = np.einsum("ij,ij->i", a[2], b[2])
            every += float(np.vdot(a[0], b[0])) / 2
    value = float(np.clip(every / np.sqrt(one.every * other.every), -1, 1))
    if not intervals:
        return value, None
    return value, correlation_without_one(one.told(), other.told(), joint / 2, own, every)
