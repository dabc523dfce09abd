"""Spearman's correlation of two RSMs, also with each image left out in turn, without ranking anew for every image.

An RSM is sorted once. What its ranks become without image i needs a table of N images by some bins of ranks; what two
RSMs have to do with each other, a table of bins by bins and two sums over their pairs. All of it adds up over rows, so
that RSMs which are read some rows at a time (`streamed_ranks`) go the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.common import Matrix, cached_property, interruptibly

from .centred import some_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 2**12
"""Pairs, below which the bins are finer. Up to 511 pairs have a bin each: nothing is approximated then."""
_FEW_IMAGES = 512
"""Images up to which the places of their pairs are kept, a megabyte: a call for each row would take longer."""
_TILE = 128
"""Rows and columns that are mirrored at a time."""
_CONSTANT = 1e-9
"""Ranks that vary by less than this part of the most that they could are all tied."""
_MANY = 2**12
"""Pairs from which on sorting numbers with their places in one word is quicker than sorting the places by them."""
_LARGE = 2**16
"""Pairs whose ranking Ctrl-C is not kept waiting for."""
_WORD = np.uint64(2**32 - 1)


def bins_of(pairs: int) -> int:
    """Return into how many bins of equally many ranks so many pairs are put; the fewer, the finer they must be."""
    return 512 if pairs < FEW else 128


@lru_cache(2)
def _above_diagonal(n: int) -> NDArray[np.intp]:
    """Return (P,) where the entries above the diagonal stand in a matrix (N, N)."""
    i, j = np.triu_indices(n, 1)
    return i * n + j


def pair_values(K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (P,) the entries above the diagonal, row by row."""
    if len(K) <= _FEW_IMAGES:
        return K.ravel().take(_above_diagonal(len(K)))
    rows = [K[i, i + 1 :] for i in range(len(K) - 1)]
    return np.concatenate(rows) if rows else np.zeros(0)


def symmetric(flat: NDArray[np.float64], n: int) -> Matrix:
    """Return (N, N) with `pair_values` on both sides of a diagonal of 0."""
    matrix: Matrix = np.zeros((n, n))
    if n <= _FEW_IMAGES:
        matrix.ravel()[_above_diagonal(n)] = flat
        matrix += matrix.T
        return matrix
    first = 0
    for i in range(n - 1):
        matrix[i, i + 1 :] = flat[first : first + n - 1 - i]
        first += n - 1 - i
    for i in range(0, n, _TILE):  # tile by tile: a column of a large matrix misses the cache at each entry
        for j in range(i, n, _TILE):
            one = matrix[i : i + _TILE, j : j + _TILE]
            if i == j:
                one += one.T.copy()
            else:
                matrix[j : j + _TILE, i : i + _TILE] = one.T
    return matrix


