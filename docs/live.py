"""The live pages of the site: stand-alone reports of the bundled model, made when the site is built.

`python docs/live.py FOLDER` makes them by themselves. One that is there already is made anew only where it is older
than the package.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

import semrsm_widgets as srsm

PACKAGE = Path(srsm.__file__).resolve().parent
SIDE = 256


def photographs() -> srsm.Analysis:
    """Two overlapping crops of each of eight photographs, at all default layers."""
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0)
    model = srsm.load_model()
    return srsm.Analysis(images, srsm.extract(model, images, max_grid=16), model=model)


def shifts() -> srsm.Analysis:
    """One photograph, moved to the right by 0 to 112 pixels; what leaves on the right comes back on the left."""
    photos = srsm.demo_images(crops=1)
    cat = np.asarray(photos.image(photos.ids.index("chelsea/0")).convert("RGB").resize((SIDE, SIDE)))
    steps = (0, 4, 8, 16, 24, 32, 64, 112)
    images = srsm.load_images([np.roll(cat, step, axis=1) for step in steps])
    return _seen(replace(images, ids=tuple(f"{step} px" for step in steps)), srsm.load_model())


def scenes() -> srsm.Analysis:
    """Pairs of photographs in two quarters of a picture, and their twins, in which both stand elsewhere."""
    photos = srsm.demo_images(crops=1)
    half = {name.split("/")[0]: photos.image(k).convert("RGB").resize((112, 112)) for k, name in enumerate(photos.ids)}
    rng = np.random.default_rng(0)
    pictures, labels, ids = [], [], []
    for names in list(combinations(sorted(half), 2))[::3]:
        places = rng.permutation(4)
        for word, corners in (("", places[:2]), (" (twin)", 3 - places[:2])):
            picture = Image.new("RGB", (SIDE, SIDE), "grey")
            for name, corner in zip(names, corners, strict=True):
                picture.paste(half[name], (16 + 112 * int(corner % 2), 16 + 112 * int(corner // 2)))
            pictures.append(picture)
            labels.append(set(names))
            ids.append(f"{names[0]} and {names[1]}{word}")
    return _seen(replace(srsm.load_images(pictures, labels), ids=tuple(ids)), srsm.load_model())


def untrained() -> srsm.Analysis:
    """The photographs again, seen by the same network before any training."""
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0)
    return _seen(images, srsm.load_model("efficientnet_lite0", pretrained=False))


def _seen(images: srsm.Images, model: srsm.VisionModel) -> srsm.Analysis:
    """Return the images as an early, a middle and a late layer see them."""
    tokens = srsm.extract(model, images, ["blocks.2", "blocks.4", "blocks.6"], max_grid=16)
    return srsm.Analysis(images, tokens, model=model)


def auction(page: Path) -> None:
    """Write the matching of two crops of a cup of coffee, 2 × 2 patches each, bid by bid."""
    images = srsm.demo_images(crops=2, overlap=0.5, seed=0)
    pair = (images.ids.index("coffee/0"), images.ids.index("coffee/1"))
    srsm.AuctionStepper(_seen(images, srsm.load_model()), layer="blocks.4", pair=pair, grid=2).to_html(page)


def _report(analysis: Callable[[], srsm.Analysis], pair: tuple[int, int]) -> Callable[[Path], object]:
    return lambda page: srsm.to_html(analysis(), page, layer="blocks.4", pair=pair)


PAGES: dict[str, Callable[[Path], object]] = {
    "photographs": _report(photographs, (0, 1)),
    "shifts": _report(shifts, (0, 3)),
    "scenes": _report(scenes, (0, 1)),
    "auction": auction,
    "untrained": _report(untrained, (0, 1)),
}
"""What writes each page; a report with the pair that it shows first."""


def make(folder: Path) -> None:
    """Write the live pages that are not there, or older than the package, into a folder that exists."""
    newest = max(path.stat().st_mtime for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("static/*"), Path(__file__)])
    for name, write in PAGES.items():
        page = folder / f"{name}.html"
        if not page.exists() or page.stat().st_mtime < newest:
            write(page)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
