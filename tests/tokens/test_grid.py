"""Patches and boxes of one token grid, found in another."""

from __future__ import annotations

import pytest
from helpers.analyses import GRID

from semrsm_widgets.tokens.grid import box_tokens, moved_box, moved_token


@pytest.mark.parametrize(
    ("token", "grid", "other", "expected"),
    [
        (0, (4, 4), (2, 2), 0),
        (15, (4, 4), (2, 2), 3),
        (6, (4, 4), (2, 2), 1),
        (1, (2, 2), (4, 4), 7),  # the centre of the upper right quarter is a corner: its lower right cell
        (5, (3, 4), (3, 4), 5),
        (-1, (4, 4), (2, 2), -1),
        (3, None, (2, 2), -1),
        (3, (2, 2), None, -1),
    ],
)
def test_a_token_is_found_in_another_grid(token, grid, other, expected):
    assert moved_token(token, grid, other) == expected


@pytest.mark.parametrize("box", [(0, 0, 4, 1), (0, 0, 0, 1), (-1, 0, 1, 1), (0, 3, 1, 5), (0, 0, 1)])
def test_a_box_outside_the_grid_is_refused(box):
    with pytest.raises(ValueError, match="3×4 patches"):
        box_tokens(box, GRID)


@pytest.mark.parametrize(
    ("box", "grid", "other", "expected"),
    [
        ((0, 0, 3, 3), (14, 14), (7, 7), (0, 0, 2, 2)),
        ((1, 1, 2, 2), (7, 7), (14, 14), (2, 2, 4, 4)),
        ((2, 3, 3, 4), (3, 4), (1, 1), (0, 0, 1, 1)),
        (None, (3, 4), (1, 1), None),
        ((0, 0, 1, 1), (3, 4), None, None),
    ],
)
def test_a_box_is_found_in_another_grid(box, grid, other, expected):
    assert moved_box(box, grid, other) == expected
