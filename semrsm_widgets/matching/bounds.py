"""Bounds on the value of the best matching, cheaper than solving it: for searches that only need the nearest images.

A search that wants the k nearest of many images may leave out every image whose upper bound is below the k-th best
lower bound. Two kinds are given. `row_column_bounds` needs nothing but the affinity; on image features it was loose by
0.02 (S = 49) to 0.3 (S = 3136) of a cosine, and for small S the product it needs is most of the cost. The sharper one
is the auction itself with a coarse gap: `matched_gram(queries, images, matcher=Auction(gap=0.01))` gives the interval
[products, upper_bound] of every pair, and `undecided` says which images an exact answer must still look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import check_int, message

from .token_set import read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray


def row_column_bounds(affinity: Any) -> NDArray[np.float64]:
    """Return what no one-to-one matching of min(S, T) pairs exceeds, from the maxima of rows and of columns.

    The smaller of Σ_s max_t A_st and Σ_t max_s A_st, where on the larger side only the min(S, T) best maxima count.

    Args:
        affinity: (..., S, T) inner products.

    Returns:
        (...) float64.

    Raises:
        TypeError: not numbers.
        ValueError: NaN or infinity, or not (..., S, T).

    Example:
        >>> float(row_column_bounds([[1.0, 5.0], [0.0, 3.0]]))
        6.0
    """
    matrix = read_array("affinity", affinity)
    if matrix.ndim < 2 or 0 in matrix.shape[-2:]:
        raise ValueError(message("affinity", "of shape (..., S, T) with S and T at least 1", str(matrix.shape)))
    pairs = min(matrix.shape[-2:])
    bounds = []
    for axis in (-1, -2):
        best = np.sort(matrix.max(axis=axis).astype(np.float64), axis=-1)
        bounds.append(best[..., best.shape[-1] - pairs :].sum(axis=-1))
    smaller: NDArray[np.float64] = np.minimum(*bounds)
    return smaller


def undecided(lower: Any, upper: Any, k: int) -> NDArray[np.bool_]:
    """Return which candidates of each query may be among its k best, given intervals of their similarities.

    A candidate is out when k others are certainly at least as good: its upper bound is below the k-th best lower bound.
    Whatever the truth within the intervals, the k best are among those that stay.

    Args:
        lower: (..., M) lower bounds, such as `cosine(gram)`.
        upper: (..., M) upper bounds, such as `cosine(gram.at_upper_bound())`; inf where there is none.
        k: how many are wanted.

    Returns:
        (..., M) bool; all True if M <= k.

    Raises:
        ValueError: shapes that differ, a lower bound above its upper bound, or k < 1.

    Example:
        >>> undecided([0.5, 0.2, 0.45], [0.51, 0.21, 0.55], k=1)
        array([ True, False,  True])
    """
    k = check_int("k", k, minimum=1)
    low, high = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
    if low.shape != high.shape or not low.ndim:
        raise ValueError(message("upper", f"of the shape of lower, {low.shape}, at least (M,)", str(high.shape)))
    if not np.all(low <= high):
        raise ValueError(message("upper", "at least `lower` everywhere", "a smaller one, or NaN"))
    if low.shape[-1] <= k:
        return np.ones(low.shape, bool)
    kth = np.partition(low, low.shape[-1] - k, axis=-1)[..., -k, None]
    may_be: NDArray[np.bool_] = high >= kth
    return may_be
