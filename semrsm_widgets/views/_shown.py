"""What views show of an Analysis: checked arguments, and rows of plain values for the browser."""

from __future__ import annotations

from typing import Any

import traitlets as t

from semrsm_widgets._check import describe
from semrsm_widgets.analysis import Analysis


def check_analysis(analysis: Any) -> Analysis:
    """Return the analysis, or raise TypeError telling how to make one."""
    if isinstance(analysis, Analysis):
        return analysis
    raise TypeError(
        f"`analysis` must be an Analysis; got {describe(analysis)}. "
        "Make one with Analysis(images, extract(model, images), model=model), or call explore(...)."
    )


def checked_pair(analysis: Analysis, pair: Any) -> tuple[int, int]:
    """Return a pair of image indices, or raise TraitError in the house's form."""
    i, j = (int(k) for k in pair)
    size = len(analysis)
    if not (0 <= i < size and 0 <= j < size):
        raise t.TraitError(f"`pair` must be two image indices from 0 to {size - 1}; got {(i, j)}.")
    return i, j


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
        rows.append({**row, "prefix": 0 if tokens.prefix is None else tokens.prefix.shape[1], "note": tokens.note})
    return rows


def image_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return what the browser shows of each image."""
    labels = analysis.images.labels
    return [
        {"id": name, "labels": sorted(labels[k]) if labels is not None else []}
        for k, name in enumerate(analysis.images.ids)
    ]
