"""What the lessons share: checks of the exercises, and small tables and pictures that need no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from reprlib import repr as shortened
from textwrap import TextWrapper
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import semrsm_widgets as srsm

VERSION = "0.1.0"
"""The version of semrsm_widgets that this file came with."""

TOLERANCE = 0.02
"""How far a number may be from the one in the text."""

SIMILARITIES = {"aligned": "#8d99ae", "semantic": "#2a9d8f", "pooled": "#e9a23b"}  # as in the views
COLOURS = ("#d55e00", "#0072b2", "#cc79a7", "#777777")  # Okabe and Ito: told apart by colour-blind eyes


class NotYetError(Exception):
    """An exercise that is not solved yet: one sentence in place of a traceback."""

    def _render_traceback_(self) -> list[str]:
        # JupyterLab breaks a long line in the middle of a word.
        return TextWrapper(width=100, break_long_words=False, break_on_hyphens=False).wrap(str(self))


def written_for(version: str) -> None:
    """Say whether the notebook, this file and the installed package are of one version."""
    if version == VERSION == srsm.__version__:
        print(f"This notebook and semrsm_widgets are both of version {version}.")
        return
    print(
        f"This notebook is of version {version}, lessons.py of {VERSION}, "
        f"semrsm_widgets of {srsm.__version__}: numbers and names may differ. "
        "`semrsm lab --fresh` puts the notebooks that fit beside these."
    )


def near(value: Any, told: Any) -> bool:
    """Return whether values are those that the text tells, up to TOLERANCE."""
    return bool(np.allclose(value, told, rtol=0, atol=TOLERANCE))


def check(
    answer: Callable[[], Any],
    expected: Any = None,
    *,
    passes: Callable[[Any], Any] | None = None,
    hint: str,
    tolerance: float = 1e-6,
) -> None:
    """Say that an answer is right, or raise NotYetError with a sentence: what came, and where to look.

    Args:
        answer: called for the answer, so that whatever it raises is met here.
        expected: the answer as the package computes it.
        passes: in its place, whether an answer has the properties asked for; or these in words, with what
            came -> whether each is met.
        hint: where to look; never the answer.
        tolerance: how far numbers may be from `expected`.
    """
    came = _answered(answer, hint)
    try:
        fault = "" if passes is None else _unmet(passes(came))
    except Exception as error:
        fault = f"your answer could not be tried out ({_told(error)})"
    if passes is None:
        fault = _difference(came, expected, tolerance)
    if fault:
        raise NotYetError(f"Not yet: {fault}. Hint: {hint}")
    print("Right.")


def _unmet(met: Any) -> str:
    """Return what of the properties asked for an answer lacks, or nothing."""
    if not isinstance(met, Mapping):
        return "" if met else "this does not have what is asked for"
    told = "; ".join(f"{words} ({'met' if is_met else 'not met'})" for words, is_met in met.items())
    return "" if all(met.values()) else told


def _answered(answer: Callable[[], Any], hint: str) -> Any:
    try:
        came = answer()
    except KeyboardInterrupt:
        raise NotYetError(f"Stopped: is there a loop that never ends? Hint: {hint}") from None
    except NameError as error:
        raise NotYetError(f"Not yet: {error}; run the exercise's cell first. Hint: {hint}") from None
    except Exception as error:
        raise NotYetError(f"Not yet: your code raises {_told(error)}. Hint: {hint}") from None
    if _unanswered(came):
        raise NotYetError(
            f"Not yet: nothing comes back; write your answer in place of the dots. Hint: {hint}"
        )
    return came


def _unanswered(came: Any) -> bool:
    """Return whether an answer, or a part of it, is still the dots, or None for want of a `return`."""
    return came is None or came is ... or (isinstance(came, list | tuple) and any(map(_unanswered, came)))


def _told(error: Exception) -> str:
    """Return the kind and the words of an error in one line."""
    words = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _difference(came: Any, expected: Any, tolerance: float) -> str:
    """Return what is wrong with an answer, or nothing."""
    wanted = np.asarray(expected, dtype=float)
    asked, (verb, ones) = _kind(expected), ("is", "one") if wanted.size == 1 else ("are", "ones")
    try:
        given = np.asarray(came, dtype=float)
    except (TypeError, ValueError):
        return f"{_kind(came)} came, {asked} {verb} expected"
    if given.shape != wanted.shape:
        return f"{_kind(came)} came, {asked} {verb} expected"
    if not np.allclose(given, wanted, rtol=0, atol=tolerance):
        return f"{asked}, as asked, but not the right {ones}"
    return ""


def _kind(value: Any) -> str:
    """Return what a value is in words: a number, 24 numbers, 3 × 5 numbers, or its type."""
    try:
        shape = np.asarray(value, dtype=float).shape
    except (TypeError, ValueError):
        texts = [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []
        return f"a {type(value).__name__}" + (
            f" with the text {shortened(texts[0])} in it" if texts else ""
        )
    if not shape:
        return "a number"
    return "a list of one number" if shape == (1,) else " × ".join(map(str, shape)) + " numbers"


class Table:
    """Rows of numbers under a header, as text and as HTML.

    Args:
        rows: name of the row -> its numbers or words.
        header: names of the columns.
        corner: what stands over the names of the rows.
    """

    def __init__(self, rows: Mapping[str, Sequence[Any]], header: Sequence[Any], corner: str = "") -> None:
        self._lines = [[corner, *map(str, header)]]
        self._lines += [[name, *(_number(value) for value in values)] for name, values in rows.items()]

    def __repr__(self) -> str:
        widths = [max(len(line[k]) for line in self._lines) for k in range(len(self._lines[0]))]
        return "\n".join(
            "  ".join(word.rjust(w) for word, w in zip(line, widths, strict=True)) for line in self._lines
        )

    def _repr_html_(self) -> str:
        head, *body = (
            ["".join(f"<{tag}>{escape(word)}</{tag}>" for word in line)] for tag, line in self._tagged()
        )
        rows = "".join(f"<tr>{row[0]}</tr>" for row in body)
        return f"<table><thead><tr>{head[0]}</tr></thead><tbody>{rows}</tbody></table>"

    def _tagged(self) -> list[tuple[str, list[str]]]:
        return [("th" if k == 0 else "td", line) for k, line in enumerate(self._lines)]


def _number(value: Any) -> str:
    if not isinstance(value, float | np.floating):
        return str(value)
    return f"{round(float(value), 2) + 0:.2f}".replace("-", "−")  # + 0: of -0.00 only the 0 is told


def _drawn(text: str) -> str:
    """Return a text with what Pillow's own font has: it draws a box for ×."""
    return text.replace("×", "x").replace("−", "-")


