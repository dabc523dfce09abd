"""A colour for each place, so that a match is found by its colour: also by those who do not see all colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

CORNERS = ("#ffffff", "#ffff2e", "#c584fd", "#d0553a")
"""Top left, top right, bottom left, bottom right; what lies between is mixed from them.

Chosen by a search for the corners whose nine mixtures of a 3 × 3 grid are farthest apart to those who see all colours,
to protanopes and to deuteranopes at once, none darker than L* 52 in the full view (they are drawn over photographs,
with a dark rim) and none near the cyan of what is pointed at. The digits of the nine strongest are the second channel.
"""

FOR, AGAINST = "#b8a4ff", "#ffb14e"
"""Above zero and below it: purple and orange as in the RSMs' differences (PuOr), light enough for photographs."""

Colour = tuple[int, int, int]


def place_colours(tokens: Sequence[int], grid: tuple[int, int]) -> list[Colour]:
    """Return the colours of the places of some tokens, as far apart as their rows and columns allow.

    The rows and the columns in which any of them stands are spread evenly over the colours: places that crowd together
    are told apart, and left, right, up and down keep their meaning.
    """
    places = [divmod(int(token), grid[1]) for token in tokens]
    rows, columns = (_ranks(place[axis] for place in places) for axis in (0, 1))
    return [_mixed(_share(columns, column), _share(rows, row)) for row, column in places]


def _ranks(values: Iterable[int]) -> dict[int, int]:
    return {value: rank for rank, value in enumerate(sorted(set(values)))}


def _share(ranks: dict[int, int], k: int) -> float:
    return ranks[k] / (len(ranks) - 1) if len(ranks) > 1 else 0.5


def _mixed(across: float, down: float) -> Colour:
    """Return the corners' colours mixed, 0 to 1 from left to right and from top to bottom."""
    corners = [tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5)) for colour in CORNERS]
    weights = ((1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down)
    red, green, blue = (
        int(sum(w * corner[k] for w, corner in zip(weights, corners, strict=True)) + 0.5) for k in range(3)
    )
    return red, green, blue
