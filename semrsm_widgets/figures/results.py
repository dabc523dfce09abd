"""Bokeh figures of results: every point with its interval, its n and what chance reaches.

They are transparent and drawn in colours that hold on light and dark grounds, so a notebook's theme shows through. Use
Bokeh's own `show`, `save` or `components`, or put them into a layout of your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan
from typing import Any

import numpy as np
from bokeh.layouts import row
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    FactorRange,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Row,
)
from bokeh.models.annotations import ColorBar, Label, Span, TeeHead, Whisker
from bokeh.palettes import Cividis256, PuOr11
from bokeh.plotting import figure

from semrsm_widgets.common import check_choice, message
from semrsm_widgets.experiments import Comparison, MatcherReport, Score, Scores

from .style import DASHES, INK, colour_of, empty_figure, ink_on, place_legend

# Between the points of two similarities, in parts of a layer's width.
DODGE = 0.11


def scores_figure(scores: Scores, measure: str | None = None, *, kernel: str | None = None) -> figure:
    """Return a figure of one measure by layer (of a translation test: by layer and overlap), a colour a similarity.

    Whiskers are 95 % intervals over images; grey dashes are what chance reaches.

    Args:
        scores: from `retrieval_scores`, `output_agreement` or `translation_test`.
        measure: one of `scores.measures`; None takes the first.
        kernel: the name of one kernel; None takes the first.

    Raises:
        ValueError: there is no such measure or kernel.

    Example:
        >>> from bokeh.io import output_notebook, show
        >>> show(scores_figure(retrieval_scores(analysis), "mAP"))
    """
    if not isinstance(scores, Scores):
        raise TypeError(message("scores", "Scores", scores, "Make them with retrieval_scores(analysis)."))
    measure = scores.measures[0] if measure is None else measure
    rows = list(scores.of(measure))
    kernels = list(dict.fromkeys(each.kernel for each in rows if each.layer))
    if kernels:
        kernel = kernels[0] if kernel is None else check_choice("kernel", kernel, kernels)
        rows = [each for each in rows if each.kernel == kernel or not each.layer]
    factors = list(dict.fromkeys(_factor(each) for each in rows))
    most = max(each.n for each in rows)
    plot = empty_figure(
        f"{scores.question} {measure}",
        f"{f'{kernel}, ' if kernel else ''}n = {most} images, 95 % intervals",
        x_range=FactorRange(factors=factors, range_padding=0.05, group_padding=0.8),
        y_range=_span_of(rows),
        y_axis_label=measure,
    )
    names = list(dict.fromkeys(each.similarity for each in rows))
    for place, name in enumerate(names):
        own = [each for each in rows if each.similarity == name and isfinite(each.value)]
        if own:
            _points(plot, name, own, DODGE * (place - (len(names) - 1) / 2), colour_of(name, names))
    _chance(plot, rows)
    _mark_undefined(plot, rows)
    place_legend(plot)
    return plot


def comparison_figure(comparison: Comparison, similarity: str = "semantic") -> figure:
    """Return a heatmap of layers against layers, with intervals; p-values and reasons are under the pointer.

    Args:
        comparison: from `compare`.
        similarity: which of its RSMs.

    Raises:
        ValueError: the comparison has no such similarity.
    """
    if not isinstance(comparison, Comparison):
        raise TypeError(message("comparison", "a Comparison", comparison, "Make it with compare(a, b)."))
    table = comparison.table(similarity)
    rows = [each for each in comparison.rows if each.similarity == similarity]
    signed = bool(np.nanmin(table, initial=0) < 0)
    palette = tuple(reversed(PuOr11)) if signed else Cividis256
    low = -1.0 if signed else 0.0
    mapper = LinearColorMapper(palette=palette, low=low, high=1, nan_color="rgba(127, 127, 127, 0.15)")
    plot = empty_figure(
        f"{rows[0].statistic} of {similarity} RSMs",
        f"{rows[0].kernel}, n = {rows[0].n} images, 95 % intervals",
        x_range=FactorRange(factors=list(comparison.layers_b)),
        y_range=FactorRange(factors=list(reversed(comparison.layers_a))),
        width=180 + 72 * len(comparison.layers_b),
        height=120 + 42 * len(comparison.layers_a),
    )
    columns = {name: [getattr(each, name) for each in rows] for name in ("layer_a", "layer_b", "value", "reason")}
    columns["p_value"] = ["" if isnan(each.p_value) else f"{each.p_value:.3g}" for each in rows]
    columns["interval"] = [_interval_words(each) for each in rows]
    columns["ends"] = [f"{each.low:.2f}, {each.high:.2f}" if isfinite(each.low) else "" for each in rows]
    columns["text"] = ["n/a" if isnan(each.value) else f"{each.value:.2f}" for each in rows]
    columns["ink"] = [ink_on(each.value, palette, low) for each in rows]
    source = ColumnDataSource(columns)
    fill: Any = {"field": "value", "transform": mapper}
    cells = plot.rect("layer_b", "layer_a", 0.98, 0.98, source=source, line_color=None, fill_color=fill)
    words: dict[str, Any] = {"text_color": "ink", "text_align": "center", "text_baseline": "middle", "source": source}
    plot.text("layer_b", "layer_a", text="text", text_font_size="11px", y_offset=-6, **words)
    plot.text("layer_b", "layer_a", text="ends", text_font_size="9px", y_offset=8, **words)
    tips = [("layers", "@layer_a, @layer_b"), ("value", "@interval"), ("p", "@p_value"), ("why", "@reason")]
    plot.add_tools(HoverTool(renderers=[cells], tooltips=tips))
    bar = ColorBar(color_mapper=mapper, ticker=BasicTicker(desired_num_ticks=5), background_fill_alpha=0, width=10)
    bar.major_label_text_color = INK
    bar.border_line_color = bar.major_tick_line_color = None
    plot.add_layout(bar, "right")
    plot.grid.visible = False
    plot.xaxis.major_label_orientation = 0.7
    return plot


def matchers_figure(report: MatcherReport) -> Row:
    """Return two figures of matchers: error against time per pair, and the rank agreement of their RSMs.

    Args:
        report: from `matcher_report`.
    """
    if not isinstance(report, MatcherReport):
        raise TypeError(message("report", "a MatcherReport", report, "Make it with matcher_report(tokens, matchers)."))
    rows = report.rows
    names = [each.matcher for each in rows]
    columns: dict[str, Sequence[Any]] = {
        "matcher": names,
        "colour": [colour_of(name, names) for name in names],
        # A logarithmic axis has no 0; an exact matcher stands at the float32 rounding.
        "error": [max(each.true_error, 1e-9) for each in rows],
        "worst": [max(each.worst_error, 1e-9) for each in rows],
        "ms": [1e3 * each.seconds for each in rows],
        "ratio": [f"{each.ratio:.4f}" for each in rows],
        "certified": ["none" if np.isinf(each.certified_error) else f"{each.certified_error:.2g}" for each in rows],
        "value": [each.rank_agreement for each in rows],
        "low": [each.low for each in rows],
        "high": [each.high for each in rows],
    }
    source = ColumnDataSource(columns)
    times = columns["ms"]
    cost = empty_figure(
        "True error against time",
        f"{report.tokens}, n = {rows[0].pairs:,} pairs: mean and worst",
        x_axis_type="log",
        y_axis_type="log",
        x_range=Range1d(start=min(times) / 2, end=max(times) * 12),
        x_axis_label="ms a pair",
        y_axis_label="cosine",
        width=470,
    )
    cost.segment("ms", "error", "ms", "worst", source=source, color="colour", line_width=1.5)
    dots = cost.scatter("ms", "error", source=source, size=9, color="colour")
    cost.text("ms", "error", text="matcher", source=source, text_color="colour", x_offset=8, text_font_size="11px")
    tips = [("", "@matcher"), ("ratio to the optimum", "@ratio"), ("certified error", "@certified"), ("ms", "@ms")]
    cost.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    ranks = empty_figure(
        "Rank agreement with the optimum",
        f"Spearman, n = {rows[0].n} images, 95 % intervals",
        y_range=FactorRange(factors=list(reversed(names))),
        x_axis_label="Spearman correlation",
        width=470,
    )
    bars = ranks.hbar(y="matcher", left="low", right="high", height=0.12, source=source, color="colour", alpha=0.7)
    ranks.scatter("value", "matcher", source=source, size=9, color="colour")
    tips = [("", "@matcher"), ("", "@value{0.0000} [@low{0.0000}, @high{0.0000}]")]
    ranks.add_tools(HoverTool(renderers=[bars], tooltips=tips))
    return row(cost, ranks)


def _points(plot: figure, name: str, rows: list[Score], shift: float, colour: str) -> None:
    """Draw one similarity: its values, their intervals, and a line along each group of layers."""
    places: list[Any] = [(*_tuple(_factor(each)), shift) for each in rows]
    bounded = [isfinite(each.low) and isfinite(each.high) for each in rows]
    source = ColumnDataSource(
        {
            "place": places,
            "value": [each.value for each in rows],
            "low": [each.low if ok else each.value for each, ok in zip(rows, bounded, strict=True)],
            "high": [each.high if ok else each.value for each, ok in zip(rows, bounded, strict=True)],
            "words": [_interval_words(each) for each in rows],
            "chance": ["" if isnan(each.chance) else f"{each.chance:.3f}" for each in rows],
            "layer": [each.layer or "own" for each in rows],
            "n": [each.n for each in rows],
        }
    )
    dash = "dashed" if name in DASHES else "solid"
    for group in dict.fromkeys(each.overlap if isfinite(each.overlap) else None for each in rows):
        own = [k for k, each in enumerate(rows) if each.overlap == group or group is None]
        values = [rows[k].value for k in own]
        plot.line([places[k] for k in own], values, color=colour, alpha=0.55, line_dash=dash, legend_label=name)
    whisker = Whisker(
        base="place",
        lower="low",
        upper="high",
        source=source,
        line_color=colour,
        line_width=1.6,
        lower_head=TeeHead(size=5, line_color=colour),
        upper_head=TeeHead(size=5, line_color=colour),
    )
    plot.add_layout(whisker)
    dots = plot.scatter("place", "value", source=source, size=7, color=colour, legend_label=name)
    if name in DASHES:
        dots.glyph.fill_alpha = 0
    tips = [("", f"{name}, @layer"), ("", "@words"), ("chance", "@chance"), ("n", "@n")]
    plot.add_tools(HoverTool(renderers=[dots], tooltips=tips))


def _chance(plot: figure, rows: list[Score]) -> None:
    """Draw what chance reaches: one line where it is the same everywhere, else a dash for each similarity and layer."""
    levels = {each.chance for each in rows if isfinite(each.chance)}
    if len(levels) == 1:
        level = levels.pop()
        plot.add_layout(Span(location=level, dimension="width", line_color=INK, line_dash="dashed", line_width=1))
        plot.add_layout(_note(f"chance {level:.2g}", level))
        return
    known = {(_factor(each), each.chance) for each in rows if isfinite(each.chance)}
    if known:
        places, values = zip(*known, strict=True)
        marks: dict[str, Any] = {"marker": "dash", "size": 26, "line_width": 2, "legend_label": "unrelated"}
        plot.scatter(list(places), list(values), color=INK, **marks)


def _note(text: str, level: float) -> Label:
    return Label(x=4, x_units="screen", y=level, text=text, text_color=INK, text_font_size="11px", y_offset=2)


def _mark_undefined(plot: figure, rows: list[Score]) -> None:
    """Say how many values are undefined, and why the first one is."""
    lost = [each for each in rows if isnan(each.value)]
    if lost:
        text = f"{len(lost)} undefined: {lost[0].similarity}, {lost[0].layer}: {lost[0].reason[:90]}"
        note = Label(x=4, y=4, x_units="screen", y_units="screen", text=text, text_color=INK, text_font_size="11px")
        plot.add_layout(note)


def _span_of(rows: list[Score]) -> Range1d:
    """Return a range that holds every value, its interval and its chance."""
    ends = [end for each in rows for end in (each.value, each.low, each.high, each.chance) if isfinite(end)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = 0.06 * (high - low or 1)
    return Range1d(start=low - room, end=high + room)


def _factor(each: Score) -> Any:
    """Return where a score stands on the axis: its layer, in its overlap where there are several."""
    layer = each.layer or "own"
    return (f"overlap {each.overlap:g}", layer) if isfinite(each.overlap) else layer


def _tuple(factor: Any) -> tuple[str, ...]:
    return factor if isinstance(factor, tuple) else (factor,)


def _interval_words(each: Any) -> str:
    """Return "0.93 [0.80, 1.00]", or the value alone where it has no interval."""
    if isnan(each.value):
        return "undefined"
    return f"{each.value:.3f}" + (f" [{each.low:.3f}, {each.high:.3f}]" if isfinite(each.low) else " (no interval)")