def strip(pictures: Mapping[str, Any], side: int = 150) -> Image.Image:
    """Return pictures in a row under their names.

    Args:
        pictures: name -> PIL image or (H, W, 3) uint8 array.
        side: width and height of each, in pixels.
    """
    row = Image.new("RGB", (len(pictures) * (side + 10) + 10, side + 34), "white")
    draw = ImageDraw.Draw(row)
    for k, (name, picture) in enumerate(pictures.items()):
        image = (
            picture
            if isinstance(picture, Image.Image)
            else Image.fromarray(np.asarray(picture, dtype=np.uint8))
        )
        row.paste(image.convert("RGB").resize((side, side)), (10 + k * (side + 10), 26))
        draw.text((10 + k * (side + 10), 5), _drawn(name), fill="black", font=ImageFont.load_default(13))
    return row.quantize(256)


def curves(
    x: Sequence[float], lines: Mapping[str, Sequence[float]], *, across: str, marks: Sequence[float] = ()
) -> Image.Image:
    """Return lines over x, from 0 to 1, each with its name at its end.

    Args:
        x: rising numbers.
        lines: name -> a value in [0, 1] for each x.
        across: what x is.
        marks: values of x with a vertical line.
    """
    width, height, left, top, big = 720, 300, 46, 16, 2  # drawn twice as large, then halved: smooth lines
    picture = Image.new("RGB", (width * big, height * big), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13 * big)
    right, bottom = width - 120, height - 44

    def at(u: float, v: float) -> tuple[float, float]:
        share = (u - x[0]) / (x[-1] - x[0])
        return (left + share * (right - left)) * big, (bottom - v * (bottom - top)) * big

    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        draw.line([at(x[0], level), at(x[-1], level)], fill="#dddddd", width=big)
        draw.text((8 * big, at(x[0], level)[1] - 8 * big), f"{level:.2f}", fill="#444444", font=font)
    for mark in marks:
        draw.line([at(mark, 0), at(mark, 1)], fill="#aaaaaa", width=big)
    for u in [*marks, x[0], x[-1]]:
        draw.text((at(u, 0)[0] - 6 * big, (bottom + 4) * big), f"{u:g}", fill="#444444", font=font)
    draw.text((left * big, (bottom + 22) * big), _drawn(across), fill="#444444", font=font)
    taken: list[float] = []
    for other, (name, values) in zip(COLOURS, lines.items(), strict=False):
        colour = SIMILARITIES.get(name, other)
        draw.line(
            [at(u, v) for u, v in zip(x, values, strict=True)], fill=colour, width=3 * big, joint="curve"
        )
        end = at(x[-1], values[-1])[1] - 8 * big
        while any(abs(end - place) < 15 * big for place in taken):
            end += 3 * big
        taken.append(end)
        draw.text(((right + 8) * big, end), _drawn(name), fill=colour, font=font)
    return picture.resize((width, height)).quantize(64)
