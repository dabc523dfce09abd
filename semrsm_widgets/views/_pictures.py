"""Still pictures of the views, for places where no widget runs: GitHub, nbconvert, a notebook that was reopened."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from semrsm_widgets.analysis import contribution_difference
from semrsm_widgets.tokens import cell_box

from ._place_colours import AGAINST, FOR, place_colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Matches, Split

    Side = tuple[Image.Image, tuple[float, float, float, float]]

_SIDE = 300
_GAP = 24
_TEXT = 22
NUMBERED = 9  # the strongest carry their rank as a digit: colours alone are too few


def still_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _canvas(columns: int, height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a white picture with a title and room for `columns` panels under captions."""
    picture = Image.new("RGB", (columns * (_SIDE + _GAP) + _GAP, height + 3 * _TEXT), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_GAP, 6), title, fill="black", font=still_font(14))
    return picture, draw


def heatmap_still(panels: Mapping[str, tuple[NDArray[np.uint8], Sequence[str]]], title: str) -> Image.Image:
    """Return heatmaps side by side under their names.

    Args:
        panels: name -> (N, N) colour indices and their colours as "#rrggbb"; an index past their end is drawn grey.
        title: one line above.
    """
    picture, draw = _canvas(len(panels), _SIDE, title)
    for column, (name, (matrix, palette)) in enumerate(panels.items()):
        colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in palette], dtype=np.uint8)
        colours = np.vstack([colours, np.full((256 - len(colours), 3), 200, dtype=np.uint8)])
        left = _GAP + column * (_SIDE + _GAP)
        draw.text((left, _TEXT + 6), name, fill="black", font=still_font(13))
        panel = Image.fromarray(colours[matrix]).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
        picture.paste(panel, (left, 2 * _TEXT + 8))
    return picture


def pair_still(matches: Matches, sides: Sequence[Side], top_k: int, *, similarity: str = "best match") -> Image.Image:
    """Return A, B and, for the best match, B's patches moved to their partners in A; the strongest are outlined.

    Colour is the place in A, dashes are ambiguous matches, digits the nine strongest.

    Args:
        matches: of the two images; must have a grid.
        sides: (picture, box) of A and B, the box in fractions of width and height.
        top_k: how many are outlined.
        similarity: the one that is explained; the class token outlines nothing.
    """
    assert matches.grid is not None
    assert matches.other_grid is not None
    panels = [_fit(picture, box) for picture, box in sides]
    captioned = {"A": panels[0][0], "B": panels[1][0]}
    title = f"{matches.layer} · "
    if similarity == "best match":
        matched_part = matches.semantic - matches.pooled_part
        title += f"aligned {matches.aligned:.2f}, semantic {matches.semantic:.2f} "
        title += f"= pooled part {matches.pooled_part:.2f} + matched part {matched_part:.2f}"
        captioned["B's patches moved to their partners in A"] = put_back(matches, *panels[1])
    else:
        value = matches.class_token if similarity == "class token" else matches.split(similarity).value
        title += f"{similarity} {value:.2f} (semantic {matches.semantic:.2f})"
    picture, draw = _in_a_row(captioned, title)
    if similarity == "class token":
        return picture
    split = matches.split(similarity)
    if similarity == "mean token":  # no partners: each image's patches stand for themselves
        for column, (contribution, grid) in enumerate(
            ((split.contribution, matches.grid), (split.other_contribution, matches.other_grid))
        ):
            for rank, token in _weakest_first(np.argsort(-contribution, kind="stable")[:top_k]):
                box = cell_box(token, grid, panels[column][1])
                colour = FOR if contribution[token] >= 0 else AGAINST
                _outline(draw, column, box, colour, str(rank + 1) if rank < NUMBERED else "")
        return picture
    tokens = strongest(split, top_k)
    colours = place_colours(tokens.tolist(), matches.grid)
    ambiguous = matches.ambiguous() if similarity == "best match" else np.zeros(len(split.contribution), dtype=bool)
    for rank, token in _weakest_first(tokens):
        places = ((token, matches.grid), (int(split.partner[token]), matches.other_grid))
        for column, (place, grid) in enumerate(places):
            words = str(rank + 1) if rank < NUMBERED else ""
            box = cell_box(place, grid, panels[column][1])
            _outline(draw, column, box, colours[rank], words, dashed=bool(ambiguous[token]))
    return picture


