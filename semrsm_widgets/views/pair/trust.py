"""How far matches stand above what unrelated tokens reach: what does not, is drawn faint, and a sentence says so.

The page does the same in `trust.js`; a test compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.figures import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.rsm import NullLevel

# Excess is what a cosine has above the level of unrelated tokens, as a share of what there is up to 1.
BARELY = 0.1
"""Excess of a pair below which its matches are not to be read."""
MOSTLY = 0.5
"""Share of a pair's value that any matching gives, above which its matches say little of single patches."""
FULL = 0.25
"""Excess of a match from which it is drawn in full."""
FAINTEST = 0.12
"""Opacity of a match at the unrelated level or below."""


def excess(value: float | NDArray[np.float64], null: NullLevel) -> NDArray[np.float64]:
    """Return how far cosines stand above unrelated: 0 at its level, 1 at a cosine of 1, negative below."""
    return (np.asarray(value, dtype=np.float64) - null.mean) / max(1e-9, 1 - null.mean)


def opacities(cosine: NDArray[np.float64], semantic: float, null: NullLevel | None) -> NDArray[np.float64]:
    """Return for each match, FAINTEST to 1, how strongly it is drawn; all 1 before the level is known.

    Args:
        cosine: of the matched tokens; NaN for one without a partner.
        semantic: the pair's value; where it is hardly above unrelated, all its matches are faint.
        null: what unrelated tokens reach.
    """
    if null is None:
        return np.ones(len(cosine))
    pair = 0.0 if semantic <= null.quantile95 else float(np.clip(excess(semantic, null) / BARELY - 0.5, 0, 1))
    strength = np.clip(np.nan_to_num(excess(cosine, null), nan=0.0) / FULL, 0, 1)
    return np.asarray(FAINTEST + (1 - FAINTEST) * pair * strength, dtype=np.float64)


def verdict(semantic: float, null: NullLevel | None, any_matching: float) -> str:
    """Return what to say of a pair that is hardly above unrelated, or by any matching; empty where it may be read.

    Args:
        semantic: the pair's value.
        null: what unrelated tokens reach.
        any_matching: what any matching of the pair gives on average.
    """
    if null is None:
        return ""
    if semantic <= null.mean:
        return "No more than unrelated tokens reach: do not read these matches."
    needed = max(null.quantile95, null.mean + BARELY * (1 - null.mean))
    if semantic <= null.quantile95:
        reached = f"Unrelated tokens reach {number(null.quantile95)} once in twenty"
        return f"{reached}, matches are read from {number(needed)} on: do not read these."
    if excess(semantic, null) < BARELY:
        return f"Barely above unrelated, less than {number(needed)}: do not read these matches."
    if any_matching > MOSTLY * semantic:
        return "Any matching gives more than half of it: which patch meets which says less."
    return ""
