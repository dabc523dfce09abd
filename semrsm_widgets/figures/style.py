"""One look for all figures of results: transparent, in colours that hold on light and dark grounds."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

import numpy as np
from bokeh.models import CategoricalAxis
from bokeh.models.annotations import Title
from bokeh.plotting import figure

from semrsm_widgets.rsm import SIMILARITIES

# As in style.css; what is not among them takes the others in turn.
COLOURS = dict(zip(SIMILARITIES, ("#8d99ae", "#2a9d8f", "#e9a23b", "#b5739d"), strict=True))
OTHERS = ("#5b8ff9", "#d9694a", "#7f8c3a", "#9b7fd4", "#c2577f")
DASHES = {"aligned centred": "aligned", "semantic centred": "semantic"}
# Mid-greys have a contrast of at least 3.9 with both of Jupyter's grounds.
INK = "#7d7d7d"
RULE = "rgba(127, 127, 127, 0.28)"
HEIGHT = 320


def empty_figure(title: str, subtitle: str, **options: Any) -> figure:
    """Return an empty figure that holds on any ground."""
    settings: dict[str, Any] = {"width": 720, "height": HEIGHT, "tools": "pan,wheel_zoom,box_zoom,reset,save"}
    plot = figure(toolbar_location="right", **(settings | options))
    plot.toolbar.autohide = True
    plot.background_fill_color = plot.border_fill_color = None
    plot.outline_line_color = None
    plot.add_layout(Title(text=subtitle, text_color=INK, text_font_size="11px", text_font_style="normal"), "above")
    plot.add_layout(Title(text=title, text_color=INK, text_font_size="13px"), "above")
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = INK
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
        if isinstance(axis, CategoricalAxis):
            axis.group_text_color, axis.separator_line_color = INK, RULE
    plot.grid.grid_line_color = RULE
    plot.xgrid.visible = False
    return plot


def place_legend(plot: figure) -> None:
    """Put the legend beside the plot, in the colours of the rest; a click hides a similarity."""
    if not plot.legend:
        return
    legend = plot.legend[0]
    legend.click_policy = "hide"
    legend.background_fill_alpha = 0
    legend.border_line_color = None
    legend.label_text_color = INK
    legend.label_text_font_size = "11px"
    plot.add_layout(legend, "right")


def colour_of(name: str, names: Sequence[str]) -> str:
    """Return the colour of a similarity, or of the k-th other thing."""
    known = DASHES.get(name, name)
    if known in COLOURS:
        return COLOURS[known]
    others = [each for each in names if DASHES.get(each, each) not in COLOURS]
    return OTHERS[others.index(name) % len(OTHERS)]


def ink_on(value: float, palette: Sequence[str], low: float) -> str:
    """Return a colour of text that can be read on a cell of a palette that runs from `low` to 1."""
    if isnan(value):
        return INK
    share = (value - low) / (1 - low)
    fill = palette[int(np.clip(share * len(palette), 0, len(palette) - 1))]
    red, green, blue = (int(fill[k : k + 2], 16) for k in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else "#ffffff"
