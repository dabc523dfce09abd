"""Still pictures of the views, for places where no widget runs: GitHub, nbconvert, a notebook that was reopened."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matches import Matches

_SIDE = 300
_GAP = 24
_TEXT = 22


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _canvas(columns: int, height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a white picture with a title and room for `columns` panels under captions."""
    picture = Image.new("RGB", (columns * (_SIDE + _GAP) + _GAP, height + 3 * _TEXT), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_GAP, 6), title, fill="black", font=_font(14))
    return picture, draw


def heatmaps(panels: Mapping[str, tuple[NDArray[np.uint8], Sequence[str]]], title: str) -> Image.Image:
    """Return heatmaps side by side under their names.

    Args:
        panels: name -> (N, N) colour indices and their colours as "#rrggbb"; an index past their end is drawn grey.
        title: one line above.
    """
    picture, draw = _canvas(len(panels), _SIDE, title)
    for column, (name, (matrix, palette)) in enumerate(panels.items()):
        colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in palette], dtype=np.uint8)
        colours = np.vstack([colours, np.full((256 - len(colours), 3), 200, dtype=np.uint8)])
        left = _GAP + column * (_SIDE + _GAP)
        draw.text((left, _TEXT + 6), name, fill="black", font=_font(13))
        panel = Image.fromarray(colours[matrix]).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
        picture.paste(panel, (left, 2 * _TEXT + 8))
    return picture


def pair(
    matches: Matches,
    sides: Sequence[tuple[Image.Image, tuple[float, float, float, float]]],
    top_k: int,
) -> Image.Image:
    """Return A, B and B's patches moved to their partners in A, with the strongest matches outlined.

    Args:
        matches: of the two images; must have a grid.
        sides: (picture, box) of A and B, the box in fractions of width and height.
        top_k: how many matches are outlined.
    """
    assert matches.grid is not None
    assert matches.other_grid is not None
    panels = [_fit(picture, box) for picture, box in sides]
    height = max(panel.height for panel, _ in panels)
    title = (
        f"{matches.layer} · aligned {matches.aligned:.2f}, semantic {matches.semantic:.2f} "
        f"= pooled part {matches.pooled_part:.2f} + matched part {matches.semantic - matches.pooled_part:.2f}"
    )
    rebuilt = rebuild(matches, *panels[1])
    picture, draw = _canvas(3, max(height, rebuilt.height), title)
    names = ("A", "B", "B's patches moved to their partners in A")
    for column, (name, panel) in enumerate(zip(names, (panels[0][0], panels[1][0], rebuilt), strict=True)):
        left = _GAP + column * (_SIDE + _GAP)
        draw.text((left, _TEXT + 6), name, fill="black", font=_font(13))
        picture.paste(panel, (left, 2 * _TEXT + 8))
    for token in matches.top(top_k)[::-1]:
        colour = place_colour(int(token), matches.grid)
        grids = (matches.grid, matches.other_grid)
        for column, (place, grid) in enumerate(zip((token, matches.permutation[token]), grids, strict=True)):
            x0, y0, x1, y1 = _cell(int(place), grid, panels[column][1])
            left, top = _GAP + column * (_SIDE + _GAP), 2 * _TEXT + 8
            draw.rectangle((left + x0, top + y0, left + x1, top + y1), outline="black", width=4)
            draw.rectangle((left + x0 + 1, top + y0 + 1, left + x1 - 1, top + y1 - 1), outline=colour, width=2)
    return picture


def stack(pictures: Sequence[Image.Image]) -> Image.Image | None:
    """Return pictures one below the other on white; None for none."""
    if not pictures:
        return None
    width, height = max(each.width for each in pictures), sum(each.height for each in pictures)
    stacked = Image.new("RGB", (width, height), "white")
    top = 0
    for each in pictures:
        stacked.paste(each, (0, top))
        top += each.height
    return stacked


def _fit(picture: Image.Image, box: Sequence[float]) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return a picture of the panel's width, and its token grid's box in that picture's pixels."""
    panel = picture.convert("RGB").resize((_SIDE, max(1, round(_SIDE * picture.height / picture.width))))
    left, top, right, bottom = box
    return panel, (left * panel.width, top * panel.height, right * panel.width, bottom * panel.height)


def _cell(token: int, grid: tuple[int, int], box: Sequence[float]) -> tuple[float, float, float, float]:
    """Return the pixel box of one token of a grid that fills `box`."""
    row, column = divmod(token, grid[1])
    width, height = (box[2] - box[0]) / grid[1], (box[3] - box[1]) / grid[0]
    left, top = box[0] + column * width, box[1] + row * height
    return left, top, left + width, top + height


def rebuild(matches: Matches, panel: Image.Image, box: Sequence[float]) -> Image.Image:
    """Return B's patches in A's layout."""
    assert matches.grid is not None
    assert matches.other_grid is not None
    rows, columns = matches.grid
    side = max(4, _SIDE // max(rows, columns))
    picture = Image.new("RGB", (columns * side, rows * side), "white")
    for token, partner in enumerate(matches.permutation):
        if partner >= 0:
            patch = panel.resize((side, side), box=_inside(_cell(int(partner), matches.other_grid, box), panel.size))
            picture.paste(patch, ((token % columns) * side, (token // columns) * side))
    return picture.resize((_SIDE, max(1, round(_SIDE * rows / columns))))


def _inside(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return a box clipped to a picture: a grid may reach into the transform's padding."""
    width, height = size
    left, top = min(max(0.0, box[0]), width - 1), min(max(0.0, box[1]), height - 1)
    return left, top, min(max(left + 1, box[2]), width), min(max(top + 1, box[3]), height)


def place_colour(token: int, grid: tuple[int, int]) -> tuple[int, int, int]:
    """Return a colour for each place of a grid: hue by direction from the centre, lighter towards it."""
    row, column = divmod(token, grid[1])
    y, x = (row + 0.5) / grid[0] - 0.5, (column + 0.5) / grid[1] - 0.5
    hue = (math.degrees(math.atan2(y, x)) + 200) % 360 / 360
    red, green, blue = colorsys.hls_to_rgb(hue, 0.74 - 0.32 * min(1.0, 2 * math.hypot(x, y)), 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)
