"""The one form of error text."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from semrsm_widgets.common.checks import check_choice, check_int, check_number, describe, message, suggest


def test_message_names_parameter_expected_got_and_what_to_do() -> None:
    tokens = np.zeros((32, 7, 7, 320))
    assert message("x", "tokens of shape (N, S, D)", tokens, "Flatten the grid first: x.reshape(32, 49, 320).") == (
        "`x` must be tokens of shape (N, S, D); got ndarray of shape (32, 7, 7, 320). "
        "Flatten the grid first: x.reshape(32, 49, 320)."
    )
    assert message("k", "even", "three images") == "`k` must be even; got three images."
    assert message("k", "even", 3) == "`k` must be even; got 3 (int)."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3 (int)"),
        ("blocks.4", "'blocks.4' (str)"),
        (np.zeros((2, 3)), "ndarray of shape (2, 3)"),
        (np.float32(2), "np.float32(2.0) (float32)"),
        (list(range(100)), f"{repr(list(range(100)))[:77]}... (list)"),
    ],
)
def test_describe(value: object, text: str) -> None:
    assert describe(value) == text


@pytest.mark.parametrize("value", [1, np.int64(5), 10])
def test_check_int_accepts(value: int) -> None:
    number = check_int("k", value, minimum=1, maximum=10)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("value", [True, 2.0, "2", None])
def test_check_int_refuses_what_is_no_integer(value: object) -> None:
    with pytest.raises(TypeError, match=r"`k` must be an integer >= 1; got .*\. Give k=1\."):
        check_int("k", value, minimum=1, todo="Give k=1.")


@pytest.mark.parametrize("value", [0, 11, -1])
def test_check_int_refuses_what_is_outside(value: int) -> None:
    with pytest.raises(ValueError, match=rf"`k` must be an integer from 1 to 10; got {value} \(int\)\."):
        check_int("k", value, minimum=1, maximum=10)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.25), "0.5"])
def test_check_number_accepts(value: object) -> None:
    number = check_number("gap", value, above=0, maximum=1)
    assert type(number) is float
    assert number == float(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 1.5, math.nan, math.inf, -math.inf])
def test_check_number_refuses_what_is_outside(value: float) -> None:
    with pytest.raises(ValueError, match=re.escape("`gap` must be a finite number and > 0 and <= 1; got")):
        check_number("gap", value, above=0, maximum=1)


def test_integers_that_no_float_holds_and_values_that_cannot_be_shown_are_named() -> None:
    with pytest.raises(ValueError, match="`x` must be a finite number; got an integer of 40000 bits"):
        check_number("x", 2**39_999)

    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    assert describe(Shy()) == "a value that cannot be shown (Shy)"
    assert describe(10**5000) == "a value that cannot be shown (int)"
    with pytest.raises(ValueError, match="`x` must be an integer from 0 to 9; got a value that cannot be shown"):
        check_int("x", 10**5000, minimum=0, maximum=9)


def test_check_number_includes_its_minimum() -> None:
    assert check_number("gap", 0, minimum=0) == 0.0
    with pytest.raises(ValueError, match=re.escape("a finite number and >= 0")):
        check_number("gap", -1e-9, minimum=0)


@pytest.mark.parametrize("value", [None, "wide", [1], 1j])
def test_check_number_refuses_what_is_no_number(value: object) -> None:
    with pytest.raises(TypeError, match=r"`gap` must be a finite number; got .*Leave it out\."):
        check_number("gap", value, todo="Leave it out.")


def test_check_choice() -> None:
    layers = ["blocks.3", "blocks.4", "conv_head"]
    assert check_choice("layer", "blocks.4", layers) == "blocks.4"
    with pytest.raises(ValueError, match=re.escape("Did you mean 'blocks.4'")):
        check_choice("layer", "block.4", layers)
    with pytest.raises(ValueError, match=re.escape("got 4 (int).")):
        check_choice("layer", 4, layers)


def test_suggest_falls_back_to_the_first_options() -> None:
    assert suggest("zzz", ["a", "b"]) == "Known: 'a', 'b'."
    assert suggest("zzz", (f"layer{i}" for i in range(20))).endswith("'layer11', ....")
