"""The picture of a CompareView where no widget runs."""

from __future__ import annotations

from PIL import Image

from semrsm_widgets.views.compare.layer_map import PALETTES
from semrsm_widgets.views.compare.still import NEGATIVE, cell_colour


def test_the_picture_paints_the_cells_in_their_colours(view):
    picture = view.picture()
    colours = {colour for _, colour in picture.getcolors(2**24)}
    rgb = lambda text: Image.new("RGB", (1, 1), text).getpixel((0, 0))  # noqa: E731
    for value in view.comparison.table().ravel():
        assert rgb(cell_colour(float(value), PALETTES["map"])) in colours
    assert cell_colour(-1.0, PALETTES["map"]) == NEGATIVE
    assert len({cell_colour(value, PALETTES["map"]) for value in (-0.5, -0.01, 0.0, 0.01)}) == 4
    assert cell_colour(1.0, PALETTES["map"]) == PALETTES["map"][-1]
