"""Two images and their matched patches on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import patheffects

from semrsm_widgets.analysis import contribution_difference
from semrsm_widgets.figures import (
    AGAINST,
    COLOURS,
    FOR,
    certificate_sentence,
    layer_sentence,
    matcher_sentence,
    model_sentence,
    null_sentence,
    number,
    place_colours,
)
from semrsm_widgets.figures.sheet import (
    CENTRE,
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
    text_width,
    wrapped,
)
from semrsm_widgets.rsm import SIMILARITIES
from semrsm_widgets.tokens import cell_box
from semrsm_widgets.views.base import PlacedPicture, printed_picture

from .still import NUMBERED, put_back, strongest
from .trust import opacities, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis, Matches
    from semrsm_widgets.rsm import NullLevel

REBUILT = "B's patches moved to their partners in A"
PIXELS_PER_MM = 14  # about 350 to the inch
_ROW = 3.1  # millimetres of a bar with its space
_TALLEST = 70.0  # millimetres of a picture
_BOLD_FROM = 2.3  # millimetres of a patch from which its digit is bold
_UNRELATED = "#c4c4c4"


def draw_pair(
    sheet: Sheet,
    analysis: Analysis,
    matches: Matches,
    *,
    top_k: int,
    null: NullLevel | None,
    similarity: str = "semantic",
) -> None:
    """Draw A, B and, for the best match, B's patches moved to A's layout; the strongest patches are outlined.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: whose images they are.
        matches: of the two images.
        top_k: how many patches are outlined; the first nine get digits.
        null: what unrelated tokens reach; None for a set of one image.
        similarity: name of the one that is explained; the class token outlines nothing.
    """
    placed = matches.grid is not None and matches.other_grid is not None
    rearranged = placed and similarity == "semantic"
    panels = _draw_panels(sheet, analysis, {"A": matches.pair[0], "B": matches.pair[1]}, empty=REBUILT * rearranged)
    if rearranged:
        _draw_rebuilt(sheet, matches, panels, opacities(matches.token_cosine, matches.semantic, null))
    outlines = _match_outlines(matches, similarity, top_k, null) if placed else []
    for outline in outlines:
        for panel, token, grid in zip(panels, outline.tokens, (matches.grid, matches.other_grid), strict=False):
            if token >= 0 and grid is not None:
                _draw_outline(panel, token, grid, outline)
    _draw_bars(sheet, number_bars(matches, null), None if null is None else null.mean)
    _say_position(sheet, matches)
    sheet.say(layer_sentence(analysis, matches.layer))
    _say_outlines(sheet, outlines, placed, similarity)
    if similarity == "semantic" and verdict(matches.semantic, null, matches.any_matching):
        sheet.say(verdict(matches.semantic, null, matches.any_matching))
    _cite(sheet, analysis, null, {"A and B": matches})


def draw_why(
    sheet: Sheet,
    analysis: Analysis,
    hit: Matches,
    expected: Matches,
    *,
    top_k: int,
    null: NullLevel | None,
    similarity: str = "semantic",
) -> None:
    """Draw hit, query and expected image, the query's patches outlined by what they say for the one or the other.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: whose images they are.
        hit: matches of the query with the hit.
        expected: matches of the query with the expected image.
        top_k: how many patches are outlined, those that speak most for either.
        null: what unrelated tokens reach; None for a set of one image.
        similarity: name of the one that is explained; the class token outlines nothing.
    """
    shown = {"B: the hit": hit.pair[1], "A: the query": hit.pair[0], "C: expected": expected.pair[1]}
    panels = _draw_panels(sheet, analysis, shown)
    outlines: list[Outline] = []
    if similarity == "class token":
        values = hit.class_token, expected.class_token
    else:
        values = hit.split(similarity).value, expected.split(similarity).value
        if hit.grid is not None:
            outlines = _difference_outlines(hit, expected, similarity, top_k)
            for outline in outlines:
                for panel, token, grid in zip(
                    panels, outline.tokens, (hit.other_grid, hit.grid, expected.other_grid), strict=True
                ):
                    if token >= 0 and grid is not None:
                        _draw_outline(panel, token, grid, outline)
    difference = values[0] - values[1]
    colour = COLOURS[similarity]
    _draw_bars(
        sheet,
        [
            Bar(f"{similarity}: A and B", 0.0, values[0], values[0], colour),
            Bar(f"{similarity}: A and C", 0.0, values[1], values[1], colour),
            Bar("difference", values[1], values[0], difference, FOR if difference >= 0 else AGAINST),
        ],
    )
    sheet.say(layer_sentence(analysis, hit.layer))
    if outlines:
        count = f"the {len(outlines)} patches of A" if len(outlines) > 1 else "the patch of A"
        partners = ", with its partner there" if any(max(o.tokens[0], o.tokens[2]) >= 0 for o in outlines) else ""
        sheet.say(f"Outlined: {count} that speak most for one image{partners}: purple, + for B; orange, − for C.")
    _cite(sheet, analysis, null if similarity == "semantic" else None, {"A and B": hit, "A and C": expected})


class Panel(NamedTuple):
    """An image on the sheet: its axes, its place and size in millimetres, and its token grid's box in them."""

    axes: Axes
    left: float
    top: float
    width: float
    height: float
    side: PlacedPicture

    @property
    def grid_box(self) -> tuple[float, float, float, float]:
        """Where the token grid lies, in millimetres from the panel's corner."""
        left, top, right, bottom = self.side.place
        return left * self.width, top * self.height, right * self.width, bottom * self.height


