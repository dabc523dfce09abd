"""The RSMs of one layer on paper: aligned, semantic and their difference."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from semrsm_widgets.figures import (
    certificate_sentence,
    colour_range,
    difference_range,
    layer_sentence,
    matcher_sentence,
    model_sentence,
    null_sentence,
    number,
)
from semrsm_widgets.figures.sheet import (
    CENTRE,
    GAP,
    INK,
    LINE,
    MARGIN,
    QUIET,
    RULE,
    TITLE,
    Sheet,
    clipped,
    raster,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis
from semrsm_widgets.images import sorted_labels
from semrsm_widgets.rsm import SIMILARITIES, Similarities

_UNKNOWN = 0.82  # grey of the diagonal, which shows nothing, and of values that are not defined
_BAR = 1.8  # millimetres of a colour bar
_NAMES = 0.2  # of the width, at most, for the names of labels
_PIXELS = 600  # of a heatmap's side, about: cells are whole numbers of pixels, so that no viewer blurs them
_MOST_RUNS = 40  # more lines between labels than this would hide the cells


class Run(NamedTuple):
    """Images that stand beside each other and have the same labels: rows `first` to `last` - 1."""

    name: str
    first: int
    last: int


def draw_rsms(
    sheet: Sheet,
    analysis: Analysis,
    similarities: Similarities,
    *,
    kernel: str,
    baseline: str = "aligned",
    excess: bool = False,
    limits: tuple[float, float] | None = None,
    pair: tuple[int, int] | None = None,
    order: Sequence[int] | None = None,
) -> None:
    """Draw a baseline and the semantic RSM on one range of colours, and their difference.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: whose images and layer they are.
        similarities: of the layer under the kernel.
        kernel: its name, as shown.
        baseline: "aligned" or "pooled".
        excess: subtract what unrelated tokens reach from the semantic RSM.
        limits: the values of the first and the last colour of the first two; from 0 or the least to the largest value
            off the diagonal unless given.
        pair: a cell to mark.
        order: the images in the order of the rows; as they are unless given.
    """
    rows = np.arange(len(analysis)) if order is None else np.asarray(order)
    null = 0.0 if excess else similarities.null.mean
    first = getattr(similarities, baseline)[np.ix_(rows, rows)]
    semantic = similarities.semantic[np.ix_(rows, rows)] - (similarities.null.mean if excess else 0.0)
    matrices = (first, semantic, semantic - first)
    levels = colour_range(first, semantic) if limits is None else limits
    reaches = difference_range(np.abs(colour_range(matrices[2])).max(), *levels)
    looks = [(colormaps["viridis"], *levels)] * 2 + [(colormaps["PuOr"], *reaches)]
    panels = (
        (baseline, (SIMILARITIES[baseline].caption,)),
        ("semantic", ("excess over unrelated", "excess"))
        if excess
        else ("semantic", (SIMILARITIES["semantic"].caption,)),
        ("difference", (f"semantic − {baseline}", f"sem. − {baseline}", "sem. − al.")),
    )

    runs = label_runs(analysis, rows)
    named = _named(sheet, runs, len(rows))
    names = _names_width(sheet, runs if named else [])
    side = (sheet.room - names - 2 * GAP) / 3
    lefts = [MARGIN + names + k * (side + GAP) for k in range(3)]
    top = sheet.bottom + 1.25 * LINE + LINE + 0.4
    for left, (title, words) in zip(lefts, panels, strict=True):
        sheet.text(left, sheet.bottom, clipped(title, side, TITLE, bold=True), size=TITLE, bold=True)
        sheet.text(left, sheet.bottom + 1.25 * LINE, _fitting(words, side), color=QUIET)
    marked = None
    if pair is not None and pair[0] != pair[1] and np.isin(pair, rows).all():
        marked = tuple(int(np.flatnonzero(rows == k)[0]) for k in pair)
    for left, matrix, look in zip(lefts, matrices, looks, strict=True):
        axes = sheet.picture(left, top, side, side)
        raster(axes, _painted(matrix, *look), (0, 0, side, side))
        _rule(axes, runs, len(rows), side)
        if marked is not None:
            _mark(axes, marked, side / len(rows))
    _name_rows(sheet, runs if named else [], len(rows), MARGIN + names, top, side)

    bar_top = top + side + 3.3
    _colour_bar(sheet, lefts[0], bar_top, 2 * side + GAP, looks[0], marked=null)
    _colour_bar(sheet, lefts[2], bar_top, side, looks[2])
    sheet.bottom = bar_top + _BAR + 3.6

    width = "" if similarities.sigma is None else f" (σ = {number(similarities.sigma)})"
    sheet.say(layer_sentence(analysis, similarities.layer))
    sheet.say(f"Kernel {kernel}{width}; the diagonal is left out.")
    if pair is not None and marked is not None:
        first, second = (analysis.images.ids[k] for k in pair)
        sheet.say(f"White frame: {first} and {second}.")
    if excess:
        sheet.say("What unrelated tokens reach is subtracted from semantic.")
    sheet.cite(null_sentence(similarities.null, number(similarities.null.mean), kernel))
    sheet.cite(matcher_sentence(analysis))
    sheet.cite(certificate_sentence("Every semantic entry", float(analysis.gram(similarities.layer).gap.max())))
    sheet.cite(model_sentence(analysis))


def label_runs(analysis: Analysis, rows: NDArray[np.int64]) -> list[Run]:
    """Return the images of equal labels that stand together, in the order of the rows; none without labels."""
    labels = analysis.images.labels
    if labels is None or not any(labels):
        return []
    runs, first = [], 0
    for names, members in groupby(rows, key=lambda k: tuple(sorted_labels(labels[k]))):
        last = first + len(list(members))
        runs.append(Run(", ".join(names), first, last))
        first = last
    return runs if len(runs) <= _MOST_RUNS else []


def _painted(matrix: NDArray[np.float64], colours: Colormap, low: float, high: float) -> NDArray[np.uint8]:
    """Return a heatmap (H, W, 3) in which a cell is several pixels a side."""
    painted = colours((matrix - low) / (high - low))[..., :3]
    painted[~np.isfinite(matrix) | np.eye(len(matrix), dtype=bool)] = _UNKNOWN
    pixels = np.rint(255 * painted).astype(np.uint8)
    times = max(1, _PIXELS // len(matrix))
    return pixels.repeat(times, 0).repeat(times, 1)


def _fitting(choices: Sequence[str], width: float) -> str:
    """Return the first of some words that fits; the last one clipped if none does."""
    return next((words for words in choices if text_width(words) <= width), clipped(choices[-1], width))


def _named(sheet: Sheet, runs: Sequence[Run], count: int) -> bool:
    """Return whether the rows of each label are high enough for its name."""
    side = (sheet.room - _names_width(sheet, runs) - 2 * GAP) / 3
    return bool(runs) and min(run.last - run.first for run in runs) * side / count >= 0.9 * LINE


def _names_width(sheet: Sheet, runs: Sequence[Run]) -> float:
    """Return the millimetres that the labels' names take beside the heatmaps."""
    widest = max((text_width(run.name) for run in runs), default=text_width("image"))
    return min(widest + 1.2, _NAMES * sheet.room)