def pair_ranks(K: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (P,) the ranks of an RSM's `pair_values` less their mean, ties averaged."""
    values = pair_values(K)
    if len(values) < _LARGE:
        return centred_ranks(values)
    return interruptibly(lambda: centred_ranks(values), "semrsm-ranks")


def ranks(K: NDArray[np.float64]) -> Matrix:
    """Return the ranks of an RSM's off-diagonal entries less their mean, ties averaged; symmetric, with diagonal 0."""
    return symmetric(pair_ranks(K), len(K))


def centred_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of some numbers less their mean, ties averaged."""
    order = _order(values)
    placed = values[order]
    is_first = np.empty(len(values), bool)
    is_first[:1] = True
    np.not_equal(placed[1:], placed[:-1], out=is_first[1:])
    found = np.empty(len(values))
    middle = (len(values) - 1) / 2
    if is_first.all():
        found[order] = np.arange(len(values)) - middle
    else:
        begins = np.flatnonzero(is_first)
        sizes = np.diff(begins, append=len(values))
        found[order] = np.repeat(begins + (sizes - 1) / 2 - middle, sizes)
    return found


def _order(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places of some numbers from the smallest to the largest.

    Of many, each is rounded to 32 bits and sorted in one word with its place, which takes a third of the time; those
    that round alike are then put right.
    """
    # The order within a tied group says nothing: the quicker sort, which keeps none, will do.
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if len(values) < _MANY or not 0 < high - low < np.inf or len(values) > _WORD:
        return np.argsort(values)
    words = ((values - low) * ((2.0**32 - 1) / (high - low))).astype(np.uint64)
    words <<= np.uint64(32)
    words |= np.arange(len(values), dtype=np.uint64)
    words.sort()
    order = (words & _WORD).astype(np.int64)
    words >>= np.uint64(32)
    alike = np.zeros(len(values), bool)
    np.equal(words[1:], words[:-1], out=alike[1:])
    alike[:-1] |= alike[1:]
    at = np.flatnonzero(alike)
    if len(at) > len(values) // 4:
        return np.argsort(values)
    if len(at):
        order[at] = order[at][np.lexsort((values[order[at]], words[at]))]
    return order


@dataclass(frozen=True, eq=False)
class RankSums:
    """What leaving out one image needs to know of the ranks of one RSM.

    Attributes:
        held: (N, bins) how many of image i's pairs are in a bin.
        moments: (N, bins) the sum of their ranks, as counted from the mean of the bin.
        mean: (bins,) the mean rank of the pairs in a bin, as counted from the mean of all.
        own: (N,) the sum over image i's pairs of the square of their rank less the number of i's pairs below.
        every: the sum of the squares of all ranks.
        below: (N, bins) how many of image i's pairs lie below each bin, those in it half.
    """

    held: Matrix
    moments: Matrix
    mean: NDArray[np.float64]
    own: NDArray[np.float64]
    every: float
    below: Matrix

    @classmethod
    def of(cls, held: Matrix, sums: Matrix, below: Matrix, own: NDArray[np.float64], every: float) -> RankSums:
        """Return them from how many of each image's pairs are in a bin and below it, and the sums of their ranks."""
        count = held.sum(0)
        mean = np.divide(sums.sum(0), count, out=np.zeros(len(count)), where=count > 0)
        return cls(held=held, moments=sums - held * mean, mean=mean, own=own, every=every, below=below)

    @cached_property
    def count(self) -> NDArray[np.float64]:
        """(bins,) how many pairs are in a bin."""
        count: NDArray[np.float64] = self.held.sum(0) / 2  # each is in the rows of two images
        return count

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """(N,) the sum of squares of the ranks without image i about their mean; 0 where all are tied."""
        crossed = 2 * self.taken(self.count * self.mean)
        both = np.square(self.below) @ self.count
        spread = _about_mean(self.every - crossed + both - self.own)
        n = len(self.held)
        most = ((n - 1) * (n - 2) / 2) ** 3 / 12
        return np.where(spread > 12 * _CONSTANT * most, spread, 0.0)

    def taken(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N,) the sum over image i's pairs of what is above them, ties half.

        Args:
            sums: (bins,) what the pairs in a bin add up to. Within a bin they are taken to be spread evenly.
        """
        above = sums.sum() - np.cumsum(sums) + sums / 2
        slope = np.divide(sums, self.count, out=np.zeros_like(sums), where=self.count > 0)
        taken: NDArray[np.float64] = self.held @ above - self.moments @ slope
        return taken


def below_of(held: Matrix) -> Matrix:
    """Return (n, bins) how many of an image's pairs lie below each bin, those in it half."""
    # Whole numbers are added up four times as fast: the next one of floats waits for the last.
    below: Matrix = np.cumsum(held.astype(np.int64), axis=1) - held / 2
    return below


def covariance_without_one(
    one: RankSums, other: RankSums, joint: Matrix, own: NDArray[np.float64], every: float
) -> NDArray[np.float64]:
    """Return (N,) the sums over the pairs without image i of products of their new ranks, as counted from the mean.

    Leaving out image i takes from the rank of a pair p the number c_i(p) of i's own pairs below it (ties count half).
    In Σ_p (R - c_i)(R' - c'_i) the sums over R c'_i and c_i R' are sums over i's pairs of what lies above them, and
    Σ_p c_i c'_i is smaller by the number of images: both are taken over the bins.

    Args:
        one: of the first RSM.
        other: of the second.
        joint: (bins, bins) how many pairs are in a bin of the first and one of the second.
        own: (N,) Σ_p (R - c_i)(R' - c'_i) over image i's pairs.
        every: Σ_p R R'.
    """
    crossed = one.taken(joint @ other.mean) + other.taken(one.mean @ joint)
    both = np.einsum("ib,ib->i", one.below @ joint, other.below)
    return _about_mean(every - crossed + both - own)


def _about_mean(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N,) sums of products of the ranks that are left less the product of their means."""
    n = len(products)
    left = (n - 1) * (n - 2) / 2
    mean = (left - n * (n - 1) / 2) / 2  # as counted from the mean of all ranks
    about: NDArray[np.float64] = products - left * mean**2
    return about


def correlation_without_one(
    one: RankSums, other: RankSums, joint: Matrix, own: NDArray[np.float64], every: float
) -> NDArray[np.float64]:
    """Return (N,) the Spearman correlations without image i; NaN where one side is constant."""
    scale = one.spread * other.spread
    values: NDArray[np.float64] = np.full(len(own), nan)
    covariance = covariance_without_one(one, other, joint, own, every)
    np.divide(covariance, np.sqrt(np.maximum(scale, 0)), out=values, where=scale > 0)
    return np.clip(values, -1, 1)


@dataclass(frozen=True, eq=False)
class Ranked:
    """The ranks of an RSM's pairs, and what they become without each image.

    Attributes:
        flat: (P,) ranks of `pair_values` less their mean, where large sums would cancel.
        images: N.
    """

    flat: NDArray[np.float64]
    images: int

    @classmethod
    def of(cls, K: Matrix) -> Ranked:
        """Return the ranks of a symmetric RSM (N, N)."""
        return cls(pair_ranks(K), len(K))

    @property
    def pairs(self) -> int:
        """P."""
        return len(self.flat)

    @cached_property
    def ranks(self) -> Matrix:
        """(N, N) ranks less their mean; diagonal 0."""
        return symmetric(self.flat, self.images)

    @cached_property
    def every(self) -> float:
        """The sum of the squares of all ranks."""
        return float(np.vdot(self.flat, self.flat))

    @cached_property
    def bins(self) -> NDArray[np.uint16]:
        """(N, N) the bin of each pair's rank; that of the diagonal says nothing."""
        bins = np.empty(self.ranks.shape, np.uint16)
        for rows in some_rows(*self.ranks.shape):
            bins[rows] = bins_at(self.ranks[rows], self.pairs)
        return bins

    @cached_property
    def _tables(self) -> tuple[Matrix, Matrix]:
        """How many of image i's pairs are in a bin, and the sums of their ranks: (N, bins) each."""
        n, bins = len(self.ranks), bins_of(self.pairs)
        held, sums = np.zeros((n, bins)), np.zeros((n, bins))
        for rows in some_rows(n, n):
            held[rows], sums[rows] = tables_of(self.ranks[rows], self.bins[rows], rows, bins)
        return held, sums

    @cached_property
    def rest(self) -> Matrix:
        """(N, N) in row i for the pairs of image i their rank less the number of i's pairs below; diagonal 0."""
        rest = np.empty(self.ranks.shape)
        for rows in some_rows(*rest.shape):
            rest[rows] = rest_of(self.ranks[rows], self.bins[rows], self._below[rows], rows)
        return rest

    @cached_property
    def _below(self) -> Matrix:
        """(N, bins) how many of image i's pairs lie below each bin, those in it half."""
        return below_of(self._tables[0])

    @cached_property
    def sums(self) -> RankSums:
        """What leaving out one image needs."""
        own: NDArray[np.float64] = np.einsum("ij,ij->i", self.rest, self.rest)
        return RankSums.of(*self._tables, self._below, own, self.every)


def bins_at(ranks: NDArray[np.float64], pairs: int) -> NDArray[np.uint16]:
    """Return the bins of ranks, as counted from their mean, of so many pairs in all."""
    bins = bins_of(pairs)
    places = (ranks + (pairs + 1) / 2) * (bins / (pairs + 1))
    return np.minimum(places, bins - 1).astype(np.uint16)


def tables_of(
    ranks: NDArray[np.float64], bins: NDArray[np.uint16], rows: slice, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (n, bins) of some rows how many of their pairs are in which bin, and the sums of these pairs' ranks."""
    n = len(bins)
    flat = (bins + count * np.arange(n)[:, None]).ravel()
    held = np.bincount(flat, minlength=n * count).astype(np.float64).reshape(n, count)
    here = np.arange(n)
    held[here, bins[here, here + rows.start]] -= 1  # an image with itself, of rank 0, is no pair
    sums = np.bincount(flat, weights=ranks.ravel(), minlength=n * count).astype(np.float64, copy=False)
    return held, sums.reshape(n, count)


def rest_of(
    ranks: NDArray[np.float64], bins: NDArray[np.uint16], below: NDArray[np.float64], rows: slice
) -> NDArray[np.float64]:
    """Return the ranks of some rows' pairs less how many of the row's pairs are below them; 0 for the image itself."""
    places = bins + below.shape[1] * np.arange(len(bins))[:, None]
    rest: NDArray[np.float64] = ranks - below.ravel().take(places)
    here = np.arange(len(rest))
    rest[here, here + rows.start] = 0
    return rest


def joint_of(one: NDArray[np.uint16], other: NDArray[np.uint16], rows: slice, count: int) -> NDArray[np.int64]:
    """Return (bins, bins) how many pairs of some rows are in a bin of one RSM and one of the other."""
    flat = one.astype(np.int64) * count
    flat += other
    joint = np.bincount(flat.ravel(), minlength=count**2)
    here = np.arange(len(flat))
    np.subtract.at(joint, flat[here, here + rows.start], 1)
    return joint.reshape(count, count)


def spearman(one: Ranked, other: Ranked) -> float:
    """Return the correlation of two RSMs that vary."""
    shared = float(np.vdot(one.flat, other.flat))
    return float(np.clip(shared / np.sqrt(one.every * other.every), -1, 1))


def spearman_without_one(one: Ranked, other: Ranked) -> NDArray[np.float64]:
    """Return (N,) the Spearman correlations without image i, in the time of a few sorts; NaN where one is constant."""
    n, bins = one.images, bins_of(one.pairs)
    joint = np.zeros((bins, bins), np.int64)
    own, every = np.empty(n), float(np.vdot(one.flat, other.flat))
    first, second = one.rest, other.rest
    for rows in some_rows(n, n):
        joint += joint_of(one.bins[rows], other.bins[rows], rows, bins)
        own[rows] = np.einsum("ij,ij->i", first[rows], second[rows])
    return correlation_without_one(one.sums, other.sums, joint / 2, own, every)
