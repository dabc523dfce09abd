"""Still pictures of the views, for places where no widget runs: GitHub, nbconvert, a notebook that was reopened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from semrsm_widgets.analysis import contribution_difference
from semrsm_widgets.figures import (
    AGAINST,
    FOR,
    PANEL_SIDE,
    fitted_panel,
    outline_patch,
    panels_in_a_row,
    place_colours,
    stacked,
    title_still,
)
from semrsm_widgets.rsm import SIMILARITIES
from semrsm_widgets.tokens import cell_box

from .trust import opacities, verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Matches, Split
    from semrsm_widgets.common import GridPlace
    from semrsm_widgets.rsm import NullLevel

    Side = tuple[Image.Image, GridPlace]

NUMBERED = 9  # the strongest carry their rank as a digit: colours alone are too few


def pair_still(
    matches: Matches,
    sides: Sequence[Side],
    top_k: int,
    *,
    similarity: str = "semantic",
    null: NullLevel | None = None,
    above_unrelated: bool = False,
) -> Image.Image:
    """Return A, B and, for the best match, B's patches moved to their partners in A; the strongest are outlined.

    Colour is the place in A, dashes are ambiguous matches, digits the nine strongest; what is hardly above the level of
    unrelated tokens is faint.

    Args:
        matches: of the two images; must have a grid.
        sides: (picture, box) of A and B, the box in fractions of width and height.
        top_k: how many are outlined.
        similarity: name of the one that is explained; the class token outlines nothing.
        null: what unrelated tokens reach; None before it is known.
        above_unrelated: leave out the matches whose cosine is not above that level.
    """
    assert matches.grid is not None
    assert matches.other_grid is not None
    level = null if similarity == "semantic" else None
    opacity = opacities(matches.token_cosine, matches.semantic, level)
    if level is not None and above_unrelated:
        opacity[~(matches.token_cosine > level.mean)] = 0.0
    panels = [fitted_panel(picture, box) for picture, box in sides]
    captioned = {"A": panels[0][0], "B": panels[1][0]}
    title, doubt = f"{matches.layer} · ", ""
    if similarity == "semantic":
        best_matching_adds = matches.semantic - matches.any_matching
        title += f"aligned {matches.aligned:.2f}, semantic {matches.semantic:.2f} "
        rounded = round(matches.any_matching, 2) + round(best_matching_adds, 2)
        equals = "=" if abs(rounded - round(matches.semantic, 2)) < 0.005 else "~"  # the font has no ≈
        title += f"{equals} any matching {matches.any_matching:.2f} + best matching adds {best_matching_adds:.2f}"
        title += "" if null is None else f" (unrelated {null.mean:.2f})"
        doubt = verdict(matches.semantic, null, matches.any_matching)
        captioned["B's patches moved to their partners in A"] = put_back(matches, *panels[1], opacity=opacity)
    else:
        value = matches.class_token if similarity == "class token" else matches.split(similarity).value
        title += f"{SIMILARITIES[similarity].caption} {value:.2f} (semantic {matches.semantic:.2f})"
    picture, draw = panels_in_a_row(captioned, title)
    if similarity == "class token":
        return picture
    split = matches.split(similarity)
    if similarity == "pooled":  # no partners: each image's patches stand for themselves
        for column, (contribution, grid) in enumerate(
            ((split.contribution, matches.grid), (split.other_contribution, matches.other_grid))
        ):
            for rank, token in _weakest_first(np.argsort(-contribution, kind="stable")[:top_k]):
                box = cell_box(token, grid, panels[column][1])
                colour = FOR if contribution[token] >= 0 else AGAINST
                outline_patch(draw, column, box, colour, str(rank + 1) if rank < NUMBERED else "")
        return picture
    tokens = strongest(split, top_k)
    tokens = tokens[opacity[tokens] > 0]
    colours = place_colours(tokens.tolist(), matches.grid)
    ambiguous = matches.ambiguous() if similarity == "semantic" else np.zeros(len(split.contribution), dtype=bool)
    for rank, token in _weakest_first(tokens):
        places = ((token, matches.grid), (int(split.partner[token]), matches.other_grid))
        for column, (place, grid) in enumerate(places):
            words = str(rank + 1) if rank < NUMBERED else ""
            box = cell_box(place, grid, panels[column][1])
            strength = float(opacity[token])
            outline_patch(draw, column, box, colours[rank], words, dashed=bool(ambiguous[token]), opacity=strength)
    below = [title_still(doubt, "")] if doubt else []
    return stacked([picture, *below]) or picture


def why_still(
    hit: Matches, expected: Matches, sides: Sequence[Side], top_k: int, *, similarity: str = "semantic"
) -> Image.Image:
    """Return hit, query and expected image side by side, the query's patches outlined by what they speak for.

    Args:
        hit: matches of the query with the hit; must have a grid.
        expected: matches of the query with the expected image.
        sides: (picture, box) of query, hit and expected image.
        top_k: how many patches are outlined, those that speak most for either.
        similarity: name of the one that is explained.
    """
    assert hit.grid is not None
    query, found, wanted = (fitted_panel(picture, box) for picture, box in sides)
    if similarity == "class token":
        values, difference = (hit.class_token, expected.class_token), None
    else:
        values = (hit.split(similarity).value, expected.split(similarity).value)
        difference = contribution_difference(hit, expected, similarity)
    title = f"{hit.layer} · {SIMILARITIES[similarity].caption}: A and B {values[0]:.2f}, A and C {values[1]:.2f}"
    panels = {"B: the hit": found[0], "A: the query": query[0], "C: the expected image": wanted[0]}
    picture, draw = panels_in_a_row(panels, f"{title} · difference {values[0] - values[1]:+.2f}")
    if difference is None:
        return picture
    largest = np.argsort(-np.abs(difference), kind="stable")[:top_k]
    for rank, token in _weakest_first(largest):
        for_hit = difference[token] >= 0
        box = cell_box(token, hit.grid, query[1])
        outline_patch(draw, 1, box, FOR if for_hit else AGAINST, ("+" if for_hit else "−") if rank < NUMBERED else "")
    return picture


def strongest(split: Split, k: int) -> NDArray[np.int64]:
    """Return the k tokens of i that contribute most, strongest first; only those that are compared with something."""
    compared = np.flatnonzero(~np.isnan(split.token_cosine))
    return compared[np.argsort(-split.contribution[compared], kind="stable")][:k]


def _weakest_first(tokens: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (rank, token), the last first, so that the strongest are drawn on top."""
    return [(rank, int(token)) for rank, token in enumerate(tokens)][::-1]


