"""The still picture of the stepper: the board at the end, and how value and bound came to meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from semrsm_widgets.figures import COLOURS, place_colours, still_font
from semrsm_widgets.tokens import cell_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from semrsm_widgets.matching import AuctionTrace, Step
    from semrsm_widgets.views.base import PlacedPicture

    from .source import Lot

BOUND = "#d1495b"
VALUE = COLOURS["semantic"]
LEVEL_COLOURS = {"greedy": "#7d8597", "aligned": COLOURS["aligned"], "any": "#487c76"}
_BAND = "#f6dfe2"
_GROUND, _QUIET, _RULE = (236, 236, 236), "#555555", "#cccccc"
_WIDTH, _TEXT, _MARGIN = 980, 22, 24
# Pixels of a cell, by how many there are in a row.
_CELLS = ((4, 62), (9, 40), (16, 31))
_PLOT_HEIGHT, _NAMES = 230, 178
_DEEPEST = 0.62  # of the colour, for a row's favourite
_REACH = 0.5  # of the affinities' range: what is so much less than the favourite has none of it


def auction_still(trace: AuctionTrace, lot: Lot, sides: Sequence[PlacedPicture], names: str) -> Image.Image:
    """Return the board at the last step, and value and bound over all steps.

    Args:
        trace: the auction.
        lot: what is auctioned.
        sides: the pictures of rows and columns; none for a matrix.
        names: of the pictures.
    """
    n = len(lot.affinity)
    side = next(pixels for most, pixels in _CELLS if n <= most)
    board = _board(trace.steps[-1], lot, sides, side)
    height = 2 * _TEXT + 14 + max(board.height, _PLOT_HEIGHT) + 12
    picture = Image.new("RGB", (_WIDTH, height), "white")
    draw = ImageDraw.Draw(picture)
    # Pillow's own font has no arrow, no times sign and no epsilon.
    title = " · ".join(["Auction", *([names] if names else []), lot.words]).replace("→", "and").replace("×", "x")
    draw.text((_MARGIN, 8), title, fill="black", font=still_font(15))
    draw.text((_MARGIN, 8 + _TEXT), outcome(trace), fill=_QUIET, font=still_font(13))
    top = 2 * _TEXT + 14
    picture.paste(board, (_MARGIN, top))
    left = _MARGIN + board.width + 30
    _plot(draw, trace, lot, (left, top + 4, _WIDTH - _NAMES - 8, top + _PLOT_HEIGHT - 18))
    return picture


def outcome(trace: AuctionTrace) -> str:
    """Return what the auction came to, in a sentence."""
    bids = f"{trace.bids} bids in {trace.steps[-1].phase} phase{'s' * (trace.steps[-1].phase > 1)}"
    if not trace.finished:
        return f"{bids}, broken off: a price war. No matching is worth more than {trace.upper_bound:.4f}."
    return f"{bids}: value {trace.value:.4f}; no matching is worth more than {trace.upper_bound:.4f}."


def patch_of(placed: PlacedPicture, token: int, grid: tuple[int, int]) -> Image.Image:
    """Return one patch of a picture."""
    picture = placed.picture.convert("RGB")
    left, top, right, bottom = placed.place
    box = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
    x0, y0, x1, y1 = cell_box(token, grid, box)
    return picture.crop((round(x0), round(y0), round(x1), round(y1)))


def row_colours(lot: Lot) -> list[tuple[int, int, int]]:
    """Return the colour of each row: of patches, by their place."""
    n = len(lot.affinity)
    return place_colours(list(range(n)), lot.grid or (1, n))


def shade(share: float) -> tuple[int, int, int]:
    """Return the ground of a cell of this share, from 0 to 1."""
    part = _DEEPEST * min(1.0, max(0.0, share))
    value = tuple(int(VALUE[k : k + 2], 16) for k in (1, 3, 5))
    red, green, blue = (round((1 - part) * a + part * b) for a, b in zip(_GROUND, value, strict=True))
    return red, green, blue


def shares(step: Step, lot: Lot) -> NDArray[np.float64]:
    """Return (n, n) how deep a cell's colour is, 0 to 1: what its price leaves of it; a row's favourite has 1."""
    profits = lot.affinity - np.array(step.prices)
    reach = _REACH * float(np.ptp(lot.affinity)) or 1.0
    deep: NDArray[np.float64] = np.maximum(0.0, 1 - (profits.max(1, keepdims=True) - profits) / reach)
    return deep


def _board(step: Step, lot: Lot, sides: Sequence[PlacedPicture], side: int) -> Image.Image:
    n = len(lot.affinity)
    head, gap = round(0.75 * side) + 16, 3 if n <= 9 else 1
    place = [head + k * (side + gap) for k in range(n)]
    first = head + 34  # prices stand between the heads and the cells
    high = round(0.72 * side)
    board = Image.new("RGB", (place[-1] + side + 6, first + n * (high + gap) + 4), "white")
    draw = ImageDraw.Draw(board)
    font, small = still_font(13 if n <= 4 else 11 if n <= 9 else 9), still_font(11 if n <= 9 else 9)
    colours, share = row_colours(lot), shares(step, lot)
    digits = digits_for(lot)
    draw.text((0, head + 14), "price", fill=_QUIET, font=small)
    for k in range(n):
        tile = round(0.7 * side) - 4
        middle = place[k] + side // 2
        row_top = first + k * (high + gap)
        if len(sides) == 2 and lot.grid is not None:
            board.paste(patch_of(sides[1], k, lot.grid).resize((tile, tile)), (middle - tile // 2, 0))
            own = min(tile, high - 4)
            board.paste(patch_of(sides[0], k, lot.grid).resize((own, own)), (2, row_top + 2))
            draw.rectangle((1, row_top + 1, own + 2, row_top + own + 2), outline=colours[k], width=2)
            draw.text((middle, tile + 8), f"B{k}", fill=_QUIET, font=small, anchor="mm")
            draw.text((own + 6, row_top + high // 2), f"A{k}", fill=_QUIET, font=small, anchor="lm")
        else:
            draw.text((middle, head - 10), str(k), fill=_QUIET, font=small, anchor="mm")
            draw.text((head - 14, row_top + high // 2), str(k), fill=_QUIET, font=small, anchor="rm")
        draw.text((middle, head + 20), plain_number(step.prices[k], digits), fill="black", font=small, anchor="mm")
        for column in range(n):
            box = (place[column], row_top, place[column] + side, row_top + high)
            draw.rounded_rectangle(box, radius=3, fill=shade(float(share[k, column])))
            if step.owners[column] == k:
                draw.rounded_rectangle(box, radius=3, outline="black", width=4)
                draw.rounded_rectangle(box, radius=3, outline=colours[k], width=3)
            centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            draw.text(
                centre, plain_number(float(lot.affinity[k, column]), digits), fill="black", font=font, anchor="mm"
            )
    return board


def _plot(draw: ImageDraw.ImageDraw, trace: AuctionTrace, lot: Lot, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    low, high = value_range(trace, lot)
    last = max(1, len(trace) - 1)

    def x(step: int) -> float:
        return left + (right - left) * step / last

    def y(value: float) -> float:
        return min(bottom, bottom - (bottom - top) * (value - low) / (high - low))

    small, free = still_font(11), 0.0
    for k, step in enumerate(trace.steps):
        if step.kind == "phase":
            draw.line((x(k), top, x(k), bottom + 4), fill=_RULE)
            if x(k) >= free:  # phases may be short: no name lies over the one before
                words = f"eps {step.eps:.2g}"
                draw.text((x(k) + 4, bottom + 4), words, fill=_QUIET, font=small)
                free = x(k) + 4 + draw.textlength(words, font=small)
    draw.line((left, bottom, right, bottom), fill=_RULE)
    bounds = stairs([(x(k), y(step.best_bound)) for k, step in enumerate(trace.steps)])
    values = stairs([(x(k), y(step.best_value)) for k, step in enumerate(trace.steps) if np.isfinite(step.best_value)])
    if values:
        begin = values[0][0]
        draw.polygon([each for each in bounds if each[0] >= begin] + values[::-1], fill=_BAND)
    for level in lot.levels:
        for dash in range(left, right, 8):
            draw.line((dash, y(level.value), dash + 3, y(level.value)), fill=LEVEL_COLOURS[level.name], width=1)
    draw.line(bounds, fill=BOUND, width=3)
    if values:
        draw.line(values, fill=VALUE, width=3)
    names = end_names(trace, lot)
    places = apart([y(value) for _, value, _ in names], 16, bottom + 12)
    for (words, value, colour), place in zip(names, places, strict=True):
        draw.line((right, y(value), right + 10, place), fill=colour)
        draw.text((right + 14, place), words, fill="black", font=still_font(12), anchor="lm")


def digits_for(lot: Lot) -> int:
    """Return how many digits a number of the board has after its point."""
    unit = float(np.abs(lot.affinity).max()) or 1.0
    return max(0, (3 if len(lot.affinity) <= 9 else 2) - max(0, int(np.floor(np.log10(unit)))))


def plain_number(value: float, digits: int) -> str:
    """Return a number with so many digits, and no minus before zero."""
    text = f"{abs(value):.{digits}f}"
    return f"\N{MINUS SIGN}{text}" if value < 0 and text.strip("0.") else text


def stairs(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a line that keeps its height from each point to the next."""
    found = list(points[:1])
    for x, y in points[1:]:
        found += [(x, found[-1][1]), (x, y)]
    return found


