"""Bokeh figures in our own widgets.

jupyter_bokeh needs a set-up line, saves megabytes into the notebook, shows stale state when displayed twice and tears
updates that come from two threads (jupyter_bokeh 4.1, Bokeh 3.9, JupyterLab 4.6). So a figure is embedded by BokehJS's
public API and its data are replaced from binary buffers; the same files serve every view that draws with Bokeh.
"""

from __future__ import annotations

import functools
from typing import Any

import bokeh
import numpy as np
import traitlets as t
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, Image, LinearColorMapper, Range1d
from bokeh.plotting import figure
from bokeh.resources import Resources

from semrsm_widgets.figures import MISSING

from .view import View
from .wire import Message


@functools.cache
def bokehjs() -> bytes:
    """Return BokehJS of the installed Bokeh: the core only, which is all that figures need."""
    resources = Resources(mode="inline", components=["bokeh"])
    return "\n".join(resources.js_raw).encode()


class BokehPane(View):
    """A view that draws with Bokeh: it hands BokehJS to the page when the page has none."""

    _bokeh_version = t.Unicode(bokeh.__version__).tag(sync=True)

    handlers = {"bokehjs": "_send_bokehjs"}  # noqa: RUF012 (never mutated)

    def _send_bokehjs(self, _content: dict[str, Any]) -> None:
        script = np.frombuffer(bokehjs(), dtype=np.uint8)
        self.post(Message.of("bokehjs", arrays={"script": script}))


@functools.cache
def heatmap_item(name: str, palette: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON item of a heatmap that fills its element: colour indices, first row on top.

    Axes, labels and colour bar are the view's own DOM, which follows Jupyter's theme; Bokeh draws the cells. There is
    one, which is empty, until the page has put the matrix in its place: so the item is the same for any number of
    images, and is made once (Bokeh takes 30 to 100 ms for it).
    """
    source = ColumnDataSource({"image": [np.full((1, 1), MISSING, dtype=np.uint8)], "dw": [1], "dh": [1]}, name=name)
    plot = figure(
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=0, end=1),
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_both",
        min_border=0,
        outline_line_color=None,
        background_fill_alpha=0,
        border_fill_alpha=0,
        output_backend="canvas",
    )
    plot.axis.visible = False
    plot.grid.visible = False
    mapper = LinearColorMapper(palette=list(palette), low=0, high=MISSING - 1, high_color="rgba(0,0,0,0)")
    glyph = Image(image="image", x=0, y=0, dw="dw", dh="dh", color_mapper=mapper, origin="top_left")
    plot.add_glyph(source, glyph)
    item: dict[str, Any] = json_item(plot)  # type: ignore[assignment]
    return item
