"""A picture from outside the set: decoded as the set's own are, and seen by the model as they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from semrsm_widgets.common import message, printable
from semrsm_widgets.extraction import extract
from semrsm_widgets.images import SUFFIXES, FileSource, Images, MemorySource, Scale, label_set, open_images

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.models import VisionModel
    from semrsm_widgets.tokens import Tokens


@dataclass(eq=False, kw_only=True)
class OutsidePicture:
    """One picture that is not in the set.

    Attributes:
        images: the picture alone.
        tokens: layer -> its Tokens, once the model has seen it; None before.
    """

    images: Images
    tokens: dict[str, Tokens] | None = field(default=None)

    @property
    def name(self) -> str:
        """What the picture is called on screen."""
        return self.images.ids[0]

    @property
    def labels(self) -> frozenset[str]:
        """What it shows; empty if that was not said."""
        return frozenset() if self.images.labels is None else self.images.labels[0]


def needed_model(analysis: Analysis) -> VisionModel:
    """Return the model of an analysis, which must see a picture from outside.

    Raises:
        ValueError: it was made without.
    """
    if analysis.model is None:
        todo = "Only the model can say what it sees in another picture: Analysis(images, tokens, model=model)."
        raise ValueError(
            message("analysis", "made with its model, to search with a picture from outside", "none", todo)
        )
    return analysis.model


def opened(source: Any, labels: Any = None, *, scale: Scale | None = None) -> OutsidePicture:
    """Return a picture, decoded now: a path, a PIL image, an array or a tensor, as for `load_images`.

    Args:
        source: the picture.
        labels: what it shows.
        scale: of the set, which holds for this picture, too, if it has more than 8 bits.

    Raises:
        FileNotFoundError, OSError: its file is not there, or cannot be read.
        TypeError, ValueError: it is no picture.
    """
    images, _ = open_images([source], None if labels is None else [labels], scale=scale)
    return _in_memory(images.ids[0] if isinstance(source, str | Path) else "your picture", images.image(0), labels)


def opened_file(name: str, content: bytes, *, scale: Scale | None = None) -> OutsidePicture:
    """Return the picture in a file that was chosen on screen.

    Args:
        name: what it is called there.
        content: of the file.
        scale: of the set.

    Raises:
        OSError: it cannot be read; the text names it.
    """
    suffix = Path(name).suffix.lower()
    with TemporaryDirectory() as folder:
        # Some formats are known by their suffix alone.
        path = Path(folder) / f"picture{suffix if suffix in SUFFIXES else ''}"
        path.write_bytes(content)
        name = printable(name)
        return _in_memory(name, FileSource(name, path, scale=scale).image(), None)


def _in_memory(name: str, picture: Image.Image, labels: Any) -> OutsidePicture:
    names = None if labels is None else (label_set(labels),)
    return OutsidePicture(images=Images(ids=(name,), sources=(MemorySource(name, picture),), labels=names))


def beside(analysis: Analysis, picture: OutsidePicture, index: int) -> Analysis:
    """Return an Analysis of two images: a picture from outside, which the model has seen, and one of the set."""
    seen = picture.tokens
    assert seen is not None
    own, name = analysis.images.select([index]), picture.name
    if name == own.ids[0]:
        name = f"{name} (from outside)"
    labels = None if own.labels is None and not picture.labels else (picture.labels, *(own.labels or (frozenset(),)))
    images = Images(ids=(name, *own.ids), sources=(*picture.images.sources, *own.sources), labels=labels)
    tokens = {}
    for layer, of_set in analysis.tokens.items():
        one = of_set.select([index])
        prefix = None
        if one.prefix is not None and seen[layer].prefix is not None:
            prefix = torch.cat([seen[layer].prefix.to(one.prefix), one.prefix])  # type: ignore[union-attr]
        values = torch.cat([seen[layer].values.to(one.values), one.values])
        tokens[layer] = replace(one, values=values, prefix=prefix)
    return type(analysis)(images, tokens, model=analysis.model, matcher=analysis.matcher)


def extract_outside(
    analysis: Analysis, picture: OutsidePicture, progress: Callable[[int, int], None] | None = None
) -> dict[str, Tokens]:
    """Return the tokens of a picture at every layer of an analysis, pooled as those are.

    Raises:
        ValueError: no model, or its tokens do not compare with those of the analysis.
    """
    model = needed_model(analysis)
    layers_by_side: dict[int | None, list[str]] = defaultdict(list)
    for name, tokens in analysis.tokens.items():
        is_pooled = tokens.grid is not None and tokens.grid != tokens.native_grid
        layers_by_side[max(tokens.grid) if is_pooled and tokens.grid else None].append(name)
    found: dict[str, Tokens] = {}
    for side, names in layers_by_side.items():
        found |= extract(model, picture.images, layers=names, max_grid=side, workers=0, progress=progress)
    for name, tokens in analysis.tokens.items():
        if found[name].values.shape[1:] != tokens.values.shape[1:]:
            shapes = [" × ".join(map(str, each.values.shape[1:])) for each in (tokens, found[name])]
            todo = "Was this model, with this transform and layout, used for the images?"
            raise ValueError(message("picture", f"seen as {shapes[0]} tokens at {name!r}", shapes[1], todo))
    return {
        name: replace(found[name], values=found[name].values.to(tokens.values.device))
        for name, tokens in analysis.tokens.items()
    }
