"""Pictures that stand in for a widget."""

from __future__ import annotations

import numpy as np

from semrsm_widgets.figures.palettes import MISSING, PALETTE
from semrsm_widgets.figures.still import heatmap_still


def test_the_heatmap_picture_paints_each_cell_in_its_colour():
    picture = heatmap_still({"x": (np.array([[0, 254], [MISSING, 0]], dtype=np.uint8), PALETTE)}, "title")
    colours = {picture.getpixel((x, y)) for x in range(24, 324) for y in range(60, 340)}
    assert tuple(int(PALETTE[0][k : k + 2], 16) for k in (1, 3, 5)) in colours
    assert tuple(int(PALETTE[254][k : k + 2], 16) for k in (1, 3, 5)) in colours
    assert (200, 200, 200) in colours
