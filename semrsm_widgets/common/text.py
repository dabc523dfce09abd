"""Text that anything can hold, and the order in which people read it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from math import isfinite

# Halves of surrogate pairs, which no file can hold; control characters and line ends, which break a line in two; what
# turns the direction of writing, so that a line reads otherwise than it is.
_UNPRINTABLE = re.compile("[\ud800-\udfff\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF  # how Python stands in for the bytes of a file name that is no UTF-8
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DIGITS = re.compile("([0-9]+)")


def printable(text: str) -> str:
    r"""Return the text with what cannot be written, such as the bytes of a name that is no UTF-8, as `\xe9`.

    Example:
        >>> print(printable(os.fsdecode(b"caf\xe9.png")))
        caf\xe9.png
    """
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if _FIRST_BYTE <= code <= _LAST_BYTE:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def natural_key(text: str) -> tuple[int, float, tuple[str | tuple[int, str], ...], str]:
    """Return what sorts texts as people do: numbers by value and first, digits within a text as numbers.

    Example:
        >>> sorted(["10", "9", "-1", "0.5", "class 10", "class 9"], key=natural_key)
        ['-1', '0.5', '9', '10', 'class 9', 'class 10']
    """
    if _NUMBER.fullmatch(text) and isfinite(float(text)):
        return 0, float(text), (), text
    # Every second part is a number: as text without leading zeros, as int() refuses thousands of digits.
    parts = _DIGITS.split(text)
    return 1, 0.0, tuple(_magnitude(part) if k % 2 else part for k, part in enumerate(parts)), text


def _magnitude(digits: str) -> tuple[int, str]:
    bare = digits.lstrip("0")
    return len(bare), bare


def describe_seconds(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def in_words_of(caller: Mapping[str, str]) -> Iterator[None]:
    """Have errors name the arguments of the function that was called, not those of one that it calls in turn.

    Args:
        caller: words of an error's text -> what the caller's arguments are called.

    Example:
        >>> with in_words_of({"`name`": "`model`"}):
        ...     load_model(model)
    """
    try:
        yield
    except Exception as error:
        if len(error.args) == 1 and isinstance(error.args[0], str):
            text = error.args[0]
            for words, own in caller.items():
                text = text.replace(words, own)
            error.args = (text,)
        raise
