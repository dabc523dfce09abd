"""Two images and their matched patches on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import patheffects

from semrsm_widgets.geometry import visible_box
from semrsm_widgets.models import model_view
from semrsm_widgets.views import _pictures
from semrsm_widgets.views._paper import (
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
    number,
    raster,
    text_width,
    wrapped,
)
from semrsm_widgets.views._place_colours import place_colours
from semrsm_widgets.views._provenance import (
    certificate_sentence,
    layer_sentence,
    matcher_sentence,
    model_sentence,
    null_sentence,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL import Image

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.matches import Matches
    from semrsm_widgets.null import NullLevel

NUMBERED = 9
"""Matches that carry a digit, so that they are found without colour too."""
REBUILT = "B's patches moved to their partners in A"
_PIXELS_PER_MM = 14  # about 350 to the inch
_ROW = 3.1  # millimetres of a bar with its space
_COLOURS = {"aligned": "#8d99ae", "semantic": "#2a9d8f", "pooled": "#e9a23b"}  # as in style.css
_UNRELATED = "#c4c4c4"


class Side(NamedTuple):
    """An image, and where the token grid lies on it: left, top, right, bottom as fractions of width and height."""

    picture: Image.Image
    box: tuple[float, float, float, float]


def seen_side(analysis: Analysis, k: int, pixels: int) -> Side:
    """Return image k at no more than `pixels` a side; as the model saw it where the transform is not understood."""
    images, model = analysis.images, analysis.model
    picture, box = images.image(k), (0.0, 0.0, 1.0, 1.0)
    if model is not None:
        width, height = picture.size
        seen = visible_box(model.transform, (width, height))
        if seen is None:
            picture = model_view(model.transform, picture)
        else:
            box = seen[0] / width, seen[1] / height, seen[2] / width, seen[3] / height
    picture.thumbnail((pixels, pixels))
    return Side(picture, box)


def draw_pair(sheet: Sheet, analysis: Analysis, matches: Matches, *, top_k: int, null: NullLevel | None) -> None:
    """Draw A, B, and B's patches moved to A's layout, with the strongest matches outlined and the pair's numbers.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: whose images they are.
        matches: of the two images.
        top_k: how many matches are outlined; the first nine get digits.
        null: what unrelated tokens reach; None for a set of one image.
    """
    placed = matches.grid is not None and matches.other_grid is not None
    count = 3 if placed else 2
    width = (sheet.room - (count - 1) * GAP) / count
    sides = [seen_side(analysis, k, round(width * _PIXELS_PER_MM)) for k in matches.pair]
    lefts = [MARGIN + k * (width + GAP) for k in range(count)]
    ids = [analysis.images.ids[k] for k in matches.pair]
    titles = [("A", [clipped(ids[0], width)]), ("B", [clipped(ids[1], width)])]
    if placed:
        titles.append(("B rearranged", wrapped(REBUILT, width)))
    for left, (title, lines) in zip(lefts, titles, strict=True):
        sheet.text(left, sheet.bottom, clipped(title, width, TITLE, bold=True), size=TITLE, bold=True)
        for row, line in enumerate(lines):
            sheet.text(left, sheet.bottom + (1.25 + row) * LINE, line, color=QUIET)
    top = sheet.bottom + (1.25 + max(len(lines) for _, lines in titles)) * LINE + 0.4
    panels = []
    for left, side in zip(lefts, sides, strict=False):
        height = width * side.picture.height / side.picture.width
        axes = sheet.picture(left, top, width, height)
        raster(axes, np.asarray(side.picture.convert("RGB")), (0, 0, width, height))
        panels.append((axes, height))
    heights = [height for _, height in panels]
    if placed:
        _draw_rebuilt(sheet, matches, sides, (lefts[2], top, width, heights[0]))
        _outline(matches, sides, panels, width, top_k)
    sheet.bottom = top + max(heights) + 1.6
    _draw_numbers(sheet, matches, null)
    sheet.say(layer_sentence(analysis, matches.layer))
    if not placed:
        sheet.say("The tokens of this layer have no places in the image.")
    elif top_k:
        digits = f", the first {min(top_k, NUMBERED)} with digits" if top_k > 1 else ""
        sheet.say(f"Outlined: the {top_k} matches that contribute most{digits}; colour by place in A.")
        sheet.say("Dashed: another partner is nearly as good.")
    if null is not None:
        sheet.cite(null_sentence(null, number(null.mean), "cosine"))
    sheet.cite(matcher_sentence(analysis))
    sheet.cite(certificate_sentence("The semantic value of A and B", matches.upper - matches.semantic))
    sheet.cite(model_sentence(analysis))


def _grid_box(side: Side, width: float, height: float) -> tuple[float, float, float, float]:
    """Return where the token grid lies on a panel of this size."""
    left, top, right, bottom = side.box
    return left * width, top * height, right * width, bottom * height


def _draw_rebuilt(sheet: Sheet, matches: Matches, sides: list[Side], place: tuple[float, float, float, float]) -> None:
    """Draw B's patches where their partners in A stand, at A's own place and size."""
    assert matches.grid is not None
    left, top, width, height = place
    picture = sides[1].picture.convert("RGB")
    box = _grid_box(sides[1], *picture.size)
    pixels = max(4, round(width * _PIXELS_PER_MM) // max(matches.grid))
    rebuilt = _pictures.rebuild(matches, picture, box, side=pixels)
    axes = sheet.picture(left, top, width, height)
    raster(axes, np.asarray(rebuilt), _grid_box(sides[0], width, height))
    frame = _grid_box(sides[0], width, height)
    axes.fill(
        [frame[0], frame[2], frame[2], frame[0]],
        [frame[1], frame[1], frame[3], frame[3]],
        fill=False,
        edgecolor=RULE,
        linewidth=0.4,
    )


def _outline(matches: Matches, sides: list[Side], panels: list[tuple[Axes, float]], width: float, top_k: int) -> None:
    """Outline the strongest matches in A and B, the weakest first, so that the strongest are never hidden."""
    assert matches.grid is not None
    assert matches.other_grid is not None
    strongest = matches.top(top_k)
    colours, ambiguous = place_colours(strongest.tolist(), matches.grid), matches.ambiguous()
    for rank in reversed(range(len(strongest))):
        token = int(strongest[rank])
        colour = [channel / 255 for channel in colours[rank]]
        places = ((token, matches.grid), (int(matches.permutation[token]), matches.other_grid))
        for (place, grid), side, (axes, height) in zip(places, sides, panels, strict=True):
            x0, y0, x1, y1 = _pictures.cell_box(place, grid, _grid_box(side, width, height))
            corners = ([x0, x1, x1, x0], [y0, y0, y1, y1])
            axes.fill(*corners, fill=False, edgecolor=INK, linewidth=1.5, joinstyle="miter")
            style = "--" if ambiguous[token] else "-"
            axes.fill(*corners, fill=False, edgecolor=colour, linewidth=0.8, linestyle=style, joinstyle="miter")
            if rank < NUMBERED:
                axes.text(
                    (x0 + x1) / 2,
                    (y0 + y1) / 2,
                    str(rank + 1),
                    fontsize=SMALL,
                    fontweight="bold",
                    color="white",
                    ha="center",
                    va="center_baseline",
                    path_effects=[patheffects.withStroke(linewidth=1.4, foreground=INK)],
                    zorder=5,
                )


class Bar(NamedTuple):
    """A row of the pair's numbers: a bar from `start` to `stop` with `value` beside it; parts are indented."""

    name: str
    start: float
    stop: float
    value: float
    colour: str
    part: bool = False