class Outline(NamedTuple):
    """The outline of a patch: its token in each panel (-1: none), a word in it, its colour, its look."""

    tokens: tuple[int, ...]
    word: str
    colour: str | tuple[float, ...]
    dashed: bool = False
    opacity: float = 1.0


def _draw_panels(sheet: Sheet, analysis: Analysis, images: Mapping[str, int], *, empty: str = "") -> list[Panel]:
    """Draw images side by side under their titles and ids; leave a place for one more, under the words `empty`."""
    count = len(images) + bool(empty)
    width = (sheet.room - (count - 1) * GAP) / count
    titles = [(title, [clipped(analysis.images.ids[k], width)]) for title, k in images.items()]
    titles += [("B rearranged", wrapped(empty, width))] if empty else []
    for column, (title, lines) in enumerate(titles):
        left = MARGIN + column * (width + GAP)
        sheet.text(left, sheet.bottom, clipped(title, width, TITLE, bold=True), size=TITLE, bold=True)
        for row, line in enumerate(lines):
            sheet.text(left, sheet.bottom + (1.25 + row) * LINE, line, color=QUIET)
    top = sheet.bottom + (1.25 + max(len(lines) for _, lines in titles)) * LINE + 0.4
    panels = []
    sides = [printed_picture(analysis.images, k, analysis.model, round(width * PIXELS_PER_MM)) for k in images.values()]
    # Tall pictures beside each other must leave room on the page for the rest.
    shrink = min(1.0, *(_TALLEST * each.picture.width / (width * each.picture.height) for each in sides))
    for column, side in enumerate(sides):
        left, shown = MARGIN + column * (width + GAP), shrink * width
        height = shown * side.picture.height / side.picture.width
        axes = sheet.picture(left, top, shown, height)
        raster(axes, np.asarray(side.picture.convert("RGB")), (0, 0, shown, height))
        panels.append(Panel(axes, left, top, shown, height, side))
    sheet.bottom = top + max(panel.height for panel in panels) + 1.6
    return panels


def _match_outlines(matches: Matches, similarity: str, top_k: int, null: NullLevel | None) -> list[Outline]:
    """Return the outlines of the strongest patches, the weakest first, so that the strongest are never hidden."""
    if similarity == "class token" or matches.grid is None:
        return []
    split = matches.split(similarity)
    tokens = strongest(split, top_k).tolist()
    colours = place_colours(tokens, matches.grid)
    ambiguous = matches.ambiguous() if similarity == "semantic" else np.zeros(len(split.partner), dtype=bool)
    opacity = opacities(matches.token_cosine, matches.semantic, null if similarity == "semantic" else None)
    outlines = []
    for rank, token in enumerate(tokens):
        partner = int(split.partner[token])
        colour: str | tuple[float, ...] = FOR
        if partner >= 0:
            colour = tuple(channel / 255 for channel in colours[rank])
        word = str(rank + 1) if rank < NUMBERED else ""
        dashed, strength = bool(ambiguous[token]), float(opacity[token])
        outlines.append(Outline((token, partner), word, colour, dashed=dashed, opacity=strength))
    return outlines[::-1]


