"""A figure for a paper: laid out in millimetres, text in points, the same bytes each time it is written.

Positions count from the upper left corner, downwards. The height follows from what is drawn, so axes and texts are put
in their places when the figure is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from semrsm_widgets.common import __version__, interrupts_heard, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

MARGIN = 1.5
"""Millimetres around everything."""
GAP = 2.5
"""Millimetres between panels."""
PART, TITLE, SMALL = 8.0, 7.0, 6.0
"""Points of a part's letter, of titles, and of everything else: journals ask for 5 to 8."""
LINE = 2.7
"""Millimetres from one line of small text to the next."""
CENTRE = 0.31 * LINE
"""Millimetres from the top of a line of small text to the middle of its capitals."""
INK, QUIET, RULE = "#000000", "#555555", "#8c8c8c"

_MM = 25.4
_POINT = _MM / 72
_DPI = 400  # of pixels, where a format has them
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "font.size": SMALL,
    "axes.linewidth": 0.5,
    "axes.edgecolor": RULE,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 1.8,
    "ytick.major.size": 1.8,
    "xtick.major.pad": 1.2,
    "ytick.major.pad": 1.2,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "semrsm_widgets",
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
    "image.composite_image": False,
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Give matplotlib our settings, whatever the user's are, and the user's again afterwards."""
    with style.context(_STYLE, after_reset=True):
        yield


class Sheet:
    """A figure of a given width that grows downwards as views draw on it.

    A view's `draw_figure(sheet)` draws at `sheet.bottom` and below, between `MARGIN` and `sheet.width - MARGIN`, moves
    `bottom` to where it ended, says what is drawn and cites where its numbers come from.

    Attributes:
        width: of the whole, in millimetres.
        bottom: where the next thing goes, in millimetres from the top.
    """

    def __init__(self, width: float) -> None:
        self.figure = Figure(figsize=(width / _MM, 1.0))
        self.width = width
        self.bottom = MARGIN
        self._said: list[str] = []
        self._cited: list[str] = []
        self._axes: list[tuple[Axes, tuple[float, float, float, float]]] = []
        self._texts: list[tuple[Text, float, float]] = []
        self._parts = 0

    @property
    def room(self) -> float:
        """Millimetres between the margins."""
        return self.width - 2 * MARGIN

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return new axes of this size in millimetres."""
        axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0), label=f"axes {len(self._axes)}")
        self._axes.append((axes, (left, top, width, height)))
        return axes

    def picture(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return axes without ticks, with x and y in millimetres from their own upper left corner."""
        axes = self.axes(left, top, width, height)
        axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def text(
        self,
        left: float,
        top: float,
        words: str,
        *,
        size: float = SMALL,
        bold: bool = False,
        color: str = INK,
        align: str = "left",
    ) -> None:
        """Write one line whose top is at `top`; `align` says which end of it is at `left`."""
        # What stands in labels and file names is text, "$" too.
        text = self.figure.text(
            0, 0, words, fontsize=size, fontweight=_weight(bold), color=color, ha=align, va="baseline", parse_math=False
        )
        self._texts.append((text, left, top + 0.76 * size * _POINT))

    def paragraph(self, left: float, top: float, words: str, width: float, **look: Any) -> float:
        """Write text in lines of at most `width` millimetres and return where it ends."""
        for line in wrapped(words, width, look.get("size", SMALL)):
            self.text(left, top, line, **look)
            top += LINE * look.get("size", SMALL) / SMALL
        return top

    def start_part(self) -> None:
        """Leave some room and write the next letter, for figures of several views: "a", "b", ..."""
        if self._parts:
            self.bottom += 2 * GAP
        self.text(MARGIN, self.bottom, chr(ord("a") + self._parts), size=PART, bold=True)
        self._parts += 1
        self.bottom += 1.35 * LINE

    def say(self, sentence: str) -> None:
        """Add to the caption what is drawn, unless it is there."""
        if sentence not in self._said:
            self._said.append(sentence)

    def cite(self, sentence: str) -> None:
        """Put at the end of the caption where the numbers come from; what is there already moves to the end."""
        if sentence in self._cited:
            self._cited.remove(sentence)
        self._cited.append(sentence)

    @property
    def caption(self) -> str:
        """What stands beneath the figure."""
        return " ".join([*self._said, *self._cited])

    def write(self, path: Path) -> None:
        """Write the figure, its caption beneath it, in the format that the suffix names: whole or not at all."""
        caption = self.caption
        self.bottom = self.paragraph(MARGIN, self.bottom + 1.0, caption, self.room, color=QUIET)
        height = self.bottom + MARGIN
        self.figure.set_size_inches(self.width / _MM, height / _MM)
        for axes, (left, top, wide, high) in self._axes:
            axes.set_position((left / self.width, 1 - (top + high) / height, wide / self.width, high / height))
        for text, left, baseline in self._texts:
            text.set_position((left / self.width, 1 - baseline / height))
        # No dates: the same figure is the same file.
        creator = f"semrsm_widgets {__version__}"
        suffix = path.suffix.lower().removeprefix(".")
        kinds: dict[str, dict[str, Any]] = {
            "svg": {"Description": caption, "Creator": creator, "Date": None},
            "pdf": {"Subject": caption, "Creator": creator, "CreationDate": None},
            "png": {"Description": caption, "Software": creator},
        }
        with written_whole(path) as file, interrupts_heard():
            self.figure.savefig(file, format=suffix, dpi=_DPI, metadata=kinds[suffix], facecolor="white")


def text_width(words: str, size: float = SMALL, *, bold: bool = False) -> float:
    """Return how wide a line of text is, in millimetres."""
    font = FontProperties(family=_STYLE["font.sans-serif"], weight=_weight(bold), size=size)
    wide, _, _ = TextToPath().get_text_width_height_descent(words, font, ismath=False)
    return float(wide) * _POINT


def clipped(words: str, width: float, size: float = SMALL, *, bold: bool = False) -> str:
    """Return the words, or as much of their beginning as fits into `width` millimetres, with "…"."""
    words = " ".join(words.split())
    if text_width(words, size, bold=bold) <= width:
        return words
    while words and text_width(f"{words}…", size, bold=bold) > width:
        words = words[:-1]
    return f"{words}…" if words else ""


def wrapped(words: str, width: float, size: float = SMALL) -> list[str]:
    """Return text in lines of at most `width` millimetres, broken at plain spaces; a longer word is clipped."""
    lines: list[str] = []
    for word in filter(None, words.split(" ")):
        longer = f"{lines[-1]} {word}" if lines else ""
        if longer and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(clipped(word, width, size))
    return lines


def raster(axes: Axes, pixels: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Put an (H, W, 3) uint8 picture at (left, top, right, bottom) of `picture` axes, without smoothing its pixels."""
    left, top, right, bottom = extent
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(pixels, extent=(left, right, bottom, top), interpolation="none", aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])


def _weight(bold: bool) -> str:
    return "bold" if bold else "normal"
