"""Spearman's correlation of two RSMs, also with each image left out in turn, without ranking anew for every image."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, cached_property

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

# Into so many bins of equal count the ranks are put for the one sum that would take a pass over all pairs an image.
_BINS = 512


def ranks(K: NDArray[np.float64]) -> Matrix:
    """Return the ranks of an RSM's off-diagonal entries, ties averaged, as a symmetric matrix with diagonal 0."""
    from scipy.stats import rankdata  # here: it takes a third of a second, which most sessions never need

    upper = np.triu_indices(len(K), 1)
    return _symmetric(rankdata(K[upper]), len(K), upper)


def spearman_without_one(one: Ranked, other: Ranked) -> NDArray[np.float64]:
    """Return (N,) the Spearman correlations without image i, in the time of a few sorts; NaN where one is constant.

    Leaving out image i takes from the rank of a pair p the number c_i(p) of i's own pairs below it (ties count half).
    In Σ_p (R - c_i)(R' - c'_i) the sums over R c'_i and c_i R' come from sums over the sorted order, once for all
    images. Σ_p c_i c'_i, which is smaller by the number of images, is taken over a histogram of the ranks: that is the
    one approximation, below 1e-3 of the replicates' spread.
    """
    n, upper = len(one.ranks), one.upper
    every = np.vdot(one.ranks[upper], other.ranks[upper])
    crossed = one.above(other.ranks).sum(1) + other.above(one.ranks).sum(1)
    table = np.bincount(one.bins[upper] * _BINS + other.bins[upper], minlength=_BINS**2).reshape(_BINS, _BINS)
    both = np.einsum("ib,ib->i", one.below @ table.astype(np.float64), other.below)
    own = np.einsum("ij,ij->i", one.ranks - one.own, other.ranks - other.own)
    left = (n - 1) * (n - 2) / 2
    mean = (left + 1) / 2 - one.middle  # of the ranks that are left, as counted from the mean of all
    covariance = every - crossed + both - own - left * mean**2
    scale = one.spread_without_one * other.spread_without_one
    values: NDArray[np.float64] = np.full(n, nan)
    np.divide(covariance, np.sqrt(np.maximum(scale, 0)), out=values, where=scale > 0)
    return np.clip(values, -1, 1)


@dataclass(frozen=True)
class Ranked:
    """The ranks of an RSM's pairs, and what they become without each image.

    Attributes:
        upper: the indices of the P pairs.
        order: (P,) the pairs from the smallest value to the largest.
        start: (P,) for each pair in that order the first place of its tied group.
        stop: (P,) the place after its last.
        ranks: (N, N) ranks less their mean, where large sums would cancel; diagonal 0.
    """

    upper: Pairs
    order: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    ranks: Matrix

    @classmethod
    def of(cls, K: Matrix) -> Ranked:
        """Return the ranks of a symmetric RSM (N, N)."""
        n = len(K)
        upper = np.triu_indices(n, 1)
        values = K[upper]
        # What the order within a tied group is says nothing: the quicker sort, which keeps none, will do.
        order = np.argsort(values)
        placed = values[order]
        begins = np.flatnonzero(np.concatenate([[True], placed[1:] != placed[:-1]]))
        sizes = np.diff(np.concatenate([begins, [len(values)]]))
        start, stop = np.repeat(begins, sizes), np.repeat(begins + sizes, sizes)
        flat = np.empty(len(values))
        flat[order] = (start + stop - len(values)) / 2
        return cls(upper, order, start, stop, _symmetric(flat, n, upper))

    @property
    def middle(self) -> float:
        """The mean rank."""
        return (len(self.order) + 1) / 2

    @cached_property
    def own(self) -> NDArray[np.float64]:
        """(N, N) in row i for the pairs of image i the number of i's pairs below them, ties half; diagonal 0.

        The sorted pairs are dealt out to their two images: each gets its own in order, without a sort of its own.
        """
        n = len(self.ranks)
        images = np.stack([each[self.order] for each in self.upper], axis=1)
        kind = np.uint16 if n <= 2**16 else np.int64  # small integers are sorted in one pass over their bits
        dealt = np.argsort(images.ravel().astype(kind), kind="stable")
        others = images[:, ::-1].ravel()[dealt].reshape(n, n - 1)
        group = self.start[dealt // 2].reshape(n, n - 1)
        is_first = np.ones((n, n - 1), dtype=bool)
        is_first[:, 1:] = group[:, 1:] != group[:, :-1]
        begins = np.flatnonzero(is_first)
        sizes = np.diff(begins, append=n * (n - 1))
        places = np.repeat(begins % (n - 1) + sizes / 2, sizes).reshape(n, n - 1)
        counts = np.zeros((n, n))
        np.put_along_axis(counts, others, places, axis=1)
        return counts

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """(N, N) the bin of each pair's rank."""
        places = (self.ranks + self.middle) * (_BINS / (2 * self.middle))
        return np.minimum(places, _BINS - 1).astype(np.int64)

    @cached_property
    def below(self) -> Matrix:
        """(N, bins) how many of image i's pairs lie below each bin, those in it half."""
        n = len(self.bins)
        flat = self.bins + _BINS * np.arange(n)[:, None]
        counts = np.bincount(flat[~np.eye(n, dtype=bool)], minlength=n * _BINS).reshape(n, _BINS)
        result: Matrix = np.cumsum(counts, axis=1) - counts / 2
        return result

    @cached_property
    def spread_without_one(self) -> NDArray[np.float64]:
        """(N,) the sum of squares of the ranks without image i about their mean, ties and all."""
        n, left = len(self.ranks), (len(self.ranks) - 1) * (len(self.ranks) - 2) / 2
        group = np.empty(len(self.order), np.int64)
        group[self.order] = np.unique(self.start, return_inverse=True)[1]
        sizes = np.bincount(group).astype(np.float64)
        tied = np.full(n, (sizes**3 - sizes).sum())
        if tied.any():
            of = _symmetric(group, n, self.upper).astype(np.int64)
            for i in range(n):
                mine, count = np.unique(np.delete(of[i], i), return_counts=True)
                before, rest = sizes[mine], sizes[mine] - count
                tied[i] += ((rest**3 - rest) - (before**3 - before)).sum()
        spread = (left**3 - left - tied) / 12
        return np.where(spread > 1e-9 * left**3, spread, 0.0)

    def above(self, weights: Matrix) -> Matrix:
        """Return (N, N) for each pair the sum of the weights of the pairs above it in this order, ties half."""
        total = np.concatenate([[0.0], np.cumsum(weights[self.upper][self.order])])
        flat = np.empty(len(self.order))
        flat[self.order] = total[-1] - (total[self.start] + total[self.stop]) / 2
        return _symmetric(flat, len(weights), self.upper)


def _symmetric(flat: NDArray[Any], n: int, upper: Pairs) -> Matrix:
    matrix = np.zeros((n, n))
    matrix[upper] = flat
    total: Matrix = matrix + matrix.T
    return total
