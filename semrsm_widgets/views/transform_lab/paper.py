"""A TransformLab on paper: the picture, the moved one, its patches put back, and the three similarities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle

from semrsm_widgets.figures import COLOURS, layer_sentence, null_sentence, number
from semrsm_widgets.figures.sheet import (
    GAP,
    INK,
    LINE,
    MARGIN,
    QUIET,
    TITLE,
    Sheet,
    clipped,
    raster,
    text_width,
)
from semrsm_widgets.rsm import PATCH_SIMILARITIES, SIMILARITIES
from semrsm_widgets.views.pair import put_back

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.analysis import Analysis, Matches
    from semrsm_widgets.rsm import NullLevel

_GROUND = "#ececec"


def draw_lab(
    sheet: Sheet,
    analysis: Analysis,
    matches: Matches,
    pictures: tuple[Image.Image, Image.Image],
    *,
    setting: str,
    model: str,
    null: NullLevel,
) -> None:
    """Draw the original, the moved picture and its patches where their partners are, and the similarities as bars.

    Args:
        sheet: where; its caption gets the provenance.
        analysis: of the two pictures.
        matches: of the two at a layer.
        pictures: both, cut to what the model sees.
        setting: how the picture was moved, in words.
        model: what to cite of the model.
        null: what unrelated tokens reach.
    """
    panels = [("original", pictures[0]), ("moved", pictures[1])]
    if matches.grid is not None:
        whole = (0.0, 0.0, float(pictures[1].width), float(pictures[1].height))
        panels.append(("patches put back", put_back(matches, pictures[1], whole)))
    side = (sheet.room - 2 * GAP) / 3
    top, lowest = sheet.bottom + 1.4 * LINE, 0.0
    for k, (title, picture) in enumerate(panels):
        left = MARGIN + k * (side + GAP)
        high = side * picture.height / picture.width
        sheet.text(left, sheet.bottom, clipped(title, side, TITLE, bold=True), size=TITLE, bold=True)
        raster(sheet.picture(left, top, side, high), np.asarray(picture.convert("RGB")), (0, 0, side, high))
        lowest = max(lowest, high)
    sheet.bottom = top + lowest + 1.5
    titles = {name: SIMILARITIES[name].title for name in PATCH_SIMILARITIES}
    names = max(text_width(title) for title in titles.values()) + 1.5
    for name, title in titles.items():
        value = float(getattr(matches, name))
        width = sheet.room - names - text_width("−0.00") - 1.5
        sheet.text(MARGIN, sheet.bottom, title)
        axes = sheet.picture(MARGIN + names, sheet.bottom + 0.2, width, LINE - 0.6)
        axes.add_patch(Rectangle((0, 0), width, LINE, facecolor=_GROUND))
        hatch = "////" if value < 0 else None
        axes.add_patch(Rectangle((0, 0), width * min(1.0, abs(value)), LINE, facecolor=COLOURS[name], hatch=hatch))
        if name == "semantic":
            axes.plot([width * null.mean] * 2, [-0.4, LINE], color=INK, linewidth=0.8, clip_on=False)
        sheet.text(sheet.width - MARGIN, sheet.bottom, number(value), align="right", color=INK)
        sheet.bottom += LINE + 0.5
    sheet.text(MARGIN, sheet.bottom, "Line: what unrelated tokens reach under their best match.", color=QUIET)
    sheet.bottom += LINE
    sheet.say(f"{analysis.images.ids[0]}: {setting}.")
    sheet.say(layer_sentence(analysis, matches.layer))
    sheet.cite(null_sentence(null, number(null.mean), "cosine"))
    sheet.cite(model)
