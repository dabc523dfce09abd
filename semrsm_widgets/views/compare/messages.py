"""What the browser shows of one cell of a layer x layer map: both RSMs, their difference, what changed most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.experiments import PairChange, RSMDifference
from semrsm_widgets.figures import MISSING, colour_indices
from semrsm_widgets.views.base import EXACT_IMAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANGES = 6  # pairs in each of the two lists


def detail_message(
    rsms: tuple[NDArray[np.float64], NDArray[np.float64]], difference: RSMDifference | None
) -> tuple[dict[str, Any], list[bytes]]:
    """Return what the browser shows of a cell.

    The buffers are colours (uint8) of the values of A and B and, where there is a difference, of both standardised and
    of the difference; then, for no more than `EXACT_IMAGES` images, the exact values (float32) of all but the last,
    and the places of the pairs in A and B (int32).
    """
    ranges = [_range_of(rsm) for rsm in rsms]
    colours = [_painted(rsm, *span) for rsm, span in zip(rsms, ranges, strict=True)]
    exact = [rsm.astype(np.float32) for rsm in rsms]
    facts: dict[str, Any] = {"ranges": ranges}
    if difference is not None:
        a, b, change = difference.a, difference.b, difference.difference
        span, limit = detail_ranges(difference)
        colours += [_painted(each, *span) for each in (a, b)] + [_painted(change, -limit, limit)]
        exact += [a.astype(np.float32), b.astype(np.float32)]
        exact += [places.astype(np.int32) for places in (difference.rank_a, difference.rank_b)]
        facts |= {
            "span": span,
            "limit": limit,
            "cka": difference.cka,
            "pairs": difference.pairs,
            "more_a": [_change_facts(change) for change in difference.more_alike(True, CHANGES)],
            "more_b": [_change_facts(change) for change in difference.more_alike(False, CHANGES)],
        }
    arrays = colours + (exact if len(rsms[0]) <= EXACT_IMAGES else [])
    return facts, [np.ascontiguousarray(array).tobytes() for array in arrays]


def detail_ranges(difference: RSMDifference) -> tuple[tuple[float, float], float]:
    """Return the range of colours of both standardised RSMs, without 0.5 % at either end, and the limit of A - B."""
    span = _range_of(np.concatenate([difference.a, difference.b], axis=1), quantile=0.005)
    return span, float(np.abs(difference.difference).max()) or 1.0


def _range_of(rsm: NDArray[np.float64], quantile: float = 0.0) -> tuple[float, float]:
    """Return the range of the entries off the diagonal, or all but a share of them at either end."""
    n = len(rsm)
    off = rsm[:, :n][~np.eye(n, dtype=bool)]
    off = np.concatenate([off, rsm[:, n:][~np.eye(n, dtype=bool)]]) if rsm.shape[1] > n else off
    low, high = (float(end) for end in np.quantile(off, [quantile, 1 - quantile]))
    return low, high if high > low else low + 1.0


def _painted(rsm: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """Return the colours of an RSM; the diagonal, which is known and not compared, has none."""
    colours = colour_indices(rsm, low, high)
    np.fill_diagonal(colours, MISSING)
    return colours


def _change_facts(change: PairChange) -> dict[str, Any]:
    return {
        "pair": list(change.pair),
        "a": change.a,
        "b": change.b,
        "rank_a": change.rank_a,
        "rank_b": change.rank_b,
        "share": change.share,
    }
