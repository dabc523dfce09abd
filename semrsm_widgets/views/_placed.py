"""A picture as it was taken, and where on it the token grid lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semrsm_widgets.geometry import visible_box
from semrsm_widgets.models import model_view

if TYPE_CHECKING:
    from PIL import Image

    from semrsm_widgets.images import Images
    from semrsm_widgets.models import VisionModel

WHOLE = (0.0, 0.0, 1.0, 1.0)


def placed_picture(
    images: Images, k: int, model: VisionModel | None, side: int
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return picture k at no more than `side` pixels a side, and the token grid's box as fractions of its sides.

    Where the transform is not understood it is what the model saw, rather than the grid at a wrong place.
    """
    if model is None:
        return images.thumbnail(k, side), WHOLE
    width, height = images.size(k)
    box = visible_box(model.transform, (width, height))
    if box is None:
        return model_view(model.transform, images.image(k)), WHOLE
    left, top, right, bottom = box
    return images.thumbnail(k, side), (left / width, top / height, right / width, bottom / height)