def _difference_outlines(hit: Matches, expected: Matches, similarity: str, top_k: int) -> list[Outline]:
    """Return the outlines of the patches of A that say most for either image, the weakest first.

    Their tokens are those of hit, query and expected image: a patch's partner is outlined on the image it speaks for.
    """
    difference = contribution_difference(hit, expected, similarity)
    partners = [each.split(similarity).partner for each in (hit, expected)]
    outlines = []
    for rank, token in enumerate(np.argsort(-np.abs(difference), kind="stable")[:top_k]):
        for_hit = bool(difference[token] >= 0)
        partner = partners[0 if for_hit else 1]
        place = -1 if partner is None else int(partner[token])
        tokens = (place, int(token), -1) if for_hit else (-1, int(token), place)
        word = ("+" if for_hit else "−") if rank < NUMBERED else ""
        outlines.append(Outline(tokens, word, FOR if for_hit else AGAINST))
    return outlines[::-1]


def _draw_outline(panel: Panel, token: int, grid: tuple[int, int], outline: Outline) -> None:
    """Outline a patch, dark under its colour, with its word in the middle."""
    x0, y0, x1, y1 = cell_box(token, grid, panel.grid_box)
    corners = ([x0, x1, x1, x0], [y0, y0, y1, y1])
    style = "--" if outline.dashed else "-"
    for ink, width, line in ((INK, 1.5, "-"), (outline.colour, 0.8, style)):
        panel.axes.fill(
            *corners,
            fill=False,
            edgecolor=ink,
            linewidth=width,
            linestyle=line,
            joinstyle="miter",
            alpha=outline.opacity,
        )
    if outline.word:
        small = min(x1 - x0, y1 - y0) < _BOLD_FROM  # neighbours must not cover each other's digits
        panel.axes.text(
            (x0 + x1) / 2,
            (y0 + y1) / 2,
            outline.word,
            fontsize=SMALL,
            fontweight="normal" if small else "bold",
            color="white",
            ha="center",
            va="center_baseline",
            alpha=outline.opacity,
            path_effects=[patheffects.withStroke(linewidth=0.9 if small else 1.4, foreground=INK)],
            zorder=5,
        )


def _say_outlines(sheet: Sheet, outlines: list[Outline], placed: bool, similarity: str) -> None:
    if not placed:
        sheet.say("The tokens of this layer have no places in the image.")
    elif similarity == "class token":
        sheet.say("The class token does not split over patches.")
    elif outlines:
        count = len(outlines)
        digits = f", the first {min(count, NUMBERED)} with digits" if count > 1 else ""
        colour = "" if similarity == "pooled" else "; colour by place in A"
        is_dashed = any(outline.dashed for outline in outlines)
        dashed = "; dashed: another partner is better, or less than 5 % below" if is_dashed else ""
        caption = SIMILARITIES[similarity].caption
        sheet.say(f"Outlined: the {count} patches that contribute most ({caption}){digits}{colour}{dashed}.")


def _cite(sheet: Sheet, analysis: Analysis, null: NullLevel | None, pairs: Mapping[str, Matches]) -> None:
    """Cite where the numbers of some pairs come from."""
    if null is not None:
        sheet.cite(null_sentence(null, number(null.mean), "cosine"))
    sheet.cite(matcher_sentence(analysis))
    for name, matches in pairs.items():
        sheet.cite(certificate_sentence(f"The semantic value of {name}", matches.upper - matches.semantic))
    sheet.cite(model_sentence(analysis))


