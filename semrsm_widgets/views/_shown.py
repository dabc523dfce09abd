"""What views show of an Analysis: checked arguments, and rows of plain values for the browser."""

from __future__ import annotations

from typing import Any

import traitlets as t
from PIL import Image, ImageDraw

from semrsm_widgets.analysis import Analysis
from semrsm_widgets.common import message
from semrsm_widgets.images import Images

# Longer jobs show what they will cost and wait for Start.
PATIENCE_SECONDS = 30.0


def checked_pair(analysis: Analysis, pair: Any) -> tuple[int, int]:
    """Return a pair of image indices, or raise TraitError in the house's form."""
    i, j = (int(k) for k in pair)
    last = len(analysis) - 1
    if not (0 <= i <= last and 0 <= j <= last):
        raise t.TraitError(message("pair", f"two image indices from 0 to {last}", f"{(i, j)}"))
    return i, j


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


def default_layer(analysis: Analysis) -> str:
    """Return the layer to show first: two thirds in, where position varies and patches still mean something."""
    names = [name for name in analysis.layers if (analysis.tokens[name].grid or (1, 1)) != (1, 1)] or analysis.layers
    return names[(2 * (len(names) - 1)) // 3]


def layer_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what the browser shows of each layer."""
    rows = []
    for name, tokens in analysis.tokens.items():
        _, count, channels = tokens.values.shape
        row = {"name": name, "tokens": count, "channels": channels, "grid": tokens.grid, "native": tokens.native_grid}
        prefix = 0 if tokens.prefix is None else tokens.prefix.shape[1]
        class_token = prefix > 0 and tokens.has_class_token
        rows.append({**row, "prefix": prefix, "class_token": class_token, "note": tokens.note})
    return rows


def image_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what the browser shows of each image."""
    labels = analysis.images.labels
    return [
        {"id": name, "labels": sorted(labels[k]) if labels is not None else []}
        for k, name in enumerate(analysis.images.ids)
    ]
