"""What a search that only needs the nearest images may leave unsolved.

An image is out when its upper bound is below the k-th best lower bound. The intervals come from the auction itself with
a coarse gap: `matched_gram(queries, images, matcher=Auction(gap=0.01))` gives [products, upper_bound] of every pair.
Maxima of rows and columns need no solving, but were loose by 0.02 (S = 49) to 0.3 (S = 3136) of a cosine on image
features, and for small S the product that they need is most of the cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import check_int, message

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
