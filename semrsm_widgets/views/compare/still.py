"""Still pictures of a CompareView: the layer x layer map, and the two RSMs of a cell with their difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, isfinite, isnan
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from semrsm_widgets.figures import colour_indices, heatmap_still, still_font

from .messages import detail_ranges

if TYPE_CHECKING:
    from semrsm_widgets.experiments import Comparison, RSMDifference

NEGATIVE = "#c2577f"
"""Of a CKA of -1; the range from 0 to 1 holds none below 0."""
_UNDEFINED = "#c8c8c8"
_CELL = (64, 34)
_NARROW = 22
_MOST_NUMBERS = 12
_EDGE = 24


def layer_map_still(
    comparison: Comparison, similarity: str, names: Sequence[str], palette: Sequence[str]
) -> Image.Image:
    """Return the map of one similarity: layers of A down, of B across, numbers in the cells where there are few.

    Args:
        comparison: of all layers.
        similarity: which of its RSMs.
        names: of A and of B.
        palette: colours of the range from 0 to 1.
    """
    table = comparison.table(similarity)
    rows = {(row.layer_a, row.layer_b): row for row in comparison.rows if row.similarity == similarity}
    few = len(comparison.layers_b) <= _MOST_NUMBERS
    width, height = _CELL if few else (_NARROW, _NARROW)
    font = still_font(12)
    left = _EDGE + max(round(font.getlength(name)) for name in comparison.layers_a) + 8
    across = [_upright(name) for name in comparison.layers_b]
    top = 58 + max(label.height for label in across)
    size = (left + width * table.shape[1] + _EDGE, top + height * table.shape[0] + 40)
    title = f"CKA of {similarity} RSMs · {next(iter(rows.values())).n} images"
    sides = f"down: A, {names[0]} · across: B, {names[1]}"
    written = max(round(still_font(14).getlength(title)), round(font.getlength(sides)))
    picture = Image.new("RGB", (max(size[0], written + 2 * _EDGE), size[1]), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_EDGE, 6), title, fill="black", font=still_font(14))
    draw.text((_EDGE, 28), sides, fill="#555555", font=font)
    for column, label in enumerate(across):
        picture.paste(label, (left + width * column + (width - label.width) // 2, top - 4 - label.height))
    for line, (name, values) in enumerate(zip(comparison.layers_a, table, strict=True)):
        y = top + line * height
        draw.text((left - 8, y + height / 2), name, fill="black", font=font, anchor="rm")
        for column, value in enumerate(values):
            x = left + column * width
            fill = cell_colour(float(value), palette)
            draw.rectangle((x, y, x + width - 2, y + height - 2), fill=fill)
            if few:
                found = rows.get((name, comparison.layers_b[column]))
                _numbers(draw, (x + width / 2 - 1, y), float(value), found, fill)
    words = "95 % jackknife intervals over images"
    draw.text((_EDGE, size[1] - 28), words if few else f"{words} are in view.comparison", fill="#555555", font=font)
    return picture


def detail_still(
    difference: RSMDifference, cell: tuple[str, str], palettes: Mapping[str, Sequence[str]]
) -> Image.Image:
    """Return both standardised RSMs of a cell, and their difference."""
    (low, high), limit = detail_ranges(difference)
    title = f"as CKA compares them, {low:.1f} to {high:.1f} standard deviations · CKA {difference.cka:.2f}"
    panels = {
        f"A {cell[0]}": (colour_indices(difference.a, low, high), palettes["values"]),
        f"B {cell[1]}": (colour_indices(difference.b, low, high), palettes["values"]),
        f"A - B, {-limit:.1f} to {limit:.1f}": (
            colour_indices(difference.difference, -limit, limit),
            palettes["difference"],
        ),
    }
    return heatmap_still(panels, title)


def cell_colour(value: float, palette: Sequence[str]) -> str:
    """Return the colour of a CKA: the palette from 0 to 1, towards another colour below 0, grey where undefined."""
    if isnan(value):
        return _UNDEFINED
    if value >= 0:
        return palette[floor(min(1.0, value) * (len(palette) - 1) + 0.5)]
    part = 0.25 + 0.75 * min(1.0, -value)
    ends = zip(_channels(palette[0]), _channels(NEGATIVE), strict=True)
    return "#" + "".join(f"{floor(k + part * (to - k) + 0.5):02x}" for k, to in ends)


def ink_for(fill: str) -> str:
    """Return black or white, whichever is read on a colour."""
    red, green, blue = _channels(fill)
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "#ffffff"


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _numbers(draw: ImageDraw.ImageDraw, at: tuple[float, float], value: float, row: object, fill: str) -> None:
    """Write a value and its interval into a cell."""
    x, y = at
    ink = ink_for(fill)
    draw.text((x, y + 10), "n/a" if isnan(value) else f"{value:.2f}", fill=ink, font=still_font(12), anchor="mm")
    low, high = getattr(row, "low", float("nan")), getattr(row, "high", float("nan"))
    if isfinite(low):
        draw.text((x, y + 24), f"{low:.2f}, {high:.2f}", fill=ink, font=still_font(9), anchor="mm")


def _upright(text: str) -> Image.Image:
    """Return a text that reads from bottom to top."""
    font = still_font(12)
    label = Image.new("RGB", (round(font.getlength(text)) + 4, 18), "white")
    ImageDraw.Draw(label).text((0, 2), text, fill="black", font=font)
    return label.transpose(Image.Transpose.ROTATE_90)
