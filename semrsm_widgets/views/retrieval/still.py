"""A query and what each similarity retrieves, as a still picture: for places where no widget runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from semrsm_widgets.figures import still_font

if TYPE_CHECKING:
    from collections.abc import Collection

    from semrsm_widgets.images import Images
    from semrsm_widgets.retrieval import Ranked
    from semrsm_widgets.tokens import PatchBox

_QUERY = 240
_SIDE = 72
_GAP = 14
_HEAD = 170
_LINES = 26  # between rows, where the lines run
_CAPTION = 18
RIGHT, WRONG = "#1b7fbd", "#d55e00"
_QUIET = "#777777"
# ✓, ≈ and ✕ in strokes, as Pillow's own font has none of them
_TICK = [[(4, 8), (7, 11), (12, 5)]]
_ALMOST = [[(4, v), (6, v - 1), (10, v + 1), (12, v)] for v in (6, 10)]
_CROSS = [[(5, 5), (11, 11)], [(11, 5), (5, 11)]]


def retrieval_still(
    query: tuple[Image.Image, Sequence[float]],
    ranked: Sequence[Ranked],
    images: Images,
    *,
    k: int,
    box: PatchBox | None,
    grid: tuple[int, int] | None,
    title: str,
    labels: Collection[str],
    null: float | None = None,
) -> Image.Image:
    """Return the query beside its rows of answers, with lines between an image's places.

    Args:
        query: the picture, and its token grid's box in fractions of its sides.
        ranked: the rows.
        images: the answers' pictures and labels.
        k: answers in each row.
        box: the patches that were searched with; None for all.
        grid: the layer's grid.
        title: one line above.
        labels: what the query shows; empty if that is not known.
        null: what unrelated tokens reach, to stand beside the semantic row; None before it is there.
    """
    pitch = _SIDE + _CAPTION + _LINES
    left = _QUERY + 3 * _GAP
    width = left + _HEAD + k * (_SIDE + _GAP) + _GAP
    shown = query[0].convert("RGB")
    shown = shown.resize((_QUERY, max(1, round(_QUERY * shown.height / shown.width))))
    height = 40 + max(shown.height, len(ranked) * pitch) + _GAP
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_GAP, 8), title, fill="black", font=still_font(14))
    picture.paste(shown, (_GAP, 40))
    if box is not None and grid is not None:
        _outline(draw, box, grid, query[1], shown.size)
    places = [
        {int(index): (left + _HEAD + at * (_SIDE + _GAP), 40 + r * pitch) for at, index in enumerate(row.order[:k])}
        for r, row in enumerate(ranked)
    ]
    for above, below in itertools.pairwise(places):
        for index in above.keys() & below.keys():
            (x0, y0), (x1, y1) = above[index], below[index]
            ends = (x0 + _SIDE // 2, y0 + _SIDE + _CAPTION), (x1 + _SIDE // 2, y1 - 1)
            draw.line(ends, fill="#aaaaaa", width=1)
    for r, (row, at) in enumerate(zip(ranked, places, strict=True)):
        top = 40 + r * pitch
        draw.text((left, top), row.name, fill="black", font=still_font(14))
        words = []
        if len(row.f1):
            precision = "–" if np.isnan(row.average_precision) else f"{row.average_precision:.2f}"
            words.append(f"F1@{k} {row.f1[min(k, len(row.f1)) - 1]:.2f}   AP {precision}")
        if row.name == "semantic" and null is not None:
            words.append(f"unrelated tokens reach {null:.2f}")
        draw.multiline_text((left, top + 20), "\n".join(words), fill=_QUIET, font=still_font(12))
        if row.reason:
            why = _wrapped(row.reason, width - left - _HEAD - _GAP)
            draw.multiline_text((left + _HEAD, top + 4), why, fill=_QUIET, font=still_font(12))
        for index, place in at.items():
            _answer(picture, draw, images, index, place)
            draw.text((place[0], place[1] + _SIDE + 2), f"{row.values[index]:.2f}", fill="black", font=still_font(12))
            if labels and images.labels is not None and images.labels[index]:
                _mark(draw, place, frozenset(labels), images.labels[index])
    return picture


def _wrapped(text: str, room: float) -> str:
    """Return a text in lines that are no wider than `room` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if still_font(12).getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def _answer(
    picture: Image.Image, draw: ImageDraw.ImageDraw, images: Images, index: int, place: tuple[int, int]
) -> None:
    """Draw an answer; one whose file is gone as an empty frame."""
    draw.rectangle((*place, place[0] + _SIDE - 1, place[1] + _SIDE - 1), fill="#eeeeee")
    try:
        small = images.thumbnail(index, 96)
    except OSError:
        return
    small.thumbnail((_SIDE, _SIDE))
    picture.paste(small, (place[0] + (_SIDE - small.width) // 2, place[1] + (_SIDE - small.height) // 2))


def _mark(draw: ImageDraw.ImageDraw, place: tuple[int, int], wanted: frozenset[str], labels: frozenset[str]) -> None:
    """Mark an answer by colour, shape and sign, as the view does: a disc where a label is shared, else a square."""
    x, y = place[0] + 2, place[1] + 2
    corners = (x, y, x + 16, y + 16)
    if wanted & labels:
        draw.ellipse(corners, fill=RIGHT, outline="white")
        strokes = _TICK if wanted == labels else _ALMOST
    else:
        draw.rectangle(corners, fill=WRONG, outline="white")
        strokes = _CROSS
    for stroke in strokes:
        draw.line([(x + u, y + v) for u, v in stroke], fill="white", width=2, joint="curve")


def _outline(
    draw: ImageDraw.ImageDraw, box: PatchBox, grid: tuple[int, int], area: Sequence[float], size: tuple[int, int]
) -> None:
    """Outline the patches of a box on the query."""
    top, left, bottom, right = box
    x = [_GAP + size[0] * (area[0] + (area[2] - area[0]) * side / grid[1]) for side in (left, right)]
    y = [40 + size[1] * (area[1] + (area[3] - area[1]) * side / grid[0]) for side in (top, bottom)]
    draw.rectangle((x[0], y[0], x[1], y[1]), outline="black", width=4)
    draw.rectangle((x[0] + 1, y[0] + 1, x[1] - 1, y[1] - 1), outline="#00e5ff", width=2)
