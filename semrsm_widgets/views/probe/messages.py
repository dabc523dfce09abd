"""What a view sends for a patch probe: how alike the patches of two images are, and places as small crops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import ImageDraw

from semrsm_widgets.tokens import cell_box
from semrsm_widgets.views.base import Message, jpeg_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis, PatchPlaces
    from semrsm_widgets.views.base import PlacedPicture

MOST_TOKENS = 1024
"""Up to so many tokens an image, the similarities of two images' patches go to the page: 6 MB at most."""

# A crop shows so many patches beside the one that is meant, and is so many pixels wide.
_MARGIN = 1.5
_SIDE = 72


class Crop(NamedTuple):
    """A place in a picture: its image's index, its token, and the JPEG of it and what is around it."""

    image: int
    token: int
    jpeg: bytes


def alike_message(analysis: Analysis, layer: str, pair: tuple[int, int]) -> Message:
    """Return the cosines of all patches of A and B with each other, or none where they are more than the page takes.

    Arrays "aa", "ab" and "bb", each (S, S) uint16: 0 stands for -1, 65535 for 1.
    """
    i, j = pair
    arrays: dict[str, NDArray[Any]] = {}
    if analysis.tokens[layer].values.shape[1] <= MOST_TOKENS:
        for name, (one, other) in {"aa": (i, i), "ab": (i, j), "bb": (j, j)}.items():
            cosines = analysis.token_cosines(layer, one, other)
            arrays[name] = np.rint((cosines + 1) * 32767.5).astype(np.uint16)
    return Message.of("alike", arrays=arrays, layer=layer, pair=pair, most=MOST_TOKENS)


def places_message(places: PatchPlaces, crops: list[Crop]) -> Message:
    """Return where the other images hold a patch best, best first."""
    return Message.of(
        "places",
        pictures={"pictures": [each.jpeg for each in crops]},
        layer=places.layer,
        image=places.image,
        token=places.token,
        images=places.images.tolist(),
        tokens=places.tokens.tolist(),
        cosine=places.cosine.tolist(),
        unrelated=places.unrelated,
    )


def along_message(about: dict[str, Any], layer: str, found: Crop | None, cosine: float) -> Message:
    """Return the partner of a patch at one layer; `about` says of which patch. None: it has no partner there."""
    return Message.of(
        "along",
        pictures={"pictures": [] if found is None else [found.jpeg]},
        **about,
        name=layer,
        partner=-1 if found is None else found.token,
        cosine=cosine,
    )


def crop(panel: PlacedPicture, image: int, token: int, grid: tuple[int, int]) -> Crop:
    """Return a place of a picture with what is around it, outlined."""
    picture, (left, top, right, bottom), _ = panel
    width, height = picture.size
    cell = cell_box(token, grid, (left * width, top * height, right * width, bottom * height))
    margin = _MARGIN * max(cell[2] - cell[0], cell[3] - cell[1])
    x, y = (cell[0] + cell[2]) / 2, (cell[1] + cell[3]) / 2
    half = min((cell[2] - cell[0]) / 2 + margin, width / 2, height / 2)
    x, y = min(max(x, half), width - half), min(max(y, half), height - half)
    scale = _SIDE / (2 * half)
    area = (x - half, y - half, x + half, y + half)
    tile = picture.convert("RGB").resize((_SIDE, _SIDE), box=area)
    inner = tuple((value - start) * scale for value, start in zip(cell, (x - half, y - half) * 2, strict=True))
    draw = ImageDraw.Draw(tile)
    for grow, colour in ((1, (0, 0, 0)), (0, (0, 229, 255))):
        draw.rectangle((inner[0] - grow, inner[1] - grow, inner[2] + grow, inner[3] + grow), outline=colour)
    return Crop(image, token, jpeg_bytes(tile))
