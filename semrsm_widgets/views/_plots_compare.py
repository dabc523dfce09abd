"""Layers of one model against layers of another, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps

from semrsm_widgets.views._paper import (
    CENTRE,
    INK,
    LINE,
    MARGIN,
    QUIET,
    SMALL,
    Sheet,
    clipped,
    number,
    raster,
    text_width,
)
from semrsm_widgets.views._provenance import matcher_sentence, model_sentence

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.experiments.layer_pairs import Comparison

_NUMBER_FROM = 6.4  # millimetres of a cell from which its value fits
_LARGEST = 11.0
_NAMES = 0.25  # of the width, at most, for the names of layers
_BAR = 1.8
_NEGATIVE, _UNDEFINED = "#c2577f", "#c8c8c8"  # outside the range from 0 to 1, and no value at all


def draw_layer_map(
    sheet: Sheet,
    comparison: Comparison,
    analyses: tuple[Analysis, Analysis],
    *,
    similarity: str,
    names: tuple[str, str],
    cell: tuple[str, str] | None = None,
) -> None:
    """Draw the statistic of every layer of A with every layer of B, numbers where the cells are large enough.

    Args:
        sheet: where; its caption gets the provenance.
        comparison: of the two.
        analyses: A and B.
        similarity: whose RSMs were compared.
        names: what the two are called.
        cell: layers (of A, of B) to frame.
    """
    table = comparison.table(similarity)
    rows = {(row.layer_a, row.layer_b): row for row in comparison.rows if row.similarity == similarity}
    first = next(iter(rows.values()))
    most = _NAMES * sheet.room
    down, across = ([clipped(name, most) for name in each] for each in (comparison.layers_a, comparison.layers_b))
    beside = max(map(text_width, down)) + 1.2
    above = max(map(text_width, across)) + 1.0
    side = min(_LARGEST, (sheet.room - beside) / len(across))
    left, top = MARGIN + beside, sheet.bottom + LINE + 0.6 + above
    title = f"{first.statistic.upper()} of {similarity} RSMs · down: {names[0]} · across: {names[1]}"
    sheet.text(MARGIN, sheet.bottom, clipped(title, sheet.room), color=QUIET)
    width, height = side * len(across), side * len(down)
    axes = sheet.picture(left, top, width, height)
    raster(axes, _painted(table), (0, 0, width, height))
    for row, name in enumerate(down):
        sheet.text(left - 0.8, top + (row + 0.5) * side - CENTRE, name, align="right")
    for column, name in enumerate(across):
        sheet.upright(left + (column + 0.5) * side, top - 0.6 - text_width(name), name)
    if side >= _NUMBER_FROM:
        for (row, column), value in np.ndenumerate(table):
            ink = "white" if np.isfinite(value) and value < 0.5 else INK
            words = f"{value:.2f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(value) else "–"
            axes.text(
                (column + 0.5) * side,
                (row + 0.5) * side,
                words,
                fontsize=SMALL,
                color=ink,
                ha="center",
                va="center_baseline",
            )
    if cell is not None:
        y, x = comparison.layers_a.index(cell[0]) * side, comparison.layers_b.index(cell[1]) * side
        for colour, line in ((INK, 1.8), ("white", 0.8)):
            axes.fill(
                [x, x + side, x + side, x], [y, y, y + side, y + side], fill=False, edgecolor=colour, linewidth=line
            )
    sheet.bottom = _draw_bar(sheet, left, top + height + 1.6, max(width, 20.0))
    widths = [row.high - row.low for row in rows.values() if np.isfinite(row.high - row.low)]
    sheet.say(f"{first.statistic.upper()} over {first.n} images, kernel {first.kernel}.")
    if widths:
        sheet.say(f"95 % intervals (jackknife over images) are {number(float(np.median(widths)))} wide in the median.")
    if (table < 0).any():
        sheet.say("Red: below zero.")
    if not np.isfinite(table).all():
        sheet.say("Grey: not defined.")
    for analysis in analyses:
        sheet.cite(matcher_sentence(analysis))
    for letter, name, analysis in zip("AB", names, analyses, strict=True):
        sheet.cite(f"{letter}, {name}: {model_sentence(analysis)}")


def _painted(table: np.ndarray) -> np.ndarray:
    """Return the map (H, W, 3) in which a cell is several pixels a side."""
    painted = colormaps["cividis"](np.clip(table, 0, 1))[..., :3]
    for colour, where in ((_NEGATIVE, table < 0), (_UNDEFINED, ~np.isfinite(table))):
        painted[where] = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    pixels = np.rint(255 * painted).astype(np.uint8)
    return pixels.repeat(24, 0).repeat(24, 1)


def _draw_bar(sheet: Sheet, left: float, top: float, width: float) -> float:
    """Draw the colours from 0 to 1 and return where that ends."""
    axes = sheet.picture(left, top, width, _BAR)
    strip = np.rint(255 * colormaps["cividis"](np.linspace(0, 1, 512))[None, :, :3]).astype(np.uint8).repeat(8, 0)
    raster(axes, strip, (0, 0, width, _BAR))
    for at, words, align in ((0.0, "0", "left"), (0.5, "0.5", "center"), (1.0, "1", "right")):
        sheet.text(left + at * width, top + _BAR + 0.6, words, align=align)
    return top + _BAR + 0.6 + LINE + 0.6
