"""The canvas of the PNG that stands in for a widget where none runs: GitHub, nbconvert, a reopened notebook."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANEL_SIDE = 300
_GAP = 24
WARN = "#b35900"
_TEXT = 22


def still_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font: the same on every machine."""
    return ImageFont.load_default(size)


def _canvas(columns: int, height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return a white picture with a title and room for `columns` panels under captions."""
    picture = Image.new("RGB", (columns * (PANEL_SIDE + _GAP) + _GAP, height + 3 * _TEXT), "white")
    draw = ImageDraw.Draw(picture, "RGBA")  # what is faint is mixed with what it covers
    draw.text((_GAP, 6), title, fill="black", font=still_font(14))
    return picture, draw


def heatmap_still(panels: Mapping[str, tuple[NDArray[np.uint8], Sequence[str]]], title: str) -> Image.Image:
    """Return heatmaps side by side under their names.

    Args:
        panels: name -> (N, N) colour indices and their colours as "#rrggbb"; an index past their end is drawn grey.
        title: one line above.
    """
    picture, draw = _canvas(len(panels), PANEL_SIDE, title)
    for column, (name, (matrix, palette)) in enumerate(panels.items()):
        colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in palette], dtype=np.uint8)
        colours = np.vstack([colours, np.full((256 - len(colours), 3), 200, dtype=np.uint8)])
        left = _GAP + column * (PANEL_SIDE + _GAP)
        draw.text((left, _TEXT + 6), name, fill="black", font=still_font(13))
        panel = Image.fromarray(colours[matrix]).resize((PANEL_SIDE, PANEL_SIDE), Image.Resampling.NEAREST)
        picture.paste(panel, (left, 2 * _TEXT + 8))
    return picture


def panels_in_a_row(panels: Mapping[str, Image.Image], title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Return panels side by side under their captions."""
    picture, draw = _canvas(len(panels), max(panel.height for panel in panels.values()), title)
    for column, (caption, panel) in enumerate(panels.items()):
        left = _GAP + column * (PANEL_SIDE + _GAP)
        draw.text((left, _TEXT + 6), caption, fill="black", font=still_font(13))
        picture.paste(panel, (left, 2 * _TEXT + 8))
    return picture, draw


def outline_patch(
    draw: ImageDraw.ImageDraw,
    column: int,
    box: Sequence[float],
    colour: tuple[int, int, int] | str,
    words: str,
    *,
    dashed: bool = False,
    opacity: float = 1.0,
) -> None:
    """Outline a patch of a panel, with a word in it; `opacity` from 0 to 1."""
    ink, tint, light = (_with_alpha(each, opacity) for each in ("black", colour, "white"))
    left, top = _GAP + column * (PANEL_SIDE + _GAP), 2 * _TEXT + 8
    x0, y0, x1, y1 = (left + box[0], top + box[1], left + box[2], top + box[3])
    if dashed:
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        for (ax, ay), (bx, by) in itertools.pairwise(corners):
            for a, b in ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)):
                ends = (ax + a * (bx - ax), ay + a * (by - ay), ax + b * (bx - ax), ay + b * (by - ay))
                draw.line(ends, fill=ink, width=3)
                draw.line(ends, fill=tint, width=1)
    else:
        draw.rectangle((x0, y0, x1, y1), outline=ink, width=4)
        draw.rectangle((x0 + 1, y0 + 1, x1 - 1, y1 - 1), outline=tint, width=2)
    if words:
        place = ((x0 + x1) / 2, (y0 + y1) / 2)
        draw.text(place, words, fill=light, font=still_font(12), anchor="mm", stroke_width=2, stroke_fill=ink)


def _with_alpha(colour: tuple[int, int, int] | str, opacity: float) -> tuple[int, int, int, int]:
    red, green, blue = ImageColor.getrgb(colour)[:3] if isinstance(colour, str) else colour
    return red, green, blue, round(255 * opacity)


def title_still(words: str, badge: str) -> Image.Image:
    """Return a line of words as a picture, with a badge beside it: what is to be known first."""
    font = still_font(17)
    end = _GAP + round(font.getlength(words))
    room = round(still_font(13).getlength(badge)) + 44 if badge else 0
    picture = Image.new("RGB", (end + room + _GAP, 34), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_GAP, 17), words, fill="black", font=font, anchor="lm")
    if badge:
        draw.rounded_rectangle((end + 12, 7, end + room - 8, 28), radius=10, outline=WARN)
        draw.text((end + 22, 17), badge, fill=WARN, font=still_font(13), anchor="lm")
    return picture


def stacked(pictures: Sequence[Image.Image]) -> Image.Image | None:
    """Return pictures one below the other on white; None for none."""
    if not pictures:
        return None
    width, height = max(each.width for each in pictures), sum(each.height for each in pictures)
    stacked = Image.new("RGB", (width, height), "white")
    top = 0
    for each in pictures:
        stacked.paste(each, (0, top))
        top += each.height
    return stacked


def fitted_panel(picture: Image.Image, box: Sequence[float]) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return a picture of the panel's width, and its token grid's box in that picture's pixels."""
    panel = picture.convert("RGB").resize((PANEL_SIDE, max(1, round(PANEL_SIDE * picture.height / picture.width))))
    left, top, right, bottom = box
    return panel, (left * panel.width, top * panel.height, right * panel.width, bottom * panel.height)
