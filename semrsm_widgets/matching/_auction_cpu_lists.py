"""Candidate lists: for large S, most bids need not read the row.

A scan of a whole row deals its columns out to 32 lanes and keeps the best of each, with a bound on the profit of all
others. Prices only rise, within a phase and from one phase to the next, so the bound holds for the rest of the pair:
as long as the best candidate reaches it, that candidate is the row's best column, and the second best is the better of
the next candidate and the bound. A list that falls more than a few ε below its bound is made anew. Until then a bid may
be off by that much, which costs some bids and no correctness: the dual bound does not rely on it. A tenth of the rows
are then read, which is what counts where affinities outgrow the cache; below about 700 columns reading is cheaper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ._simd import best_of_lanes

CANDIDATES = 32
"""Columns of a list: one for each lane of a scan in float32; in float64 half of them are used."""


def empty_lists(rows: int, dtype: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Return lists of no candidates for `rows` rows with prices of `dtype`."""
    return (
        np.zeros(rows * CANDIDATES, dtype),  # the candidates' affinities
        np.zeros(rows * CANDIDATES, np.int32),  # their columns
        np.empty(rows, dtype),  # what no other column's profit exceeds
    )


@njit(nogil=True, error_model="numpy")
def relist(affinity, begin, price, entries, columns, at):
    """Scan a row into its list, which begins at `at`; return what no column outside the list exceeds."""
    bound = best_of_lanes(affinity, begin, price, columns, at)
    for t in range(at, at + CANDIDATES * 4 // price.itemsize):
        entries[t] = affinity[begin + columns[t]]
    return bound