def value_range(trace: AuctionTrace, lot: Lot) -> tuple[float, float]:
    """Return the least and the largest value of the plot: values of some rows only may lie below it."""
    high = max(step.best_bound for step in trace.steps)
    finished = [step.value for step in trace.steps if step.kind == "prove"]
    least = min([*(level.value for level in lot.levels), *finished, high])
    return least - 0.08 * ((high - least) or abs(high) or 1.0), high


def end_names(trace: AuctionTrace, lot: Lot, step: int = -1) -> list[tuple[str, float, str]]:
    """Return what is named beside the plot at a step: words, value, colour; the largest value first."""
    end = trace.steps[step]
    names = [(f"best bound {end.best_bound:.4f}", end.best_bound, BOUND)]
    if np.isfinite(end.best_value):
        names.append((f"value {end.best_value:.4f}", end.best_value, VALUE))
    names += [(f"{each.title} {each.value:.4f}", each.value, LEVEL_COLOURS[each.name]) for each in lot.levels]
    return sorted(names, key=lambda each: -each[1])


def apart(places: Sequence[float], step: float, lowest: float) -> list[float]:
    """Return falling places moved so that none is nearer to the next than a step, nor below the lowest."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + step) if found else place)
    for k in range(len(found) - 1, -1, -1):
        limit = lowest if k == len(found) - 1 else found[k + 1] - step
        found[k] = min(found[k], limit)
    return found
