"""What the layer map sends to the browser: its cells, and of an opened one both RSMs and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.figures import MISSING, colour_indices
from semrsm_widgets.rsm import SIMILARITIES
from semrsm_widgets.views.base import Message, is_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from semrsm_widgets.experiments import LayerPair, RSMDifference

CHANGES = 6  # pairs in each of the two lists
_NUMBERS = ("value", "low", "high", "smallest_eigenvalue_a", "smallest_eigenvalue_b")


def cells_message(rows: Iterable[LayerPair], places: Sequence[Mapping[str, int]], **facts: Any) -> Message:
    """Return the message of some cells of the map: a table, as `columns` names it.

    Args:
        rows: the cells.
        places: layer -> its place among the layers, of A and of B.
        **facts: of all cells.
    """
    cells = [
        [
            places[0][row.layer_a],
            places[1][row.layer_b],
            list(SIMILARITIES).index(row.similarity),
            *(round(getattr(row, name), 6) for name in _NUMBERS),
            row.reason,
        ]
        for row in rows
    ]
    return Message.of("cells", columns=("layer_a", "layer_b", "similarity", *_NUMBERS, "reason"), cells=cells, **facts)


def detail_parts(
    rsms: tuple[NDArray[np.float64], NDArray[np.float64]], difference: RSMDifference | None
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return what the browser shows of a cell: arrays (N, N) and facts.

    The arrays are the colours of the RSMs of A and B and, where there is a difference, of both standardised and of the
    difference; for no more than `EXACT_IMAGES` images also the numbers of all but the last, and the places of the pairs
    in A and B.
    """
    ranges = [_range_of(rsm) for rsm in rsms]
    colours = {f"colours_{side}": _painted(rsm, *span) for side, rsm, span in zip("ab", rsms, ranges, strict=True)}
    exact: dict[str, NDArray[Any]] = dict(zip(("values_a", "values_b"), rsms, strict=True))
    facts: dict[str, Any] = {"ranges": ranges}
    if difference is not None:
        span, limit = detail_ranges(difference)
        colours["colours_standard_a"] = _painted(difference.a, *span)
        colours["colours_standard_b"] = _painted(difference.b, *span)
        colours["colours_difference"] = _painted(difference.difference, -limit, limit)
        exact |= {"standard_a": difference.a, "standard_b": difference.b}
        exact |= {"ranks_a": difference.rank_a, "ranks_b": difference.rank_b}
        facts |= {
            "span": span,
            "limit": limit,
            "cka": difference.cka,
            "pairs": difference.pairs,
            "more_a": difference.more_alike(True, CHANGES),
            "more_b": difference.more_alike(False, CHANGES),
        }
    return colours | (exact if is_exact(len(rsms[0])) else {}), facts


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