def _name_rows(sheet: Sheet, runs: Sequence[Run], count: int, right: float, top: float, side: float) -> None:
    """Write the labels beside their rows; where none are given, number the first and the last row."""
    cell = side / count
    if runs:
        for run in runs:
            middle = top + (run.first + run.last) / 2 * cell
            name = clipped(run.name, right - MARGIN - 0.8)
            sheet.text(right - 0.8, middle - CENTRE, name, align="right")
        return
    for words, row in (("1", 0), (f"{count}", count - 1)):
        sheet.text(right - 0.8, top + (row + 0.5) * cell - CENTRE, words, align="right")
    if side > 5 * LINE:
        sheet.text(right - 0.8, top + side / 2 - CENTRE, "image", align="right", color=QUIET)


def _rule(axes: Axes, runs: Sequence[Run], count: int, side: float) -> None:
    """Draw thin lines between labels."""
    for run in runs[1:]:
        at = run.first / count * side
        axes.plot([0, side], [at, at], color="white", linewidth=0.25, alpha=0.7)
        axes.plot([at, at], [0, side], color="white", linewidth=0.25, alpha=0.7)


def _mark(axes: Axes, cell: tuple[int, ...], side: float) -> None:
    """Draw a frame around a cell, not smaller than can be seen."""
    size = max(side, 0.9)
    row, column = ((k + 0.5) * side - size / 2 for k in cell)
    corners = ([column, column + size, column + size, column], [row, row, row + size, row + size])
    for colour, width in ((INK, 1.5), ("white", 0.7)):
        axes.fill(*corners, fill=False, edgecolor=colour, linewidth=width, joinstyle="miter", clip_on=False)


