"""The token grid: where its tokens stand, what a box of patches holds, and how both move to another grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from semrsm_widgets.common import Grid, PixelBox, check_int, message

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

PatchBox = tuple[int, int, int, int]
"""(row0, column0, row1, column1) in tokens, half-open."""


def pooled_grid(grid: Grid | None, max_grid: int | None) -> Grid | None:
    """Return the grid after `max_grid`: no side longer than it, proportions kept.

    Whole blocks of k x k tokens are averaged where the grid can be cut so without losing more than half of what
    `max_grid` allows; a token's box is then exactly what it averages. Other grids are averaged over overlapping
    windows.
    """
    if grid is None or max_grid is None or max(grid) <= max_grid:
        return grid
    for k in range(-(-max(grid) // max_grid), 2 * max(grid) // max_grid + 1):
        if grid[0] % k == 0 and grid[1] % k == 0:
            return grid[0] // k, grid[1] // k
    scale = max_grid / max(grid)
    return max(1, round(grid[0] * scale)), max(1, round(grid[1] * scale))


def averaged(values: Tensor, grid: Grid, to: Grid) -> Tensor:
    """Return the tokens (N, S, D) of a grid averaged to another one, (N, S', D) float32 or wider.

    Where its sides do not divide the windows overlap.
    """
    maps = values.transpose(1, 2).reshape(values.shape[0], -1, *grid)
    wide = maps if maps.dtype == torch.float64 else maps.float()
    return functional.adaptive_avg_pool2d(wide, to).flatten(2).transpose(1, 2)


def token_boxes(grid: tuple[int, int], box: PixelBox) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the cell of each token of a grid that covers `box`, in raster order.

    A cell is where a token stands. What it responds to is larger, and in some convolutional networks up to half a
    cell further up and left.

    Args:
        grid: (h, w) of the tokens.
        box: (left, top, right, bottom) of the part of the image that the model sees, from `visible_box`.

    Returns:
        (h * w, 4) float64: left, top, right, bottom of each cell in pixels.

    Example:
        >>> token_boxes((1, 2), (0.0, 0.0, 20.0, 10.0)).tolist()
        [[0.0, 0.0, 10.0, 10.0], [10.0, 0.0, 20.0, 10.0]]
    """
    rows, columns = (check_int("grid", side, minimum=1) for side in grid)
    left, top, right, bottom = box
    xs = np.linspace(left, right, columns + 1)
    ys = np.linspace(top, bottom, rows + 1)
    boxes = np.empty((rows, columns, 4))
    boxes[..., 0], boxes[..., 2] = xs[:-1], xs[1:]
    boxes[..., 1], boxes[..., 3] = ys[:-1, None], ys[1:, None]
    return boxes.reshape(-1, 4)


def box_tokens(box: PatchBox, grid: tuple[int, int] | None) -> NDArray[np.int64]:
    """Return the tokens inside a box (row0, column0, row1, column1), half-open, of a grid, in raster order.

    Raises:
        ValueError: there is no grid, or the box is not inside it.

    Example:
        >>> box_tokens((0, 1, 2, 3), (4, 4))
        array([1, 2, 5, 6])
    """
    top, left, bottom, right = check_box(box, grid)
    assert grid is not None
    rows = np.arange(top, bottom)[:, None] * grid[1]
    tokens: NDArray[np.int64] = (rows + np.arange(left, right)).ravel()
    return tokens


def check_box(box: Any, grid: tuple[int, int] | None) -> PatchBox:
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


def cell_box(token: int, grid: tuple[int, int], box: Sequence[float]) -> tuple[float, float, float, float]:
    """Return the pixel box of one token of a grid that fills `box`."""
    row, column = divmod(token, grid[1])
    width, height = (box[2] - box[0]) / grid[1], (box[3] - box[1]) / grid[0]
    left, top = box[0] + column * width, box[1] + row * height
    return left, top, left + width, top + height


def moved_token(token: int, grid: tuple[int, int] | None, other: tuple[int, int] | None) -> int:
    """Return the token of another grid in whose cell the centre of a token's cell lies; -1 where there is no place."""
    if token < 0 or grid is None or other is None:
        return -1
    row, column = divmod(token, grid[1])
    row, column = (int((k + 0.5) * to / of) for k, of, to in zip((row, column), grid, other, strict=True))
    return row * other[1] + column
