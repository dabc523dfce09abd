"""A query and what each similarity retrieves for it, on paper."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from semrsm_widgets.figures import (
    certificate_sentence,
    layer_sentence,
    matcher_sentence,
    model_sentence,
    null_sentence,
    number,
)
from semrsm_widgets.figures.sheet import (
    GAP,
    INK,
    LINE,
    MARGIN,
    QUIET,
    RULE,
    SMALL,
    TITLE,
    Sheet,
    clipped,
    raster,
)
from semrsm_widgets.rsm import SIMILARITIES

from .still import RIGHT, WRONG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.retrieval import Answers, Ranked
    from semrsm_widgets.rsm import NullLevel
    from semrsm_widgets.tokens import PatchBox

_QUERY = 24.0  # millimetres
_HEAD = 25.0
_LEAST, _MOST = 8.0, 15.0  # a cell's side: a number fits beneath it
_BETWEEN = 1.2
_LINES = 4.5  # where the lines run, between rows
_PIXELS_PER_MM = 14  # about 350 to the inch


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawn:
    """What is drawn: a query and its rows.

    Attributes:
        name: what the query is called.
        labels: what it shows.
        picture: the query, and its token grid's box in fractions of its sides.
        box: the patches that were searched with; None for all.
        patches: how many they are, and of how many.
        layer: the layer.
        kernel: the kernel's name.
        rows: the rankings.
        k: answers in each row.
        answers: which images are right; None without labels.
        null: what unrelated tokens reach; None for a set of one image.
        gap: the largest certified error of a semantic value, as a cosine.
    """

    name: str
    labels: Sequence[str]
    picture: tuple[Image.Image, Sequence[float]]
    box: PatchBox | None
    patches: tuple[int, int]
    layer: str
    kernel: str
    rows: Sequence[Ranked]
    k: int
    answers: Answers | None
    null: NullLevel | None
    gap: float


def draw_retrieval(sheet: Sheet, analysis: Analysis, drawn: Drawn) -> None:
    """Draw the query above the rows of what is retrieved for it, with lines between an image's places.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: whose images they are.
        drawn: what to draw.
    """
    _draw_query(sheet, analysis, drawn)
    room = sheet.room - _HEAD
    k = max(1, min(drawn.k, int((room + _BETWEEN) // (_LEAST + _BETWEEN))))
    side = min(_MOST, (room + _BETWEEN) / k - _BETWEEN)
    centres = [MARGIN + _HEAD + at * (side + _BETWEEN) + side / 2 for at in range(k)]
    previous: tuple[Ranked, float] | None = None  # the row above, and where its numbers end
    for row in drawn.rows:
        if previous is not None:
            sheet.bottom += _LINES
        top = sheet.bottom
        if previous is not None and not row.reason:
            _join(sheet, (previous[0], row), (previous[1], top), centres)
        head_ends = _draw_head(sheet, row, drawn, min(k, drawn.k), top)
        if row.reason:
            ends = sheet.paragraph(MARGIN + _HEAD, top, row.reason, room, color=QUIET)
            previous = None
        else:
            for at, index in enumerate(row.order[:k].tolist()):
                _draw_answer(sheet, analysis, drawn, index, (centres[at] - side / 2, top, side))
                value = number(row.values[index])
                sheet.text(centres[at], top + side + 0.5, clipped(value, side + _BETWEEN), align="center")
            ends = top + side + 0.5 + LINE
            previous = row, ends
        sheet.bottom = max(head_ends, ends)
        if previous is None:
            sheet.bottom += GAP
    _say(sheet, analysis, drawn, k)


def _draw_query(sheet: Sheet, analysis: Analysis, drawn: Drawn) -> None:
    """Draw the query with its box, and beside it what it is."""
    picture, area = drawn.picture
    height = min(_QUERY, _QUERY * picture.height / picture.width)
    width = height * picture.width / picture.height
    axes = sheet.picture(MARGIN, sheet.bottom, width, height)
    small = picture.convert("RGB")
    small.thumbnail((round(width * _PIXELS_PER_MM),) * 2)
    raster(axes, np.asarray(small), (0, 0, width, height))
    grid = analysis.tokens[drawn.layer].grid
    if drawn.box is not None and grid is not None:
        rows, columns = (drawn.box[0], drawn.box[2]), (drawn.box[1], drawn.box[3])
        x0, x1 = (width * (area[0] + (area[2] - area[0]) * each / grid[1]) for each in columns)
        y0, y1 = (height * (area[1] + (area[3] - area[1]) * each / grid[0]) for each in rows)
        for colour, thickness in ((INK, 1.6), ("#00e5ff", 0.8)):
            axes.fill([x0, x1, x1, x0], [y0, y0, y1, y1], fill=False, edgecolor=colour, linewidth=thickness)
    left, room = MARGIN + _HEAD, sheet.room - _HEAD
    sheet.text(left, sheet.bottom, clipped(f"Query {drawn.name}", room, TITLE, bold=True), size=TITLE, bold=True)
    lines = [", ".join(drawn.labels)] if drawn.labels else []
    if drawn.patches[0] < drawn.patches[1]:
        lines.append(f"{drawn.patches[0]} of {drawn.patches[1]} patches")
    for at, line in enumerate(lines):
        sheet.text(left, sheet.bottom + (1.3 + at) * LINE, clipped(line, room), color=QUIET)
    sheet.bottom += max(height, (1.3 + len(lines)) * LINE) + GAP


def _draw_head(sheet: Sheet, row: Ranked, drawn: Drawn, k: int, top: float) -> float:
    """Write a row's name and scores; return where they end."""
    room = _HEAD - 1.0
    sheet.text(MARGIN, top, clipped(row.name, room, TITLE, bold=True), size=TITLE, bold=True)
    words = [SIMILARITIES[row.name].aside if row.name in SIMILARITIES else "own ranking"]
    if len(row.f1):
        words.append(f"F1@{k} {number(row.f1[min(k, len(row.f1)) - 1])}, AP {_known(row.average_precision)}")
    if row.name == "semantic" and drawn.null is not None and not row.reason:
        words.append(f"unrelated {number(drawn.null.mean)}")
    for at, line in enumerate(words):
        sheet.text(MARGIN, top + (1.2 + at) * LINE, clipped(line, room), color=QUIET)
    return top + (1.2 + len(words)) * LINE