def _ticks(low: float, high: float, width: float) -> list[tuple[float, str]]:
    """Return the values to mark on a bar of `width` millimetres, with their words, which stay within its ends."""
    found: list[tuple[float, str]] = []
    for count in range(max(2, int(width // 7)), 1, -1):
        values = [v for v in MaxNLocator(nbins=count, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= v <= high]
        step = values[1] - values[0] if len(values) > 1 else high - low
        digits = max(0, int(np.ceil(-np.log10(step))))
        found = [(v, number(0.0 if abs(v) < step / 1e3 else v, digits)) for v in values]
        halves = {v: text_width(words) / 2 for v, words in found}
        place = {v: (v - low) / (high - low) * width for v in values}
        found = [(v, w) for v, w in found if halves[v] - 0.8 <= place[v] <= width - halves[v] + 0.8]
        kept = [v for v, _ in found]
        if all(place[b] - place[a] > halves[a] + halves[b] + 1.5 for a, b in pairwise(kept)):
            break
    return found


def _colour_bar(
    sheet: Sheet,
    left: float,
    top: float,
    width: float,
    look: tuple[Colormap, float, float],
    marked: float | None = None,
) -> None:
    """Draw a colour bar with its values beneath, and a mark above it at the level of unrelated tokens."""
    colours, low, high = look
    axes = sheet.axes(left, top, width, _BAR)
    strip = np.rint(255 * colours(np.linspace(0, 1, 512))[None, :, :3]).astype(np.uint8).repeat(8, 0)
    axes.imshow(strip, extent=(low, high, 0, 1), aspect="auto", interpolation="none")
    axes.set_yticks([])
    if low == -high:  # zero and the ends
        ticks = [(low, number(low), "left"), (0.0, "0", "center"), (high, number(high), "right")]
    else:
        ticks = [(value, words, "center") for value, words in _ticks(low, high, width)]
    axes.set_xticks([value for value, *_ in ticks], labels=[])
    for value, words, align in ticks:
        sheet.text(left + (value - low) / (high - low) * width, top + _BAR + 1.0, words, align=align)
    axes.tick_params(color=RULE)
    for spine in axes.spines.values():
        spine.set_linewidth(0.4)
        spine.set_color(RULE)
    if marked is None:
        return
    words = f"unrelated tokens {number(marked)}"
    at = min(max((marked - low) / (high - low), 0.0), 1.0) * width
    if low <= marked <= high:
        axes.plot([marked, marked], [0, 1.45], color="white", linewidth=1.6, clip_on=False, solid_capstyle="butt")
        axes.plot([marked, marked], [0, 1.45], color=INK, linewidth=0.7, clip_on=False, solid_capstyle="butt")
        axes.set(xlim=(low, high), ylim=(0, 1))
    half = text_width(words) / 2
    sheet.text(left + min(max(at, half), width - half), top - 2.75, words, align="center", color=INK)
