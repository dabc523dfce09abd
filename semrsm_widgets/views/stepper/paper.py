"""The stepper on paper: the board at a step, and value and bound until there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle

from semrsm_widgets.figures import model_sentence, number
from semrsm_widgets.figures.sheet import GAP, INK, LINE, MARGIN, QUIET, RULE, Sheet, raster, text_width

from .still import (
    BOUND,
    LEVEL_COLOURS,
    VALUE,
    apart,
    digits_for,
    end_names,
    patch_of,
    plain_number,
    row_colours,
    shade,
    shares,
    value_range,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.matching import AuctionTrace, Step
    from semrsm_widgets.views.base import PlacedPicture

    from .source import Lot

_DIGITS = 4
# Millimetres of a cell at most, of the tallest board, and of the plot.
_CELL, _BOARD, _PLOT = 11.0, 82.0, 32.0


def draw_auction(
    sheet: Sheet,
    trace: AuctionTrace,
    lot: Lot,
    sides: Sequence[PlacedPicture],
    names: str,
    *,
    step: int,
    analysis: Analysis | None,
) -> None:
    """Draw the board at a step, and below it value and bound until there.

    Args:
        sheet: where; its caption gets what is drawn.
        trace: the auction.
        lot: what is auctioned.
        sides: the pictures of rows and columns; none for a matrix.
        names: of the pictures.
        step: which step, from 0.
        analysis: whose images they are; None for a matrix.
    """
    now = trace.steps[step]
    _draw_board(sheet, now, lot, sides)
    _draw_plot(sheet, trace, lot, step)
    n = len(lot.affinity)
    sheet.say(f"{names}: {lot.words}." if names else f"Auction of {lot.words}.")
    sheet.say(
        f"Step {step + 1} of {len(trace)}, phase {now.phase}, ε {number(now.eps, _DIGITS)}: {now.held} of {n} hold."
    )
    sheet.say("Cells: affinities, each row’s favourite at these prices greenest; outlined: what is held.")
    sheet.say(
        f"No matching is worth more than the best bound, {number(now.best_bound, _DIGITS)}; dots: a phase ends, "
        "every row holds a column."
    )
    if analysis is not None:
        sheet.cite(model_sentence(analysis))


def _draw_board(sheet: Sheet, now: Step, lot: Lot, sides: Sequence[PlacedPicture]) -> None:
    n = len(lot.affinity)
    placed = len(sides) == 2 and lot.grid is not None
    head = 7.5 if placed else 4.0
    cell = min(_CELL, (sheet.room - head - 1) / n, _BOARD / n)
    high = cell if placed else 0.7 * cell
    left, top = MARGIN + head + 1, sheet.bottom + (cell if placed else LINE) + 2 * LINE
    axes = sheet.picture(left, top, n * cell, n * high)
    share, colours = shares(now, lot), row_colours(lot)
    digits = digits_for(lot)
    largest = float(np.abs(lot.affinity).max())
    fits = text_width(plain_number(-largest, digits)) < cell
    for row in range(n):
        colour = tuple(each / 255 for each in colours[row])
        for column in range(n):
            ground = tuple(each / 255 for each in shade(float(share[row, column])))
            corner = (column * cell + 0.2, row * high + 0.2)
            axes.add_patch(Rectangle(corner, cell - 0.4, high - 0.4, facecolor=ground, edgecolor="none"))
            if now.owners[column] == row:
                for ink, width in ((INK, 2.0), (colour, 1.2)):
                    outline = Rectangle(
                        corner, cell - 0.4, high - 0.4, fill=False, edgecolor=ink, linewidth=width, clip_on=False
                    )
                    axes.add_patch(outline)
            if fits:
                x, y = left + (column + 0.5) * cell, top + (row + 0.5) * high - 0.31 * LINE
                sheet.text(x, y, plain_number(float(lot.affinity[row, column]), digits), align="center")
        if fits:
            price = plain_number(now.prices[row], digits)
            sheet.text(left + (row + 0.5) * cell, top - LINE - 0.4, price, align="center", color=QUIET)
        if placed:
            assert lot.grid is not None
            side = min(cell - 1, head - 0.5)
            for picture, x, y in (
                (sides[0], MARGIN + head - side, top + row * high + (high - side) / 2),
                (sides[1], left + row * cell + (cell - side) / 2, top - 1.4 * LINE - 0.4 - side),
            ):
                pixels = np.asarray(patch_of(picture, row, lot.grid))
                raster(sheet.picture(x, y, side, side), pixels, (0, 0, side, side))
        else:
            sheet.text(left - 1.2, top + (row + 0.5) * high - 0.31 * LINE, str(row), align="right", color=QUIET)
            sheet.text(left + (row + 0.5) * cell, top - 2 * LINE - 0.6, str(row), align="center", color=QUIET)
    if fits:
        sheet.text(left - 1.2, top - LINE - 0.4, "price", align="right", color=QUIET)
    sheet.bottom = top + n * high + GAP + 1


def _draw_plot(sheet: Sheet, trace: AuctionTrace, lot: Lot, step: int) -> None:
    told = trace.steps[: step + 1]
    names = end_names(trace, lot, step)
    room = max(text_width(words) for words, _, _ in names) + 4
    width = sheet.room - room
    axes: Axes = sheet.axes(MARGIN, sheet.bottom, width, _PLOT)
    low, high = value_range(trace, lot)
    axes.set(xlim=(0, max(1, len(trace) - 1)), ylim=(low, high + 0.03 * (high - low)), yticks=[])
    starts = [k for k, each in enumerate(trace.steps) if each.kind == "phase"]
    narrow = width * min(np.diff([*starts, len(trace)])) / len(trace)
    labels = [f"ε {number(trace.steps[k].eps, _DIGITS)}" for k in starts]
    shown = max(text_width(label) for label in labels) < narrow
    axes.set_xticks(starts, labels if shown else [""] * len(starts), ha="left")
    for start in starts:
        axes.axvline(start, color=RULE, linewidth=0.4)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    places = np.arange(len(told))
    bounds = [each.best_bound for each in told]
    finished = [k for k, each in enumerate(told) if np.isfinite(each.best_value)]
    values = [told[k].best_value for k in finished]
    if finished:
        axes.fill_between(finished, values, bounds[finished[0] :], step="post", color=BOUND, alpha=0.16, linewidth=0)
    for level in lot.levels:
        axes.axhline(level.value, color=LEVEL_COLOURS[level.name], linewidth=0.7, linestyle=(0, (1, 2)))
    axes.step(places, [each.bound for each in told], where="post", color=BOUND, linewidth=0.5, alpha=0.65)
    axes.step(places, [each.value for each in told], where="post", color=VALUE, linewidth=0.5, linestyle=(0, (2, 2)))
    axes.step(places, bounds, where="post", color=BOUND, linewidth=1.2)
    if finished:
        axes.step(finished, values, where="post", color=VALUE, linewidth=1.2)
    proofs = [k for k, each in enumerate(told) if each.kind == "prove"]
    axes.plot(proofs, [told[k].value for k in proofs], "o", color=VALUE, markersize=2.2)
    top = sheet.bottom
    at = [top + _PLOT * (1 - (value - low) / (1.03 * (high - low))) for _, value, _ in names]
    for (words, _, colour), place in zip(names, apart(at, LINE, top + _PLOT), strict=True):
        sheet.text(MARGIN + width + 1.5, place - 0.31 * LINE, words, color=INK if colour in (BOUND, VALUE) else QUIET)
    sheet.bottom += _PLOT + 1.6 * LINE
