"""Types that are named in many places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Progress = Callable[[int, int], None]
"""Called with (done, in all) while something long is computed; what it raises stops the work."""

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
"""An RSM, or anything else of shape (N, M)."""

Grid = tuple[int, int]
"""(h, w) of a token grid."""

PixelBox = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels; pixel i covers [i, i + 1)."""
