"""The bundled photographs, as overlapping crops."""

from __future__ import annotations

import random
from importlib.resources import files
from pathlib import Path

from semrsm_widgets.common import check_int, check_number, message

from .entries import Entry, images_of
from .image_set import Images
from .sources import FileSource

DEMO_NAMES = ("astronaut", "brick", "camera", "chelsea", "coffee", "hubble_deep_field", "retina", "rocket")
SMALLEST_CROP = 32  # pixels; below this a demo crop shows nothing


def demo_images(crops: int = 2, overlap: float = 0.5, seed: int = 0) -> Images:
    """Return overlapping square crops of eight photographs that ship with the package.

    The crops of one photograph show the same things at shifted places: alike when patches may be compared wherever
    they are, unlike when each is compared with the patch at its own place (Wald et al. 2024, figure 2). Ids are
    "astronaut/0", "astronaut/1", ...; the label is the photograph's name. Sources and licences are in CREDITS.md
    beside the files.

    Args:
        crops: crops of each photograph; each is shifted by the same step from the one before, and all have the
            largest side that fits.
        overlap: the share of its *area* that a crop has in common with the next one, in [0, 1), up to rounding to
            whole pixels.
        seed: decides the direction of the step (along or across, diagonal or not) and where the row of crops lies.

    Raises:
        ValueError: an argument is out of range, or so many crops so far apart would be under 32 pixels wide.

    Example:
        >>> demo_images(crops=3).ids[:4]
        ('astronaut/0', 'astronaut/1', 'astronaut/2', 'brick/0')
    """
    check_int("crops", crops, minimum=1)
    check_number("overlap", overlap, minimum=0)
    if overlap >= 1:
        raise ValueError(message("overlap", "below 1", overlap, "Crops that share everything are the same picture."))
    rng = random.Random(check_int("seed", seed, minimum=0))
    entries: list[Entry] = []
    for name in DEMO_NAMES:
        path = Path(str(files(__package__) / "data" / f"{name}.jpg"))
        width, height = FileSource(name, path).size()
        for k, box in enumerate(crop_boxes(width, height, crops, overlap, rng)):
            ident = f"{name}/{k}"
            entries.append(Entry(ident, FileSource(ident, path, box), frozenset({name})))
    return images_of(entries)


def crop_boxes(
    width: int, height: int, crops: int, overlap: float, rng: random.Random
) -> list[tuple[int, int, int, int]]:
    """Return `crops` square boxes in a row, each sharing `overlap` of its area with the next, as large as fits."""
    # In units of the side, a step (u, v) leaves (1 - u)(1 - v) in common.
    u = rng.uniform(0, 1 - overlap)
    v = 1 - overlap / (1 - u)
    if rng.random() < 0.5:
        u, v = v, u
    side = int(min(width / (1 + (crops - 1) * u), height / (1 + (crops - 1) * v)))
    if side < SMALLEST_CROP:
        todo = f"{crops} crops with overlap {overlap:g} do not fit into {width} x {height} pixels."
        raise ValueError(message("crops", "few enough to be seen", crops, todo))
    left, top = (rng.uniform(0, room - side * (1 + (crops - 1) * step)) for room, step in ((width, u), (height, v)))
    flip = rng.random() < 0.5
    boxes: list[tuple[int, int, int, int]] = []
    for k in range(crops):
        x = int(left + k * u * side)
        y = int(top + (crops - 1 - k if flip else k) * v * side)
        boxes.append((x, y, x + side, y + side))
    return boxes
