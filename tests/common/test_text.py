"""Text that can be written, and the order in which people read it."""

import os
import random

import pytest

from semrsm_widgets.common.checks import clipped, describe, listed, message
from semrsm_widgets.common.text import describe_seconds, in_words_of, natural_key, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain.png", "plain.png"),
        ("Ünïcödé 東京 🦉.png", "Ünïcödé 東京 🦉.png"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("half \ud83d pair", r"half \ud83d pair"),
        ("two\nlines\tand\x1b[31m", r"two\x0alines\x09and\x1b[31m"),
        ("line\u2028end\x85", r"line\u2028end\x85"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected
    printable(text).encode("utf-8")
    assert len(printable(text).splitlines()) == 1
    assert printable(printable(text)) == printable(text)


def test_natural_order_is_one_order_whatever_is_sorted():
    texts = [
        "10",
        "9",
        "-3",
        "2.5",
        "1e2",
        "",
        "a",
        "A",
        "a1",
        "a10",
        "a2",
        "a02",
        "1a",
        "²",
        "inf",
        "nan",
        "1.2.3",
        ".5",
        "x" * 9,
    ]
    expected = sorted(texts, key=natural_key)
    for seed in range(20):
        random.Random(seed).shuffle(texts)
        assert sorted(texts, key=natural_key) == expected
    assert expected[:5] == ["-3", ".5", "2.5", "9", "10"]
    assert [text for text in expected if text[:1] == "a"] == ["a", "a1", "a02", "a2", "a10"]


class Table:
    def __repr__(self):
        return "Table\n  column: 1, 2, 3\n" * 500


def test_error_texts_are_one_line_and_end_once():
    text = message("x", "a list", Table(), "Give a list.")
    assert "\n" not in text
    assert len(text) < 140
    assert message("x", "read", "it broke.") == "`x` must be read; got it broke."
    assert message("x", "read", "a, b, ...") == "`x` must be read; got a, b, ..."
    assert describe(Table()).startswith("Table column: 1, 2, 3 Table")
    assert clipped("a  b\nc", 5) == "a b c"
    assert listed(range(9), 3) == "'0', '1', '2', ... (9 in all)"


def test_an_error_speaks_of_the_arguments_of_what_was_called():
    with pytest.raises(ValueError, match="`model` must be text") as caught, in_words_of({"`name`": "`model`"}):
        raise ValueError("`name` must be text")
    assert type(caught.value) is ValueError
    with pytest.raises(KeyError), in_words_of({"a": "b"}):
        raise KeyError(3)


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_are_said_as_a_person_would(seconds, words):
    assert describe_seconds(seconds) == words
