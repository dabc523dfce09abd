"""Types that are named in many places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]
"""Called with (done, in all) while something long is computed; what it raises stops the work."""

ProgressOption = Progress | bool | None
"""What long functions take as `progress`: such a callback, False for nothing, None or True for a bar or a line."""

# A string: the command line uses this package, and must answer where NumPy is broken.
Matrix: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.float64]]"
"""An RSM, or anything else of shape (N, M)."""

Grid = tuple[int, int]
"""(h, w) of a token grid."""

PixelBox = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels; pixel i covers [i, i + 1)."""

GridPlace = tuple[float, float, float, float]
"""(left, top, right, bottom) as fractions of a picture's width and height: where the token grid lies on it."""
