"""Argument checks: the one form of error text, used at every public door.

Every message names the parameter, says what was expected and what came, and ends with what to do:
"`x` must be tokens of shape (N, S, D); got (32, 7, 7, 320). Flatten the grid first: x.reshape(32, 49, 320)."
"""

from __future__ import annotations

import operator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def message(name: str, expected: str, got: object, todo: str = "") -> str:
    """Return the error text for parameter `name`: expected, got, what to do."""
    came = printable(got) if isinstance(got, str) else describe(got)
    text = f"`{name}` must be {expected}; got {came}{'' if came.endswith('.') else '.'}"
    return f"{text} {todo}" if todo else text


def describe(value: Any) -> str:
    """Return a short description of a value: its shape for arrays, else a clipped repr, in one line, with its type."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape != ():
        return f"{type(value).__name__} of shape {tuple(shape)}"
    try:
        shown = clipped(repr(value))
    except Exception:  # of an integer of thousands of digits, which Python does not write out, or of anybody's object
        shown = "a value that cannot be shown"
    return f"{shown} ({type(value).__name__})"


def clipped(text: str, longest: int = 80) -> str:
    """Return a text in one line and no longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def listed(names: Iterable[Any], most: int = 6) -> str:
    """Return names as a text lists them, the first few of many: "'a', 'b', ... (120 in all)"."""
    known = [repr(clipped(str(name), 40)) for name in names]
    return ", ".join(known[:most]) + (f", ... ({len(known):,} in all)" if len(known) > most else "")


def check_int(name: str, value: Any, *, minimum: int, maximum: int | None = None, todo: str = "") -> int:
    """Return `value` as an int within [minimum, maximum]; bool is refused."""
    expected = f"an integer >= {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # of arrays and tensors, too, which have an __index__
        raise TypeError(message(name, expected, describe(value), todo)) from None
    if number < minimum or (maximum is not None and number > maximum):
        raise ValueError(message(name, expected, describe(value), todo))
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return `value` if it is True or False, or NumPy's."""
    if isinstance(value, bool):
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise TypeError(message(name, "True or False", describe(value)))


def check_several(name: str, value: Any, expected: str) -> tuple[Any, ...]:
    """Return the items of a list or another collection; a text is one thing, and a mapping has an order of its own."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise TypeError(message(name, expected, describe(value)))
    try:
        return tuple(value)
    except TypeError:  # an array of no axes
        raise TypeError(message(name, expected, describe(value))) from None


def check_function(name: str, value: Any, expected: str) -> Callable[..., Any]:
    """Return `value` if it can be called and is no class."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(message(name, expected, describe(value)))
    function: Callable[..., Any] = value
    return function


def check_number(
    name: str, value: Any, *, above: float | None = None, minimum: float | None = None, maximum: float | None = None,
    todo: str = "",
) -> float:  # fmt: skip
    """Return `value` as a finite float within the bounds (`above` is exclusive)."""
    bounds = [f"> {above:g}" if above is not None else "", f">= {minimum:g}" if minimum is not None else ""]
    bounds.append(f"<= {maximum:g}" if maximum is not None else "")
    expected = " and ".join(["a finite number", *(b for b in bounds if b)])
    try:
        if "complex" in str(getattr(value, "dtype", "")):  # float() would drop half of it
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(message(name, expected, describe(value), todo)) from None
    except OverflowError:  # an integer of hundreds of digits
        raise ValueError(message(name, expected, f"an integer of {value.bit_length()} bits", todo)) from None
    inside = (
        number - number == 0
        and (above is None or number > above)
        and (minimum is None or number >= minimum)
        and (maximum is None or number <= maximum)
    )
    if not inside:
        raise ValueError(message(name, expected, describe(value), todo))
    return number


def suggest(value: str, options: Iterable[str]) -> str:
    """Return "Did you mean ...?" with the nearest options, or the first few of them."""
    known: Sequence[str] = list(options)
    near = get_close_matches(value, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {', '.join(map(repr, near))}?"
    shown = ", ".join(map(repr, known[:12]))
    return f"Known: {shown}{', ...' if len(known) > 12 else ''}."


def check_choice(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is one of `options`; else raise with the nearest ones."""
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    got = repr(value) if isinstance(value, str) else describe(value)
    raise ValueError(message(name, f"one of {', '.join(map(repr, known[:12]))}", got, suggest(str(value), known)))
