"""The sheet of a figure for a paper: lines, and numbers as people read them."""

from __future__ import annotations

import pytest

from semrsm_widgets.figures import number
from semrsm_widgets.figures.sheet import clipped, text_width, wrapped


def test_lines_break_at_spaces_and_words_are_clipped():
    assert wrapped("a b", 100) == ["a b"]
    lines = wrapped("one two three four five", 12)
    assert " ".join(lines) == "one two three four five"
    assert all(text_width(line) <= 12 for line in lines)
    assert clipped("x" * 50, 10).endswith("…")
    assert text_width(clipped("x" * 50, 10)) <= 10
    assert clipped("wide", 0.1) == ""


@pytest.mark.parametrize(
    ("value", "digits", "words"),
    [
        (0.123, 2, "0.12"),
        (-0.5, 1, "\N{MINUS SIGN}0.5"),
        (0.0, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (12.34, 2, "12.3"),
        (1234.0, 2, "1234"),
        (1e-7, 2, "1.0e\N{MINUS SIGN}7"),
        (2.5e6, 2, "2.5e6"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, digits, words):
    assert number(value, digits) == words
