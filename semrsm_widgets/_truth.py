"""Finding an output's layout by value: which reading turns it into a map that the model itself gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from semrsm_widgets._layouts import LARGEST_PREFIX, Layout

Key = TypeVar("Key")
CLOSE = 1e-4  # relative; the two come from one forward and mostly agree to the bit


def map_layouts(outputs: Mapping[Key, Tensor], maps: Any) -> dict[Key, Layout]:
    """Return for those outputs (1, L, C) that hold one of the maps (1, C, h, w), token by token, the layout to read it.

    Args:
        outputs: sequences of one image.
        maps: what a model gave as its feature maps of the same image; anything that is none is passed over.
    """
    known = [each[0] if isinstance(each, (tuple, list)) else each for each in _several(maps)]
    found: dict[Key, Layout] = {}
    for key, output in outputs.items():
        layouts = (_layout_of(output[0], each[0]) for each in known if isinstance(each, Tensor) and each.ndim == 4)
        layout = next((layout for layout in layouts if layout is not None), None)
        if layout is not None:
            found[key] = layout
    return found


def _several(maps: Any) -> Iterable[Any]:
    return maps if isinstance(maps, (list, tuple)) else ()


def _layout_of(tokens: Tensor, feature: Tensor) -> Layout | None:
    """Return the layout under which tokens (L, C) are the map (C, h, w), or None."""
    wanted = feature.flatten(1).T
    prefix = len(tokens) - len(wanted)
    if tokens.shape[1] != wanted.shape[1] or not 0 <= prefix <= LARGEST_PREFIX or len(wanted) < 2:
        return None
    grid = (int(feature.shape[1]), int(feature.shape[2]))
    rest = tokens[prefix:]
    scale = CLOSE * float(wanted.abs().max())
    if torch.allclose(rest, wanted, rtol=0, atol=scale):
        return Layout("NLC", prefix=prefix, grid=grid)
    # The same tokens in another order are found by sorting both along one random direction.
    direction = torch.randn(wanted.shape[1], generator=torch.Generator().manual_seed(0)).to(wanted)
    ours, theirs = torch.argsort(rest @ direction), torch.argsort(wanted @ direction)
    order = torch.empty_like(ours)
    order[theirs] = ours
    if torch.allclose(rest[order], wanted, rtol=0, atol=scale):
        return Layout("NLC", prefix=prefix, grid=grid, order=tuple(order.tolist()))
    return None