def number_bars(matches: Matches, null: NullLevel | None) -> list[Bar]:
    """Return the pair's similarities, semantic with what unrelated tokens reach and the two parts it splits into."""
    semantic, part = _COLOURS["semantic"], matches.pooled_part
    unrelated = [] if null is None else [Bar("unrelated tokens", 0.0, null.mean, null.mean, _UNRELATED)]
    bars = [
        Bar("aligned (same position)", 0.0, matches.aligned, matches.aligned, _COLOURS["aligned"]),
        *unrelated,
        Bar("semantic (best match)", 0.0, matches.semantic, matches.semantic, semantic),
        Bar("= pooled part", 0.0, part, part, semantic, part=True),
        Bar("+ matched part", part, matches.semantic, matches.semantic - part, semantic, part=True),
        Bar("pooled (mean token)", 0.0, matches.pooled, matches.pooled, _COLOURS["pooled"]),
    ]
    return [bar for bar in bars if np.isfinite(bar.value)]


def _draw_numbers(sheet: Sheet, matches: Matches, null: NullLevel | None) -> None:
    """Draw the pair's numbers as bars, and the level of unrelated tokens across the semantic one."""
    bars = number_bars(matches, null)
    names = max(text_width(bar.name) for bar in bars) + 1.5
    width = min(sheet.room, 140.0) - names - text_width(number(-0.01)) - 1.5
    ends = [end for bar in bars for end in (bar.start, bar.stop)]
    low, high = min(0.0, *ends), max(0.0, *ends) or 1.0
    left, top = MARGIN + names, sheet.bottom
    axes = sheet.picture(left, top, width, _ROW * len(bars))
    axes.set(xlim=(low, high), ylim=(len(bars), 0))
    for row, bar in enumerate(bars):
        edge, ink = (0.3, QUIET) if bar.part else (0.16, INK)
        strength = 0.45 if bar.part else 1.0
        rows = [row + edge, row + 1 - edge]
        axes.fill_betweenx(rows, bar.start, bar.stop, color=bar.colour, alpha=strength, linewidth=0)
        middle = top + (row + 0.5) * _ROW - 0.45 * LINE
        sheet.text(MARGIN + (2.0 if bar.part else 0.0), middle, bar.name, color=ink)
        at = left + (max(bar.start, bar.stop, 0.0) - low) / (high - low) * width
        sheet.text(at + 0.8, middle, number(bar.value), color=ink)
    axes.plot([0, 0], [0, len(bars)], color=RULE, linewidth=0.5)
    if null is not None:
        row = next(k for k, bar in enumerate(bars) if bar.name.startswith("semantic"))
        axes.plot([null.mean] * 2, [row, row + 0.84], color="white", linewidth=0.8, dashes=(2, 1))
    sheet.bottom = top + _ROW * len(bars) + 0.6
    if np.isfinite(matches.same_position):
        share = number(100 * matches.same_position, 0)
        sheet.text(MARGIN, sheet.bottom, f"{share} % of patches match the same position", color=QUIET)
        sheet.bottom += LINE
