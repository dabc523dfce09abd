"""What a report says of itself: what it holds, what was reduced, and where its numbers come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from semrsm_widgets.common import __version__

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis

_PACKAGES = ("numpy", "scipy", "torch", "bokeh", "anywidget")


def held_words(images: int, count: int, neighbours: int, whole: int | None) -> str:
    """Return which pairs a report holds.

    Args:
        images: how many there are.
        count: of the pairs.
        neighbours: how many nearest of each image were wanted; 0: the pair shown first alone.
        whole: up to which rank there is every pair; None: all that were wanted are there.
    """
    every = images * (images - 1) // 2
    where = "at every layer, by aligned, semantic or pooled cosine"
    if count == every:
        return f"all {every:,} pairs"
    if neighbours == 0:
        return f"{count} of {every:,} pairs: the one shown first"
    if whole == 0:
        return f"{count:,} of {every:,} pairs, the nearest ones {where}"
    rank = neighbours if whole is None else whole
    held = f"{count:,} of {every:,} pairs: each image’s {f'{rank} nearest' if rank > 1 else 'nearest'} {where}"
    return held if whole is None else f"{held}, and some further ones of the {neighbours} nearest"


def pooled_words(layers: Sequence[str], analysis: Analysis, pooled: Analysis) -> str:
    """Return what was pooled for the patches."""
    old, new = (sorted({each.tokens[name].grid or (0, 0) for name in layers}) for each in (analysis, pooled))
    shapes = [_listed([f"{h}×{w}" for h, w in grids]) for grids in (old, new)]
    return (
        f"Patches at {_listed(layers)} are pooled from {shapes[0]} to {shapes[1]}: their numbers are of the pooled "
        "tokens and differ from those of the heatmaps. max_grid=None keeps the grids."
    )


def embedded_words(count: int, *, images: bool, labels: bool) -> str:
    """Return what of the images is in the file."""
    if images:
        return f"This file holds pictures, names{' and labels' if labels else ''} of the {count} images."
    if labels:
        return f"This file holds labels, but neither pictures nor file names of the {count} images."
    return f"This file holds neither pictures nor file names nor labels of the {count} images."


def origin_words(analysis: Analysis) -> str:
    """Return where the numbers come from, in short."""
    layers = analysis.layers
    what = "Tokens" if analysis.model is None else analysis.model.name
    names = f"layers {layers[0]} to {layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
    return f"{what}, {names}; semrsm_widgets {__version__}, torch {version('torch')}. All versions: at the end."


def provenance_words(analysis: Analysis) -> dict[str, str]:
    """Return what others need to repeat the numbers, as text; nothing of the images."""
    card: dict[str, Any] = {key: value for key, value in analysis.provenance.items() if key != "images"}
    card["matcher"] = repr(analysis.matcher)
    card["layers"] = "; ".join(repr(tokens) for tokens in analysis.tokens.values())
    card["versions"] = ", ".join([f"semrsm_widgets {__version__}", *(f"{name} {version(name)}" for name in _PACKAGES)])
    return {name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in card.items()}


def counted(n: int, thing: str) -> str:
    """Return a number of things."""
    return f"{n} {thing}{'s' * (n != 1)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