def put_back(
    matches: Matches,
    panel: Image.Image,
    box: Sequence[float],
    *,
    side: int = 0,
    opacity: NDArray[np.float64] | None = None,
) -> Image.Image:
    """Return B's patches in A's layout, `side` pixels each; fitted to a panel unless given.

    Args:
        matches: whose patches of A have partners.
        panel: the picture of B.
        box: of the token grid in it, in pixels.
        side: of a patch, in pixels.
        opacity: of each patch, on white; None for all of it.
    """
    assert matches.grid is not None
    assert matches.other_grid is not None
    rows, columns = matches.grid
    fitted, side = not side, side or max(4, PANEL_SIDE // max(rows, columns))
    picture = Image.new("RGB", (columns * side, rows * side), "white")
    for token, partner in enumerate(matches.permutation):
        if partner >= 0:
            patch = panel.resize((side, side), box=_inside(cell_box(int(partner), matches.other_grid, box), panel.size))
            if opacity is not None:
                patch = Image.blend(Image.new("RGB", patch.size, "white"), patch.convert("RGB"), float(opacity[token]))
            picture.paste(patch, ((token % columns) * side, (token // columns) * side))
    return picture.resize((PANEL_SIDE, max(1, round(PANEL_SIDE * rows / columns)))) if fitted else picture


def _inside(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return a box clipped to a picture: a grid may reach into the transform's padding."""
    width, height = size
    left, top = min(max(0.0, box[0]), width - 1), min(max(0.0, box[1]), height - 1)
    return left, top, min(max(left + 1, box[2]), width), min(max(top + 1, box[3]), height)
