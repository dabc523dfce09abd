"""BokehJS comes from the kernel, and heatmaps as plain JSON."""

from __future__ import annotations

import json

from helpers.views import Sent, ask

from semrsm_widgets.figures.palettes import PALETTE
from semrsm_widgets.views.base.bokeh_pane import BokehPane, bokehjs, heatmap_item


def test_bokehjs_comes_when_asked(closing):
    pane = closing(BokehPane())
    sent = Sent(pane)
    ask(pane, kind="bokehjs")
    ((_, buffers),) = sent.of("bokehjs")
    assert buffers[0] == bokehjs()
    assert len(buffers[0]) > 500_000


def test_a_heatmap_item_is_plain_json():
    item = heatmap_item("aligned", PALETTE)
    assert "aligned" in json.dumps(item)
