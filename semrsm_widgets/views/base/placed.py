"""A picture as it was taken, and where on it the token grid lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw

from semrsm_widgets.images import Images
from semrsm_widgets.models import model_view, visible_box

if TYPE_CHECKING:
    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel

_WHOLE = (0.0, 0.0, 1.0, 1.0)


class PlacedPicture(NamedTuple):
    """A picture, where the token grid lies on it as fractions of its sides, and why it is grey ("" if it is not)."""

    picture: Image.Image
    box: tuple[float, float, float, float]
    problem: str


def placed_picture(images: Images, k: int, model: VisionModel | None, side: int) -> PlacedPicture:
    """Return picture k at no more than `side` pixels a side with its token grid's place.

    Where the transform is not understood it is what the model saw, rather than the grid at a wrong place; where the
    file cannot be read it is grey: its tokens are there all the same.
    """
    try:
        return PlacedPicture(*_placed(images, k, model, side), problem="")
    except (OSError, ValueError) as error:
        return PlacedPicture(Image.new("RGB", (side, side), "#808080"), _WHOLE, str(error))


def _placed(
    images: Images, k: int, model: VisionModel | None, side: int
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    if model is None:
        return images.thumbnail(k, side), _WHOLE
    width, height = images.size(k)
    box = visible_box(model.transform, (width, height))
    if box is None:
        return model_view(model.transform, images.image(k)), _WHOLE
    left, top, right, bottom = box
    return images.thumbnail(k, side), (left / width, top / height, right / width, bottom / height)


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
