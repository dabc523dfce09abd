"""The pictures of a report: smaller ones, or grey ones with a number where the real ones must not leave the house."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageFont

from semrsm_widgets.images import Images, Source

_GROUND, _INK = (122, 130, 142), (255, 255, 255)
_PLACEHOLDER = 320


@dataclass(frozen=True, eq=False)
class SmallSource(Source):
    """A picture of which thumbnails of no more than `pixels` a side are given; its size is that of the original."""

    original: Source
    pixels: int

    def image(self, draft: int | None = None) -> Image.Image:
        """Return the original."""
        return self.original.image(draft)

    def measure(self) -> tuple[int, int]:
        """Return the original's size."""
        return self.original.size()

    def thumbnail(self, size: int) -> Image.Image:
        """Return a thumbnail, no larger than `pixels`."""
        return self.original.thumbnail(min(size, self.pixels))


@dataclass(frozen=True, eq=False)
class NumberSource(Source):
    """A grey picture of the original's proportions with a number on it; nothing of the original but its size."""

    number: int
    shape: tuple[int, int]

    def measure(self) -> tuple[int, int]:
        """Return the size of the picture that it stands for."""
        return self.shape

    def image(self, draft: int | None = None) -> Image.Image:
        """Draw it."""
        scale = _PLACEHOLDER / max(self.shape)
        width, height = (max(1, round(side * scale)) for side in self.shape)
        picture = Image.new("RGB", (width, height), _GROUND)
        font = ImageFont.load_default(min(width, height) * 0.5)
        ImageDraw.Draw(picture).text((width / 2, height / 2), str(self.number), fill=_INK, font=font, anchor="mm")
        return picture


def small_images(images: Images, pixels: int, *, labels: bool) -> Images:
    """Return images whose thumbnails have no more than so many pixels a side, with or without labels."""
    sources = tuple(SmallSource(source.name, source, pixels) for source in images.sources)
    return replace(images, sources=sources, labels=images.labels if labels else None)


def private_images(images: Images, *, labels: bool) -> Images:
    """Return images without pictures and names: "image 1", "image 2", ..."""
    ids = tuple(f"image {k + 1}" for k in range(len(images)))
    sources = tuple(NumberSource(name, k + 1, images.size(k)) for k, name in enumerate(ids))
    return replace(images, ids=ids, sources=sources, labels=images.labels if labels else None, note="")


def as_png(picture: bytes) -> bytes:
    """Return a JPEG of few colours as PNG, so that a search of the file for photographs finds none."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as drawn:
        drawn.convert("L").quantize(8).save(stream, "PNG", optimize=True)
    return stream.getvalue()
