"""Colours of heatmaps: for levels, for differences, and the range that several of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from bokeh.palettes import PuOr11, Viridis256, interp_palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.common import Matrix


# Colour indices run from 0 to 254; this one is "not computed yet" and is drawn transparent.
MISSING = 255


PALETTE = tuple(Viridis256[round(k * (MISSING - 1) / 255)] for k in range(MISSING))
"""For levels: 255 colours, one for each index but `MISSING`."""
DIVERGING = tuple(interp_palette(tuple(reversed(PuOr11)), MISSING))
"""For differences: 255 colours, orange below zero, white at it, purple above."""

LEAST_DIFFERENCE = 1e-4
"""Part of the levels' range that a difference must reach to have the last colour: matched values are certified to no
more, and what is less than that is no finding."""


def colour_indices(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return values as uint8 colour indices 0..254 on [low, high]; NaN becomes `MISSING`."""
    span = high - low if high > low else 1.0
    scaled = np.clip((values - low) / span, 0, 1) * (MISSING - 1)
    return np.where(np.isnan(values), MISSING, np.rint(scaled)).astype(np.uint8)


def finite_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the least and the largest finite value; (0, 0) where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def colour_range(*matrices: Matrix) -> tuple[float, float]:
    """Return (low, high) of the one colour range that RSMs share: from 0 or the least value to the largest.

    The diagonal is left out: it is known (1 for cosine and RBF), and would take most of the range from the rest.
    """
    off_diagonal = ~np.eye(len(matrices[0]), dtype=bool) if len(matrices[0]) > 1 else np.ones((1, 1), dtype=bool)
    low, high = finite_range(np.concatenate([matrix[off_diagonal] for matrix in matrices]))
    low = min(0.0, low)
    return low, high if high > low else low + 1.0


def difference_range(reach: float, low: float, high: float) -> tuple[float, float]:
    """Return the values of the first and the last colour of differences, as far to either side of 0.

    Args:
        reach: the largest difference, either way.
        low: of the levels' range.
        high: of the levels' range.
    """
    reach = max(reach, LEAST_DIFFERENCE * (high - low))
    return -reach, reach
