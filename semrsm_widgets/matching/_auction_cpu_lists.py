"""Candidate lists: for large S, most bids need not read the row.

A scan of a whole row keeps its 16 best columns and a bound on the profit of all others. Prices only rise, within a
phase and from one phase to the next, so the bound holds for the rest of the pair: as long as the best candidate reaches
it, that candidate is the row's best column, and the second best is the better of the next candidate and the bound. A
list that falls below its bound is made anew. Far fewer rows are then read, which is what counts where affinities
outgrow the cache; below about 2500 columns reading the row is cheaper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from semrsm_widgets.matching._simd import lanes

CANDIDATES = 16
_LANES = 128
"""Lanes of which each offers its best column: about 14 columns precede the first that shares a lane with a better."""


def empty_lists(rows: int, dtype: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Return lists of no candidates for `rows` rows with prices of `dtype`, and the scratch to make them."""
    return (
        np.zeros(rows * CANDIDATES, dtype),  # the candidates' affinities
        np.zeros(rows * CANDIDATES, np.int32),  # their columns
        np.empty(rows, dtype),  # what no other column's profit exceeds
        (np.empty(_LANES, dtype), np.empty(_LANES, dtype), np.empty(_LANES, np.int32)),
    )


@njit(nogil=True, error_model="numpy")
def relist(affinity, begin, price, entries, columns, at, scratch):
    """Scan a row into its list, which begins at `at`; return what no column outside the list exceeds."""
    best, second, column = scratch
    each = 128 // price.itemsize  # the lanes of one scan
    count = -(-price.size * each // (16 * _LANES)) * 16  # columns of one scan
    used = 0
    while used * count < price.size * each:
        first = used // each * count
        lanes(affinity, begin + first, price[first:], min(count, price.size - first), best, second, column, used)
        for lane in range(used, used + each):
            column[lane] += first
        used += each
    bound = _largest(second[:used])
    filled = 0
    lowest = at
    for lane in range(used):
        if best[lane] >= bound:
            if filled < CANDIDATES:
                slot = at + filled
                filled += 1
            else:  # the least of a full list makes room, or is better than this one; either way the bound knows
                lowest = at
                for t in range(at + 1, at + CANDIDATES):
                    if entries[t] - price[columns[t]] < entries[lowest] - price[columns[lowest]]:
                        lowest = t
                least = entries[lowest] - price[columns[lowest]]
                bound = max(bound, min(least, best[lane]))
                if best[lane] <= least:
                    continue
                slot = lowest
            columns[slot] = column[lane]
            entries[slot] = affinity[begin + column[lane]]
    for slot in range(at + filled, at + CANDIDATES):
        columns[slot], entries[slot] = 0, -np.inf
    return bound


@njit(nogil=True, fastmath={"nnan", "nsz", "reassoc"})  # lets LLVM vectorise the maximum
def _largest(values):
    largest = values[0]
    for value in values:
        largest = max(largest, value)
    return largest
