"""What is looked up among images: a whole picture or a box of its patches; and rankings of one's own beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import message
from semrsm_widgets.statistic import checked_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.features import Tokens

PatchBox = tuple[int, int, int, int]
"""(row0, column0, row1, column1) in tokens, half-open."""

SIMILARITIES = ("aligned", "semantic", "pooled", "class token")
"""The names that rankings of one's own may not have."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Query:
    """What is looked up among the images.

    Attributes:
        key: tells one query from another; the index of an image, anything hashable for a picture from outside.
        index: the image's position in the set; None for a picture from outside.
        tokens: layer -> Tokens of the one picture from outside; None for an image of the set.
        labels: what the query shows; empty if that is not known.
        box: (row0, column0, row1, column1) in tokens, half-open: only these patches are looked up; None for all.
    """

    key: Any
    index: int | None
    tokens: Mapping[str, Tokens] | None = None
    labels: frozenset[str] = frozenset()
    box: PatchBox | None = None


def box_tokens(box: PatchBox, grid: tuple[int, int] | None) -> NDArray[np.int64]:
    """Return the tokens inside a box (row0, column0, row1, column1), half-open, of a grid, in raster order.

    Raises:
        ValueError: there is no grid, or the box is not inside it.

    Example:
        >>> box_tokens((0, 1, 2, 3), (4, 4))
        array([1, 2, 5, 6])
    """
    top, left, bottom, right = checked_box(box, grid)
    assert grid is not None
    rows = np.arange(top, bottom)[:, None] * grid[1]
    tokens: NDArray[np.int64] = (rows + np.arange(left, right)).ravel()
    return tokens


def checked_box(box: Any, grid: tuple[int, int] | None) -> PatchBox:
    """Return a box as four ints, or raise ValueError: there is no grid, or it is not inside it."""
    if grid is None:
        todo = "Look up the whole image, or take a layer with a token grid."
        raise ValueError(message("box", "None at a layer whose tokens have no known place", repr(box), todo))
    expected = f"(row0, column0, row1, column1), half-open, within {grid[0]}×{grid[1]} patches"
    try:
        top, left, bottom, right = (int(side) for side in box)
        is_inside = 0 <= top < bottom <= grid[0] and 0 <= left < right <= grid[1]
    except (TypeError, ValueError):
        is_inside = False
    if not is_inside:
        raise ValueError(message("box", expected, repr(box), "None looks up the whole image."))
    return top, left, bottom, right


def moved_box(box: PatchBox | None, grid: tuple[int, int] | None, other: tuple[int, int] | None) -> PatchBox | None:
    """Return the patches of another grid that a box touches; None where there is no place for them.

    Example:
        >>> moved_box((0, 0, 3, 3), (14, 14), (7, 7))
        (0, 0, 2, 2)
    """
    if box is None or grid is None or other is None:
        return None
    top, left, bottom, right = box
    (rows, columns), (to_rows, to_columns) = grid, other
    return (
        top * to_rows // rows,
        left * to_columns // columns,
        -(-bottom * to_rows // rows),
        -(-right * to_columns // columns),
    )


def checked_rankings(rankings: Any, images: int) -> dict[str, NDArray[np.float64]]:
    """Return rankings of one's own, each checked to be similarities (N, N)."""
    if rankings is None:
        return {}
    if not isinstance(rankings, Mapping) or not all(isinstance(name, str) and name for name in rankings):
        todo = 'Give it a name: rankings={"mine": K}.'
        raise TypeError(message("rankings", "a mapping from names to similarities (N, N)", rankings, todo))
    checked = {}
    for name, value in rankings.items():
        if name in SIMILARITIES:
            raise ValueError(message("rankings", f"named otherwise than {', '.join(SIMILARITIES)}", repr(name)))
        matrix = checked_matrix(f"rankings[{name!r}]", value)
        if matrix.shape != (images, images):
            todo = "Row i holds the similarities of image i to all images, in the order of the images."
            expected = f"similarities ({images}, {images}), larger is more similar"
            raise ValueError(message(f"rankings[{name!r}]", expected, str(matrix.shape), todo))
        checked[name] = matrix
    return checked
