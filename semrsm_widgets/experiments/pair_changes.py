"""Which pairs of images do two RSMs see differently? Their difference on the scale on which CKA compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, ProgressOption, check_int, large_heard
from semrsm_widgets.statistics import cka, doubly_centred


@dataclass(frozen=True, kw_only=True)
class PairChange:
    """A pair of images that two RSMs see differently.

    Attributes:
        pair: indices (i, j) of the images, i < j.
        a: standardised similarity in the first RSM.
        b: in the second.
        rank_a: place among all pairs in the first RSM as it is; 1 is the most alike, ties share the better place.
        rank_b: in the second.
        share: the part of 1 - CKA that this pair accounts for; over all pairs it adds up to 1 (0 where CKA is 1).
    """

    pair: tuple[int, int]
    a: float
    b: float
    rank_a: int
    rank_b: int
    share: float


@dataclass(frozen=True, eq=False, kw_only=True)
class RSMDifference:
    """Two RSMs on the scale on which CKA compares them.

    Levels of two layers are not comparable, so neither is a plain difference. Here the levels of each image (row and
    column effects) are taken out of both RSMs, and the rest is divided by its standard deviation. Over the pairs of
    different images then CKA = mean(a b) = 1 - mean((a - b)²) / 2: the difference shows what keeps CKA from 1.

    Attributes:
        a: (N, N) float64, the first RSM standardised; the diagonal, which CKA leaves out, is 0.
        b: (N, N) float64, the second.
        rank_a: (N, N) int64, the place of each pair in the first RSM as it is, 1 for the most alike; diagonal 0.
        rank_b: (N, N) int64, in the second.
        cka: unbiased CKA of the two.
    """

    a: Matrix
    b: Matrix
    rank_a: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    rank_b: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    cka: float

    def __repr__(self) -> str:
        return f"RSMDifference({len(self.a)} images, CKA {self.cka:.4f})"

    @property
    def difference(self) -> Matrix:
        """(N, N) float64, a - b: above 0 where the pair is more alike in the first than in the second."""
        difference: Matrix = self.a - self.b
        return difference

    @property
    def pairs(self) -> int:
        """Number of pairs of different images."""
        return len(self.a) * (len(self.a) - 1) // 2

    def changes(self, k: int) -> tuple[PairChange, ...]:
        """Return the k pairs that changed most, the most first."""
        return self._changes(check_int("k", k, minimum=0), np.abs(self.difference))

    def more_alike(self, in_first: bool, k: int) -> tuple[PairChange, ...]:
        """Return the k pairs that are most of all more alike in one RSM than in the other; fewer if there are fewer.

        Args:
            in_first: more alike in the first RSM than in the second, or the other way round.
            k: how many.
        """
        sign = 1 if in_first else -1
        return self._changes(check_int("k", k, minimum=0), sign * self.difference)

    def _changes(self, k: int, score: Matrix) -> tuple[PairChange, ...]:
        """Return the k pairs with the largest score, those above rounding."""
        rows, columns = np.triu_indices(len(self.a), 1)
        values = score[rows, columns]
        order = np.argsort(-values, kind="stable")[:k]
        total = float(np.square(self.difference)[rows, columns].sum())
        return tuple(
            PairChange(
                pair=(i, j),
                a=float(self.a[i, j]),
                b=float(self.b[i, j]),
                rank_a=int(self.rank_a[i, j]),
                rank_b=int(self.rank_b[i, j]),
                share=float((self.a[i, j] - self.b[i, j]) ** 2 / total),
            )
            for i, j in ((int(rows[place]), int(columns[place])) for place in order if values[place] > 1e-9)
        )


def rsm_difference(K: Any, L: Any, *, progress: ProgressOption = None) -> RSMDifference:
    """Return two RSMs on the scale on which CKA compares them, and what differs there.

    Args:
        K: (N, N) symmetric RSM, N at least 4.
        L: (N, N) symmetric RSM of the same images in the same order.
        progress: as for `jackknife`, with (steps done, steps in all).

    Raises:
        TypeError: not numbers.
        ValueError: different sizes, too few images, not symmetric, NaN.
        UndefinedStatisticError: an RSM is constant once centred. It is a ValueError, too.

    Example:
        >>> difference = rsm_difference(analysis.rsm("blocks.2"), other.rsm("blocks.4"))
        >>> difference.changes(3)  # the three pairs of images that the two see most differently
    """
    with Meter("Comparing the pairs", progress, unit="steps") as meter:
        meter.costs = [2, 1, 1, _COST_OF_RANKS, _COST_OF_RANKS]
        meter(0, 5)
        value = cka(K, L)  # which also refuses what has no difference
        meter(1, 5)
        a = large_heard(lambda: _standardised(K), K)
        meter(2, 5)
        b = large_heard(lambda: _standardised(L), L)
        meter(3, 5)
        rank_a = large_heard(lambda: _places(np.asarray(K)), K)
        meter(4, 5)
        rank_b = large_heard(lambda: _places(np.asarray(L)), L)
        meter(5, 5)
    return RSMDifference(a=a, b=b, rank_a=rank_a, rank_b=rank_b, cka=value)


_COST_OF_RANKS = 4
"""Of one RSM, roughly, where standardising it costs 1."""


def _standardised(K: Any) -> Matrix:
    """Return a doubly centred RSM whose off-diagonal entries, which have mean 0, have standard deviation 1."""
    centred = doubly_centred(K)
    n = len(centred)
    scaled: Matrix = centred / np.sqrt(np.square(centred).sum() / (n * (n - 1)))
    return scaled


def _places(K: np.ndarray[Any, Any]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return the place of each pair among all pairs, 1 for the most alike."""
    from scipy.stats import rankdata  # here: it takes a third of a second, which most sessions never need

    places = np.zeros(K.shape, dtype=np.int64)
    upper = np.triu_indices(len(K), 1)
    places[upper] = rankdata(-K[upper], method="min").astype(np.int64)
    total: np.ndarray[tuple[int, int], np.dtype[np.int64]] = places + places.T
    return total
