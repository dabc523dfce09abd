"""A picture as it was taken, and where on it the token grid lies; a tile where it cannot be read any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw

from semrsm_widgets.common import GridPlace
from semrsm_widgets.models import model_view, visible_box

if TYPE_CHECKING:
    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel

WHOLE: GridPlace = (0.0, 0.0, 1.0, 1.0)
"""The token grid covers the picture."""


class PlacedPicture(NamedTuple):
    """A picture, where the token grid lies on it, and the kind of error that left a tile in its place ("": none)."""

    picture: Image.Image
    place: GridPlace
    problem: str = ""


def placed_picture(images: Images, k: int, model: VisionModel | None, side: int) -> PlacedPicture:
    """Return picture k at no more than `side` pixels a side with its token grid's place, remembered.

    Where the transform is not understood it is what the model saw, rather than the grid at a wrong place. Where the
    file is gone or damaged it is a tile: its tokens are there all the same. The problem is the error's kind alone, as
    its text would name the file.
    """
    try:
        place = grid_place(model, images.size(k)) if model is not None else WHOLE
        if place is None:
            assert model is not None
            return PlacedPicture(model_view(model.transform, images.image(k)), WHOLE)
        return PlacedPicture(images.thumbnail(k, side), place)
    except (OSError, TypeError, ValueError) as error:
        return PlacedPicture(missing_picture(side), WHOLE, type(error).__name__)


def picture_place(images: Images, k: int, model: VisionModel | None) -> tuple[GridPlace, tuple[int, int]] | None:
    """Return where the token grid lies on picture k as it was taken, and its (width, height).

    None where the transform is not understood, or the file is gone or damaged.
    """
    try:
        size = images.size(k)
        place = grid_place(model, size) if model is not None else WHOLE
    except (OSError, TypeError, ValueError):
        return None
    return None if place is None else (place, size)


def printed_picture(images: Images, k: int, model: VisionModel | None, side: int) -> PlacedPicture:
    """Return the same for a figure: decoded anew, as it may be large, and with an error rather than a tile.

    Raises:
        OSError: its file is gone or damaged.
    """
    picture = images.image(k)
    place = grid_place(model, picture.size) if model is not None else WHOLE
    if place is None:
        assert model is not None
        picture, place = model_view(model.transform, picture), WHOLE
    picture.thumbnail((side, side))
    return PlacedPicture(picture, place)


def grid_place(model: VisionModel, size: tuple[int, int]) -> GridPlace | None:
    """Return where the token grid lies on a picture of (width, height); None where the transform is not understood."""
    box = visible_box(model.transform, size)
    if box is None:
        return None
    width, height = size
    left, top, right, bottom = box
    return left / width, top / height, right / width, bottom / height


def thumbnail(images: Images, k: int, size: int) -> Image.Image:
    """Return picture k at no more than `size` pixels a side; a crossed-out tile where it cannot be read any more.

    A file may be gone since its tokens were extracted: what was computed is still there to be seen.
    """
    try:
        return images.thumbnail(k, size)
    except (OSError, TypeError, ValueError):
        return missing_picture(size)


def missing_picture(size: int) -> Image.Image:
    """Return a grey tile with a cross."""
    tile = Image.new("RGB", (size, size), (208, 208, 208))
    draw = ImageDraw.Draw(tile)
    for start, end in (((0, 0), (size, size)), ((0, size), (size, 0))):
        draw.line((*start, *end), fill=(150, 150, 150), width=max(1, size // 48))
    return tile
