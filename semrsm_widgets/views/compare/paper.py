"""A CompareView on paper: the layer x layer map and, of an opened cell, both RSMs and their difference."""

from __future__ import annotations

from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle

from semrsm_widgets.figures import MISSING, colour_indices, layer_sentence, matcher_sentence, model_sentence, number
from semrsm_widgets.figures.sheet import (
    GAP,
    LINE,
    MARGIN,
    QUIET,
    SMALL,
    TITLE,
    Sheet,
    clipped,
    raster,
    text_width,
)

from .messages import detail_ranges
from .still import cell_colour, ink_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.experiments import Comparison, LayerPair, RSMDifference

_HIGHEST = 6.0  # millimetres of a cell
_NAMES = 0.28  # of the width, at most, for the names of layers
_BAR = 1.8  # millimetres of a colour bar
_PIXELS = 600  # of a heatmap's side, about
_UNKNOWN = 209  # grey of the diagonal, which CKA leaves out


def draw_comparison(
    sheet: Sheet, comparison: Comparison, similarity: str, sides: Sequence[tuple[str, Analysis]], palette: Sequence[str]
) -> None:
    """Draw the map of one similarity, with values and intervals where they fit.

    Args:
        sheet: where; its caption gets the provenance.
        comparison: of all layers of the two.
        similarity: whose RSMs.
        sides: (name, analysis) of A and B.
        palette: colours of CKA from 0 to 1.
    """
    rows = {(row.layer_a, row.layer_b): row for row in comparison.rows if row.similarity == similarity}
    a, b = comparison.layers_a, comparison.layers_b
    names = min(max(map(text_width, a)) + 1.0, _NAMES * sheet.room)
    upright = min(max(map(text_width, b)) + 1.0, _NAMES * sheet.room)
    width = (sheet.room - names) / len(b)
    height = min(width, _HIGHEST)
    sheet.text(MARGIN, sheet.bottom, f"CKA of {similarity} RSMs", size=TITLE, bold=True)
    words = f"A (down) {sides[0][0]} · B (across) {sides[1][0]}"
    sheet.text(MARGIN, sheet.bottom + 1.25 * LINE, clipped(words, sheet.room), color=QUIET)
    left, top = MARGIN + names, sheet.bottom + 2.6 * LINE + upright
    head = sheet.picture(left, top - upright, width * len(b), upright)
    for column, name in enumerate(b):
        place = ((column + 0.5) * width, upright - 0.8)
        head.text(*place, clipped(name, upright - 0.8), rotation=90, ha="center", va="bottom", parse_math=False)
    axes = sheet.picture(left, top, width * len(b), height * len(a))
    for line, name in enumerate(a):
        middle = top + (line + 0.5) * height
        sheet.text(left - 0.8, middle - 0.45 * LINE, clipped(name, names - 0.8), align="right")
        for column, other in enumerate(b):
            row = rows.get((name, other))
            value = float("nan") if row is None else row.value
            fill = cell_colour(value, palette)
            axes.add_patch(Rectangle((column * width, line * height), width, height, facecolor=fill, edgecolor="white"))
            if row is not None:
                _numbers(axes, (column * width, line * height), (width, height), row, fill)
    sheet.bottom = top + height * len(a) + 1.2
    bar = min(30.0, sheet.room / 3)
    _colour_bar(sheet, left, bar, [palette[k * (len(palette) - 1) // 511] for k in range(512)], ("0", "1"))
    found = next(iter(rows.values()))
    sheet.say(f"Unbiased CKA ({found.kernel} kernel) of {found.n} images; 95 % intervals leave out one at a time.")
    for letter, (_, analysis) in zip("AB", sides, strict=True):
        if similarity == "semantic":
            sheet.cite(matcher_sentence(analysis))
        sheet.cite(f"{letter}: {model_sentence(analysis)}")


def draw_difference(
    sheet: Sheet,
    difference: RSMDifference,
    cell: tuple[str, str],
    sides: Sequence[tuple[str, Analysis]],
    palettes: Mapping[str, Sequence[str]],
) -> None:
    """Draw both RSMs of a cell as CKA compares them, and their difference."""
    span, limit = detail_ranges(difference)
    side = (sheet.room - 2 * GAP) / 3
    panels = (
        (f"A {cell[0]}", difference.a, span, palettes["values"]),
        (f"B {cell[1]}", difference.b, span, palettes["values"]),
        ("A − B", difference.difference, (-limit, limit), palettes["difference"]),
    )
    top = sheet.bottom + 1.4 * LINE
    for k, (title, matrix, (low, high), palette) in enumerate(panels):
        left = MARGIN + k * (side + GAP)
        sheet.text(left, sheet.bottom, clipped(title, side, TITLE, bold=True), size=TITLE, bold=True)
        axes = sheet.picture(left, top, side, side)
        raster(axes, _painted(matrix, low, high, palette), (0, 0, side, side))
    sheet.bottom = top + side + 1.2
    bottom = sheet.bottom
    for k, (_, _, (low, high), palette) in enumerate(panels):
        sheet.bottom = bottom
        _colour_bar(sheet, MARGIN + k * (side + GAP), side, palette, (number(low, 1), number(high, 1)))
    sheet.say("As CKA compares them: row and column levels taken out, the rest in standard deviations.")
    sheet.say(f"CKA {number(difference.cka)} = 1 − half the mean squared difference.")
    for letter, layer, (_, analysis) in zip("AB", cell, sides, strict=True):
        sheet.say(f"{letter}: {layer_sentence(analysis, layer)}")


def _numbers(axes: Axes, place: tuple[float, float], size: tuple[float, float], row: LayerPair, fill: str) -> None:
    """Write a value into its cell, and its interval where that fits, too."""
    words = "n/a" if isnan(row.value) else number(row.value)
    ends = f"{number(row.low)} to {number(row.high)}" if isfinite(row.low) else ""
    (left, top), (width, height) = place, size
    x = left + width / 2
    if text_width(words) > width - 0.6 or height < LINE:
        return
    both = bool(ends) and text_width(ends, SMALL - 1.5) <= width - 0.6 and height >= 2 * LINE
    look: dict[str, Any] = {"color": ink_for(fill), "ha": "center", "va": "center", "parse_math": False}
    axes.text(x, top + height * (0.34 if both else 0.5), words, **look)
    if both:
        axes.text(x, top + height * 0.72, ends, fontsize=SMALL - 1.5, **look)


def _painted(matrix: NDArray[np.float64], low: float, high: float, palette: Sequence[str]) -> NDArray[np.uint8]:
    """Return a heatmap (H, W, 3) in which a cell is several pixels a side."""
    indices = colour_indices(matrix, low, high)
    np.fill_diagonal(indices, MISSING)
    table = np.full((256, 3), _UNKNOWN, dtype=np.uint8)
    table[: len(palette)] = [[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in palette]
    times = max(1, _PIXELS // len(matrix))
    return table[indices].repeat(times, 0).repeat(times, 1)


def _colour_bar(sheet: Sheet, left: float, width: float, palette: Sequence[str], ends: tuple[str, str]) -> None:
    """Draw a colour bar with the values of its ends beneath."""
    axes = sheet.picture(left, sheet.bottom, width, _BAR)
    strip = np.array([[[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in palette]], dtype=np.uint8)
    raster(axes, strip.repeat(8, 0), (0, 0, width, _BAR))
    for words, at, align in ((ends[0], left, "left"), (ends[1], left + width, "right")):
        sheet.text(at, sheet.bottom + _BAR + 0.5, words, align=align)
    sheet.bottom += _BAR + 0.5 + LINE