def _draw_rebuilt(sheet: Sheet, matches: Matches, panels: list[Panel], opacity: NDArray[np.float64]) -> None:
    """Draw B's patches where their partners in A stand, at A's own place and size, beside the panels."""
    assert matches.grid is not None
    first, last = panels[0], panels[-1]
    picture = last.side.picture.convert("RGB")
    left, top, right, bottom = last.side.place
    box = left * picture.width, top * picture.height, right * picture.width, bottom * picture.height
    pixels = max(4, round(first.width * PIXELS_PER_MM) // max(matches.grid))
    axes = sheet.picture(last.left + last.width + GAP, first.top, first.width, first.height)
    raster(axes, np.asarray(put_back(matches, picture, box, side=pixels, opacity=opacity)), first.grid_box)
    x0, y0, x1, y1 = first.grid_box
    axes.fill([x0, x1, x1, x0], [y0, y0, y1, y1], fill=False, edgecolor=RULE, linewidth=0.4)


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
    semantic, part = COLOURS["semantic"], matches.any_matching
    unrelated = [] if null is None else [Bar("unrelated tokens", 0.0, null.mean, null.mean, _UNRELATED)]
    bars = [
        Bar(SIMILARITIES["aligned"].title, 0.0, matches.aligned, matches.aligned, COLOURS["aligned"]),
        *unrelated,
        Bar(SIMILARITIES["semantic"].title, 0.0, matches.semantic, matches.semantic, semantic),
        Bar("= any matching", 0.0, part, part, semantic, part=True),
        Bar("+ best matching adds", part, matches.semantic, matches.semantic - part, semantic, part=True),
        Bar(SIMILARITIES["pooled"].title, 0.0, matches.pooled, matches.pooled, COLOURS["pooled"]),
        Bar("class token", 0.0, matches.class_token, matches.class_token, COLOURS["class token"]),
    ]
    return [bar for bar in bars if np.isfinite(bar.value)]


def _draw_bars(sheet: Sheet, bars: list[Bar], unrelated: float | None = None) -> None:
    """Draw numbers as bars, and the level of unrelated tokens across the semantic one."""
    names = max(text_width(bar.name) for bar in bars) + 1.5
    width = min(sheet.room, 140.0) - names - text_width(number(-0.01)) - 1.5
    ends = [end for bar in bars for end in (bar.start, bar.stop)]
    low, high = (-1.0 if min(ends) < 0 else 0.0), 1.0  # a long bar is a high value, whatever stands beside it
    left, top = MARGIN + names, sheet.bottom
    axes = sheet.picture(left, top, width, _ROW * len(bars))
    axes.set(xlim=(low, high), ylim=(len(bars), 0))
    for row, bar in enumerate(bars):
        edge, ink = (0.3, QUIET) if bar.part else (0.16, INK)
        strength = 0.45 if bar.part else 1.0
        rows = [row + edge, row + 1 - edge]
        axes.fill_betweenx(rows, bar.start, bar.stop, color=bar.colour, alpha=strength, linewidth=0)
        middle = top + (row + 0.5) * _ROW - CENTRE
        sheet.text(MARGIN + (2.0 if bar.part else 0.0), middle, bar.name, color=ink)
        at = left + (max(bar.start, bar.stop, 0.0) - low) / (high - low) * width
        sheet.text(at + 0.8, middle, number(bar.value), color=ink)
    axes.plot([0, 0], [0, len(bars)], color=RULE, linewidth=0.5)
    if unrelated is not None:
        row = next(k for k, bar in enumerate(bars) if bar.name.startswith("semantic"))
        axes.plot([unrelated] * 2, [row, row + 0.84], color=INK, linewidth=0.8)
    sheet.bottom = top + _ROW * len(bars) + 0.6


def _say_position(sheet: Sheet, matches: Matches) -> None:
    """Write how many partners stand at the same position, where that is known."""
    if np.isfinite(matches.same_position):
        share = number(100 * matches.same_position, 0)
        sheet.text(MARGIN, sheet.bottom, f"{share} % of partners stand at the same position", color=QUIET)
        sheet.bottom += LINE
