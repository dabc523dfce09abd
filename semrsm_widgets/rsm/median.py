"""The median of more numbers than memory holds: counted by their leading bits, in a few passes, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BITS = 16
"""That a pass looks at: 65,536 counters."""
MOST_SORTED = 2**22
"""Numbers that are sorted in memory, once no more of them can be the median."""
Passes = Callable[[], Iterable["NDArray[np.float64]"]]


def streamed_median(passes: Passes, count: int) -> float:
    """Return the median of numbers from 0 on, as `np.median` does.

    Floats from 0 on are ordered as their bits are, read as integers. A pass counts how many numbers go on with which 16
    bits; that says how the median goes on, and the next pass looks at those alone.

    Args:
        passes: gives all numbers anew, in parts, the same ones each time.
        count: how many they are, at least 1.
    """
    lower, upper = (count - 1) // 2, count // 2
    found, place = _around(passes, lower)
    other = found[place + upper - lower] if place + upper - lower < len(found) else None
    if other is None:
        again, place_of_upper = _around(passes, upper)
        other = again[place_of_upper]
    return float(np.mean([found[place], other]))


def _around(passes: Passes, place: int) -> tuple[NDArray[np.float64], int]:
    """Return some numbers in order, which follow each other among all, and where in them the one at a place is."""
    prefix, shift = 0, 64
    while True:
        shift -= _BITS
        counts = np.zeros(2**_BITS, np.int64)
        for bits in _beginning(passes, prefix, shift + _BITS):
            following = (bits >> np.uint64(shift)) & np.uint64(2**_BITS - 1)
            counts += np.bincount(following.astype(np.int64), minlength=len(counts))
        ends = counts.cumsum()
        step = int(np.searchsorted(ends, place, side="right"))
        place -= int(ends[step] - counts[step])
        prefix = prefix << _BITS | step
        if shift == 0:  # all that are left are one number
            return np.full(counts[step], prefix, np.uint64).view(np.float64), place
        if counts[step] <= MOST_SORTED:
            return np.sort(np.concatenate(list(_beginning(passes, prefix, shift)))).view(np.float64), place


def _beginning(passes: Passes, prefix: int, shift: int) -> Iterable[NDArray[np.uint64]]:
    """Yield the bits of all numbers that begin with some; `shift` says how many bits come after these."""
    for part in passes():
        bits = (part + 0.0).view(np.uint64)  # -0 has other bits than 0
        yield bits if shift == 64 else bits[bits >> np.uint64(shift) == np.uint64(prefix)]
