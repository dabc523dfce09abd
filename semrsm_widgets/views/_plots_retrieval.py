"""A query and what each similarity retrieves for it, on paper."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.views._paper import (
    GAP,
    INK,
    LINE,
    MARGIN,
    QUIET,
    RULE,
    TITLE,
    Sheet,
    clipped,
    number,
    raster,
    text_width,
    wrapped,
)
from semrsm_widgets.views._provenance import layer_sentence, matcher_sentence, model_sentence, null_sentence
from semrsm_widgets.views._retrieval_picture import RIGHT, WRONG

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.lookup import Ranked
    from semrsm_widgets.null import NullLevel
    from semrsm_widgets.query import Box
    from semrsm_widgets.views._plots_pair import Side

PIXELS_PER_MM = 14  # about 350 to the inch
_QUERY = 0.24  # of the width
_SPACE = 0.9  # millimetres between answers
_SMALLEST = 7.0  # millimetres of an answer: its value must fit under it
_LARGEST = 16.0
_HEAD = 1.3 * LINE
_ROWS = 2.6  # millimetres between rows, where the lines run


def draw_rows(
    sheet: Sheet,
    analysis: Analysis,
    ranked: Sequence[Ranked],
    query: Side,
    *,
    name: str,
    labels: Collection[str],
    layer: str,
    kernel: str,
    k: int,
    box: Box | None,
    null: NullLevel | None,
) -> None:
    """Draw the query beside its rows of answers, with lines between an image's places in neighbouring rows.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: what was searched in.
        ranked: the rows.
        query: its picture, and where the token grid lies on it.
        name: of the query.
        labels: what the query shows; empty if that is not known.
        layer: the layer.
        kernel: its name, as shown.
        k: answers in each row; fewer where they would be under 7 mm wide.
        box: the patches that were searched with; None for all.
        null: what unrelated tokens reach; None where there is no such level.
    """
    wide = _QUERY * sheet.room
    left, room = MARGIN + wide + GAP, (1 - _QUERY) * sheet.room - GAP
    count = min(k, int((room + _SPACE) / (_SMALLEST + _SPACE)))
    side = min(_LARGEST, (room + _SPACE) / count - _SPACE)
    top = sheet.bottom
    _draw_query(sheet, query, wide, name, None if box is None else (box, analysis.tokens[layer].grid))
    places: list[dict[int, tuple[float, float]]] = []
    sheet.bottom, ends = top, sheet.bottom
    for row in ranked:
        places.append(_draw_row(sheet, analysis, row, (left, side, room), count, labels))
    lines = sheet.picture(0, 0, sheet.width, sheet.bottom)
    lines.set_zorder(-1)
    for above, below in pairwise(places):
        for index in above.keys() & below.keys():
            (x0, y0), (x1, y1) = above[index], below[index]
            ends_y = (y0 + side + LINE + 0.3, y1 - _HEAD - 0.4)
            lines.plot([x0 + side / 2, x1 + side / 2], ends_y, color=RULE, linewidth=0.5)
    sheet.bottom = max(sheet.bottom - _ROWS, ends) + 0.6
    sheet.say(layer_sentence(analysis, layer))
    sheet.say(f"Kernel {kernel}; under each answer its similarity; lines join an image's places.")
    if count < k:
        sheet.say(f"The first {count} of {k} answers.")
    if box is not None:
        sheet.say(f"Searched with the {(box[2] - box[0]) * (box[3] - box[1])} patches that are framed.")
    if labels and analysis.images.labels is not None:
        sheet.say("Blue disc: a label in common with the query; orange square: none.")
    if null is not None:
        sheet.cite(null_sentence(null, number(null.mean), kernel))
    sheet.cite(matcher_sentence(analysis))
    sheet.cite(model_sentence(analysis))


def _draw_query(
    sheet: Sheet, query: Side, width: float, name: str, part: tuple[Box, tuple[int, int] | None] | None
) -> None:
    """Draw the query under its name, the patches that were searched with framed; move `bottom` beneath it."""
    top = sheet.bottom
    sheet.text(MARGIN, top, "query", size=TITLE, bold=True)
    height = width * query.picture.height / query.picture.width
    axes = sheet.picture(MARGIN, top + _HEAD, width, height)
    raster(axes, np.asarray(query.picture.convert("RGB")), (0, 0, width, height))
    if part is not None and part[1] is not None:
        (row0, column0, row1, column1), (rows, columns) = part[0], part[1]
        left, upper, right, lower = query.box
        x = [width * (left + (right - left) * at / columns) for at in (column0, column1)]
        y = [height * (upper + (lower - upper) * at / rows) for at in (row0, row1)]
        for colour, line in ((INK, 1.8), ("#00e5ff", 1.0)):
            axes.fill([x[0], x[1], x[1], x[0]], [y[0], y[0], y[1], y[1]], fill=False, edgecolor=colour, linewidth=line)
    sheet.text(MARGIN, top + _HEAD + height + 0.4, clipped(name, width), color=QUIET)
    sheet.bottom = top + _HEAD + height + 0.4 + LINE


def _draw_row(
    sheet: Sheet,
    analysis: Analysis,
    row: Ranked,
    place: tuple[float, float, float],
    count: int,
    labels: Collection[str],
) -> dict[int, tuple[float, float]]:
    """Draw one row and return where each answer stands."""
    left, side, room = place
    top = sheet.bottom
    title = clipped(row.name, 0.5 * room, TITLE, bold=True)
    sheet.text(left, top, title, size=TITLE, bold=True)
    beside = left + text_width(title, TITLE, bold=True) + 2.0
    if len(row.f1):
        score = f"F1@{count} {number(row.f1[min(count, len(row.f1)) - 1])}"
        if np.isfinite(row.average_precision):
            score += f" · AP {number(row.average_precision)}"
        sheet.text(beside, top + 0.35, clipped(score, left + room - beside), color=QUIET)
    answers = {}
    for at, index in enumerate(int(k) for k in row.order[:count]):
        x, y = left + at * (side + _SPACE), top + _HEAD
        answers[index] = (x, y)
        _draw_answer(sheet, analysis, index, (x, y), side)
        sheet.text(x + side / 2, y + side + 0.4, number(row.values[index]), align="center")
        known = analysis.images.labels
        if labels and known is not None and known[index]:
            _mark(sheet, (x, y), is_right=bool(set(labels) & known[index]))
    if row.reason:
        for k, line in enumerate(wrapped(row.reason, room)):
            sheet.text(left, top + _HEAD + k * LINE, line, color=QUIET)
    sheet.bottom = top + _HEAD + side + LINE + 0.4 + _ROWS
    return answers


def _draw_answer(sheet: Sheet, analysis: Analysis, index: int, place: tuple[float, float], side: float) -> None:
    """Draw an answer, whole, in the middle of its square."""
    picture = analysis.images.image(index)
    picture.thumbnail((round(side * PIXELS_PER_MM),) * 2)
    scale = side / max(picture.size)
    width, height = picture.width * scale, picture.height * scale
    axes = sheet.picture(place[0] + (side - width) / 2, place[1] + (side - height) / 2, width, height)
    raster(axes, np.asarray(picture.convert("RGB")), (0, 0, width, height))


def _mark(sheet: Sheet, place: tuple[float, float], *, is_right: bool) -> None:
    """Mark an answer by colour and by shape: a disc for a right one, a square for a wrong one."""
    axes = sheet.picture(*place, 2.0, 2.0)
    axes.set_facecolor("none")
    shape, colour = ("o", RIGHT) if is_right else ("s", WRONG)
    axes.plot([1.0], [1.0], shape, markersize=3.6, color=colour, markeredgecolor="white", markeredgewidth=0.5)