def _draw_answer(sheet: Sheet, analysis: Analysis, drawn: Drawn, index: int, place: tuple[float, float, float]) -> None:
    """Draw an answer, cut to a square, grey where its file is gone; marked by colour and by shape."""
    left, top, side = place
    axes = sheet.picture(left, top, side, side)
    pixels = round(side * _PIXELS_PER_MM)
    try:
        raster(axes, np.asarray(_square(analysis.images.thumbnail(index, 2 * pixels), pixels)), (0, 0, side, side))
    except OSError:
        axes.fill([0, side, side, 0], [0, 0, side, side], color="#dddddd", linewidth=0)
    if drawn.answers is None or analysis.images.labels is None or not analysis.images.labels[index]:
        return
    is_right = drawn.answers.f1[index] > 0
    marker, colour = ("o", RIGHT) if is_right else ("s", WRONG)
    axes.plot([1.4], [1.4], marker, markersize=5.4, color=colour, markeredgecolor="white", markeredgewidth=0.4)
    sign = "✓" if is_right else "×"
    look: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": SMALL, "color": "white"}
    axes.text(1.4, 1.4, sign, fontweight="bold", **look)


def _known(value: float) -> str:
    """Return a number, or a dash where it is not defined: the average precision of what has no answer."""
    return number(value) if np.isfinite(value) else "–"


def _square(picture: Image.Image, pixels: int) -> Image.Image:
    """Return the middle of a picture as a square."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.convert("RGB").crop((left, top, left + side, top + side)).resize((pixels, pixels))


def _join(sheet: Sheet, rows: tuple[Ranked, Ranked], levels: tuple[float, float], centres: Sequence[float]) -> None:
    """Draw lines from an image's place in one row to its place in the next."""
    above, below = ({int(index): at for at, index in enumerate(row.order[: len(centres)])} for row in rows)
    high, low = levels
    axes = sheet.picture(MARGIN, high, sheet.room, low - high)
    for index in sorted(above.keys() & below.keys()):
        ends = centres[above[index]] - MARGIN, centres[below[index]] - MARGIN
        steps = np.linspace(0, 1, 24)
        eased = steps**2 * (3 - 2 * steps)  # leaves and arrives upright
        across = ends[0] + (ends[1] - ends[0]) * eased
        axes.plot(across, 0.3 + (low - high - 0.6) * steps, color=RULE, linewidth=0.5)


def _say(sheet: Sheet, analysis: Analysis, drawn: Drawn, k: int) -> None:
    """Write the caption: what is drawn, and where its numbers come from."""
    shown = f"the {k} nearest images" if k == drawn.k else f"the first {k} of the {drawn.k} nearest images"
    sheet.say(f"Each row: {shown} under one similarity, nearest first, with its value ({drawn.kernel}).")
    sheet.say(layer_sentence(analysis, drawn.layer))
    if any(set(one.order[:k].tolist()) & set(other.order[:k].tolist()) for one, other in pairwise(drawn.rows)):
        sheet.say("Lines join an image's places.")
    if drawn.answers is None:
        sheet.say("Without labels, right and wrong answers are not marked.")
    else:
        answers = drawn.answers
        chance = f"F1 {_known(drawn.answers.chance_f1)}, AP {_known(drawn.answers.chance_average_precision)}"
        sheet.say(
            f"Disc: shares a label with the query, as {answers.relevant} of {answers.labelled} do; "
            f"square: shares none. By chance: {chance}."
        )
        if answers.unlabelled:
            sheet.say(f"{answers.unlabelled} images without a label are not marked and left out of F1 and AP.")
    used, of = drawn.patches
    if used < of:
        sheet.say(f"Searched with {used} of {of} patches: levels are not comparable with those of whole images.")
    if drawn.null is not None:
        sheet.cite(null_sentence(drawn.null, number(drawn.null.mean), drawn.kernel))
    sheet.cite(matcher_sentence(analysis))
    sheet.cite(certificate_sentence("Every semantic value", drawn.gap))
    sheet.cite(model_sentence(analysis))
