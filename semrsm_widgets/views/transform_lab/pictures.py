"""The pictures of a TransformLab: chosen, reduced to a size that can be moved about live, cut to what a model sees."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from semrsm_widgets.common import in_words_of, message
from semrsm_widgets.images import Images, Source, demo_images, load_images
from semrsm_widgets.tokens import Tokens

if TYPE_CHECKING:
    from semrsm_widgets.common import PixelBox

# Pictures are reduced to this many pixels on the shorter side: warping a photograph of a camera would take a second.
SHORT_SIDE = 640
# Side of what is shown, in pixels.
SHOWN = 448


def chosen(image: Any) -> Images:
    """Return the pictures to choose from."""
    if image is None:
        return photographs()
    if isinstance(image, Images):
        return image
    if isinstance(image, str | Path):
        path = Path(image)
        if not os.path.exists(path):
            raise ValueError(message("image", "a picture or folder that exists", image, "Check the path."))
        return _loaded(path if os.path.isdir(path) else [path])
    single = hasattr(image, "convert") or getattr(image, "ndim", 0) in (2, 3)
    return _loaded([image] if single else image)


def _loaded(source: Any) -> Images:
    with in_words_of({"`source`": "`image`"}):
        return load_images(source)


def photographs() -> Images:
    """Return the largest square of each bundled photograph."""
    crops = demo_images(crops=1)
    return replace(crops, ids=tuple(ident.partition("/")[0] for ident in crops.ids))


@dataclass(frozen=True, eq=False)
class ReducedSource(Source):
    """Another picture with at most `SHORT_SIDE` pixels on its shorter side."""

    whole: Source

    def image(self, draft: int | None = None) -> Image.Image:
        """Decode the whole and reduce it."""
        picture = self.whole.image(draft=SHORT_SIDE)
        scale = SHORT_SIDE / min(picture.size)
        if scale >= 1:
            return picture
        return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


def reduced(images: Images) -> Images:
    """Return the pictures reduced; ids are kept."""
    sources = tuple(ReducedSource(name, source) for name, source in zip(images.ids, images.sources, strict=True))
    return replace(images, sources=sources)


def joined(first: Tokens, second: Tokens) -> Tokens:
    """Return the tokens of two images as one set."""
    return replace(first, values=torch.cat([first.values, second.values]), prefix=None, has_class_token=False)


def crop_to_view(picture: Image.Image, box: PixelBox) -> Image.Image:
    """Return what the model sees of a picture, at the size in which it is shown; what the transform pads is black."""
    left, top, right, bottom = box
    scale = SHOWN / max(right - left, bottom - top)
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    affine = ((right - left) / size[0], 0.0, left, 0.0, (bottom - top) / size[1], top)
    return picture.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)
