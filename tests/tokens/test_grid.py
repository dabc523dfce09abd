"""Patches and boxes of one token grid, found in another."""

from __future__ import annotations

import pytest

from semrsm_widgets.tokens.grid import moved_token


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