def why_still(
    hit: Matches, expected: Matches, sides: Sequence[Side], top_k: int, *, similarity: str = "best match"
) -> Image.Image:
    """Return hit, query and expected image side by side, the query's patches outlined by what they speak for.

    Args:
        hit: matches of the query with the hit; must have a grid.
        expected: matches of the query with the expected image.
        sides: (picture, box) of query, hit and expected image.
        top_k: how many patches are outlined, those that speak most for either.
        similarity: the one that is explained.
    """
    assert hit.grid is not None
    query, found, wanted = (_fit(picture, box) for picture, box in sides)
    if similarity == "class token":
        values, difference = (hit.class_token, expected.class_token), None
    else:
        values = (hit.split(similarity).value, expected.split(similarity).value)
        difference = contribution_difference(hit, expected, similarity)
    title = f"{hit.layer} · {similarity}: A and B {values[0]:.2f}, A and C {values[1]:.2f}"
    panels = {"B: the hit": found[0], "A: the query": query[0], "C: the expected image": wanted[0]}
    picture, draw = _in_a_row(panels, f"{title} · difference {values[0] - values[1]:+.2f}")
    if difference is None:
        return picture
    largest = np.argsort(-np.abs(difference), kind="stable")[:top_k]
    for rank, token in _weakest_first(largest):
        for_hit = difference[token] >= 0
        box = cell_box(token, hit.grid, query[1])
        _outline(draw, 1, box, FOR if for_hit else AGAINST, ("+" if for_hit else "−") if rank < NUMBERED else "")
    return picture


def strongest(split: Split, k: int) -> NDArray[np.int64]:
    """Return the k tokens of i that contribute most, strongest first; only those that are compared with something."""
    compared = np.flatnonzero(~np.isnan(split.token_cosine))
    return compared[np.argsort(-split.contribution[compared], kind="stable")][:k]


def _weakest_first(tokens: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (rank, token), the last first, so that the strongest are drawn on top."""
    return [(rank, int(token)) for rank, token in enumerate(tokens)][::-1]


def _in_a_row(panels: Mapping[str, Image.Image], title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return panels side by side under their captions."""
    picture, draw = _canvas(len(panels), max(panel.height for panel in panels.values()), title)
    for column, (caption, panel) in enumerate(panels.items()):
        left = _GAP + column * (_SIDE + _GAP)
        draw.text((left, _TEXT + 6), caption, fill="black", font=still_font(13))
        picture.paste(panel, (left, 2 * _TEXT + 8))
    return picture, draw


def _outline(
    draw: ImageDraw.ImageDraw,
    column: int,
    box: Sequence[float],
    colour: tuple[int, int, int] | str,
    words: str,
    *,
    dashed: bool = False,
) -> None:
    """Outline a patch of a panel, with a word in it."""
    left, top = _GAP + column * (_SIDE + _GAP), 2 * _TEXT + 8
    x0, y0, x1, y1 = (left + box[0], top + box[1], left + box[2], top + box[3])
    if dashed:
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        for (ax, ay), (bx, by) in itertools.pairwise(corners):
            for a, b in ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)):
                ends = (ax + a * (bx - ax), ay + a * (by - ay), ax + b * (bx - ax), ay + b * (by - ay))
                draw.line(ends, fill="black", width=3)
                draw.line(ends, fill=colour, width=1)
    else:
        draw.rectangle((x0, y0, x1, y1), outline="black", width=4)
        draw.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), outline=colour, width=2)
    if words:
        place = ((x0 + x1) / 2, (y0 + y1) / 2)
        draw.text(place, words, fill="white", font=still_font(12), anchor="mm", stroke_width=2, stroke_fill="black")


def with_few_colours(picture: Image.Image) -> Image.Image:
    """Return a picture in 128 colours of its own: photographs take a third less of the notebook then."""
    return picture.quantize(128, dither=Image.Dither.NONE).convert("RGB")


def stacked(pictures: Sequence[Image.Image]) -> Image.Image | None:
    """Return pictures one below the other on white; None for none."""
    if not pictures:
        return None
    width, height = max(each.width for each in pictures), sum(each.height for each in pictures)
    stacked = Image.new("RGB", (width, height), "white")
    top = 0
    for each in pictures:
        stacked.paste(each, (0, top))
        top += each.height
    return stacked


def _fit(picture: Image.Image, box: Sequence[float]) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return a picture of the panel's width, and its token grid's box in that picture's pixels."""
    panel = picture.convert("RGB").resize((_SIDE, max(1, round(_SIDE * picture.height / picture.width))))
    left, top, right, bottom = box
    return panel, (left * panel.width, top * panel.height, right * panel.width, bottom * panel.height)


def put_back(matches: Matches, panel: Image.Image, box: Sequence[float], *, side: int = 0) -> Image.Image:
    """Return B's patches in A's layout, `side` pixels each; fitted to a panel unless given."""
    assert matches.grid is not None
    assert matches.other_grid is not None
    rows, columns = matches.grid
    fitted, side = not side, side or max(4, _SIDE // max(rows, columns))
    picture = Image.new("RGB", (columns * side, rows * side), "white")
    for token, partner in enumerate(matches.permutation):
        if partner >= 0:
            patch = panel.resize((side, side), box=_inside(cell_box(int(partner), matches.other_grid, box), panel.size))
            picture.paste(patch, ((token % columns) * side, (token // columns) * side))
    return picture.resize((_SIDE, max(1, round(_SIDE * rows / columns)))) if fitted else picture


def _inside(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return a box clipped to a picture: a grid may reach into the transform's padding."""
    width, height = size
    left, top = min(max(0.0, box[0]), width - 1), min(max(0.0, box[1]), height - 1)
    return left, top, min(max(left + 1, box[2]), width), min(max(top + 1, box[3]), height)
