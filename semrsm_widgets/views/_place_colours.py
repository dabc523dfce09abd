"""A colour for each place, so that a match is found by its colour: also by those who do not see all colours."""

from __future__ import annotations

from collections.abc import Sequence

CORNERS = ("#ffffff", "#ffff2e", "#c584fd", "#d0553a")
"""Top left, top right, bottom left, bottom right; what lies between is mixed from them.

Chosen by a search for the corners whose nine mixtures of a 3 × 3 grid are farthest apart to those who see all colours,
to protanopes and to deuteranopes at once, none darker than L* 52 in the full view (they are drawn over photographs,
with a dark rim) and none near the cyan of what is pointed at. The digits of the nine strongest are the second channel.
"""

FOR, AGAINST = "#b8a4ff", "#ffb14e"
"""Above zero and below it: purple and orange as in the RSMs' differences (PuOr), light enough for photographs."""

Bounds = tuple[float, float, float, float]


def place_colour(token: int, grid: tuple[int, int], bounds: Bounds = (0.0, 0.0, 1.0, 1.0)) -> tuple[int, int, int]:
    """Return the colour of a token's place.

    Args:
        token: index in raster order.
        grid: (h, w) of the tokens.
        bounds: left, top, right, bottom of the places among which colours are told apart, as shares of the grid.
    """
    x, y = _centre(token, grid)
    left, top, right, bottom = bounds
    across = (x - left) / (right - left) if right > left else 0.5
    down = (y - top) / (bottom - top) if bottom > top else 0.5
    corners = [tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5)) for colour in CORNERS]
    weights = ((1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down)
    red, green, blue = (
        int(sum(w * corner[k] for w, corner in zip(weights, corners, strict=True)) + 0.5) for k in range(3)
    )
    return red, green, blue


def bounds_of(tokens: Sequence[int], grid: tuple[int, int]) -> Bounds:
    """Return the bounds of the centres of some tokens, to tell colours apart among those that are shown."""
    centres = [_centre(int(token), grid) for token in tokens] or [(0.0, 0.0), (1.0, 1.0)]
    xs, ys = zip(*centres, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _centre(token: int, grid: tuple[int, int]) -> tuple[float, float]:
    row, column = divmod(token, grid[1])
    return (column + 0.5) / grid[1], (row + 0.5) / grid[0]
