"""What the shape of an output, and what the model declares, say of its layout.

The shape alone settles most outputs: a map with the image's proportions, a vector for each image. What it leaves open
(any sequence of tokens) it lists as candidates, for the probe to decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from semrsm_widgets.common import Grid

from .hooks import Output, Setting
from .layout import Layout

PREFIXES = (0, 1, 2, 4, 5, 8, 16, 17)  # what is met: CLS, distillation token, registers, or several of them
LARGEST_PREFIX = 17  # CLS plus 16 registers
FEWEST_CHANNELS = 8  # below this the last axis is not a channel axis
GRID_SLACK = 0.05  # unpadded convolutions lose a border, which bends the ratio of a non-square map


class Candidate(NamedTuple):
    """A possible reading, and whether the model itself says that it has features of this grid and width."""

    layout: Layout
    declared: bool = False


class Reading(NamedTuple):
    """What a shape says: the reading if that is certain, else what it may be, and what to say if nothing confirms it.

    Attributes:
        sure: the reading, or None where the shape leaves it open.
        candidates: the likeliest first.
        otherwise: the reading without places.
    """

    sure: Layout | None
    candidates: tuple[Candidate, ...] = ()
    otherwise: Layout = Layout("")


@dataclass(frozen=True)
class Declared:
    """What a model says about its features.

    Attributes:
        input_size: (H, W) of the model's input in pixels.
        grids: grids of its patch embeddings.
        features: (channels, grid) of the maps it lists as its features.
        prefix: its number of prefix tokens, or None if it does not say.
        lengths: lengths of the sequences that it works on.
    """

    input_size: Grid
    grids: frozenset[Grid] = frozenset()
    features: frozenset[tuple[int, Grid]] = frozenset()
    prefix: int | None = None
    lengths: frozenset[int] = frozenset()


def read_shape(shape: tuple[int, ...], n: int, declared: Declared, hint: Grid | None = None) -> Reading:
    """Return what the shape of an output for `n` images says about how to read it."""
    if len(shape) == 3 and shape[0] != n and shape[1] == n:
        return _sequence("LNC", shape[0], shape[2], declared, hint)
    if shape[0] != n:
        note = f"its first axis has {shape[0]} entries for {n} images (windows, heads or time first)"
        return Reading(Layout("", note=note))
    if len(shape) == 2 or (len(shape) == 3 and shape[1] == 1):
        return Reading(Layout("NC", grid=(1, 1)))
    if len(shape) == 3:
        return _sequence("NLC", shape[1], shape[2], declared, hint)
    if len(shape) == 4:
        return _map(shape, declared)
    return Reading(Layout("", note=f"it has {len(shape)} axes"))


def possible_axes(shape: tuple[int, ...], n: int, size: Grid) -> tuple[str, ...]:
    """Return by which axes an output for `n` images may be read, as far as its shape alone tells; () if by none."""
    if len(shape) == 3 and shape[0] != n:
        return ("LNC",) if shape[1] == n else ()
    if shape[0] != n or len(shape) not in (3, 4):
        return ()
    if len(shape) == 3:
        return ("NLC", "NCL") if _grids_of(shape[2], size) and shape[1] >= FEWEST_CHANNELS else ("NLC",)
    maps = [axes for axes, grid in (("NCHW", shape[2:]), ("NHWC", shape[1:3])) if _like_image((grid[0], grid[1]), size)]
    return tuple(maps) or ("NTLC",)


def _map(shape: tuple[int, ...], declared: Declared) -> Reading:
    _, a, b, c = shape
    first, last = _like_image((b, c), declared.input_size), _like_image((a, b), declared.input_size)
    maps = Layout("NCHW", grid=(b, c)), Layout("NHWC", grid=(a, b))
    if first and b == c and b in declared.lengths and (b, c) not in declared.grids:
        attention = Layout("", note="it may be a map of attention between tokens")
        return Reading(None, (Candidate(maps[0]),), attention)
    if first and last:  # as many channels as rows: the usual order unless the probe finds the other
        return Reading(None, tuple(Candidate(layout, declared=layout.axes == "NCHW") for layout in maps), maps[0])
    if first or last:
        return Reading(maps[0] if first else maps[1])
    windows = _windows(a, b, c, declared.input_size)
    note = f"no two axes of {shape[1:]} have the image's proportions"
    return Reading(None, windows, Layout("", note=note)) if windows else Reading(Layout("", note=note))


def _windows(count: int, length: int, channels: int, size: Grid) -> tuple[Candidate, ...]:
    """Return the readings of T windows of L tokens as one map of windows side by side."""
    side = math.isqrt(length)
    if side * side != length or channels < FEWEST_CHANNELS:
        return ()
    found = []
    for rows, columns in _grids_of(count, size):
        order = torch.arange(count * length).reshape(rows, columns, side, side).transpose(1, 2).reshape(-1)
        layout = Layout("NTLC", grid=(rows * side, columns * side), order=tuple(order.tolist()))
        found.append(Candidate(layout))
    return tuple(found)


def _sequence(axes: str, length: int, channels: int, declared: Declared, hint: Grid | None) -> Reading:
    """Return the readings of L tokens of C channels, or of C channels of L tokens."""
    if length == channels and length in declared.lengths and axes == "NLC" and (declared.prefix or 0) > 0:
        # As wide as it is long, with the class token in both axes. Without one it may be a patch embedding.
        return Reading(Layout("", note="it is a map of attention between tokens"))
    found = _readings(axes, length, channels, declared, hint)
    if axes == "NLC":
        found += [each for each in _readings("NCL", channels, length, declared, hint) if not each.layout.prefix]
    if min(length, channels) < FEWEST_CHANNELS and not found:
        note = f"{min(length, channels)} channels are too few to be sure that they are channels"
        return Reading(None, otherwise=Layout(axes, note=note))
    note = "nothing confirms where these tokens stand" if found else "their number fits no grid"
    return Reading(None, tuple(found), Layout(axes, note=note))


def _readings(axes: str, length: int, channels: int, declared: Declared, hint: Grid | None) -> list[Candidate]:
    if channels < FEWEST_CHANNELS:
        return []
    told = [hint] if hint is not None else []
    told += sorted(grid for width, grid in declared.features if width == channels)
    embedded = sorted(declared.grids)
    places = [(prefix, grid) for grid in (*told, *embedded) if (prefix := length - grid[0] * grid[1]) >= 0]
    allowed = {0, declared.prefix} if declared.prefix is not None else set(range(LARGEST_PREFIX + 1))
    places = [(prefix, grid) for prefix, grid in places if prefix in allowed]
    tried = (0, declared.prefix) if declared.prefix is not None else PREFIXES
    places += [(prefix, grid) for prefix in tried for grid in _grids_of(length - prefix, declared.input_size)]
    found: dict[tuple[int, Grid], Candidate] = {}
    for prefix, grid in places:
        if prefix <= grid[0] * grid[1] and (prefix, grid) not in found:  # more prefix than places: no patches at all
            declares = grid == hint or (channels, grid) in declared.features
            found[prefix, grid] = Candidate(Layout(axes, prefix=prefix, grid=grid), declared=declares)
    return list(found.values())


def _grids_of(count: int, size: Grid) -> list[Grid]:
    """Return the grids of `count` places with the proportions of the model's input; more than one place."""
    if count < 2:
        return []
    sides = (math.isqrt(count),) if size[0] == size[1] else range(1, min(count, size[0]) + 1)
    return [(h, count // h) for h in sides if count % h == 0 and _like_image((h, count // h), size)]


def _like_image(grid: Grid, size: Grid) -> bool:
    """Return whether a grid has the proportions of the model's input; exactly so for a square input."""
    (a, b), (height, width) = grid, size
    if a > height or b > width:
        return False
    if height == width:
        return a == b
    expected = height * b / width
    return abs(a - expected) <= max(1.0, GRID_SLACK * expected)


def declared_by(setting: Setting, outputs: Sequence[Output]) -> Declared:
    """Return what the model says of its features: patch embeddings, prefix tokens, timm's list of features."""
    height, width = setting.input_shape[1:]
    parts = dict(setting.module.named_modules())
    counts = (getattr(part, "num_prefix_tokens", None) for part in parts.values())
    listed = getattr(setting.module, "feature_info", None) or []
    features = {
        (int(entry["num_chs"]), (math.ceil(height / entry["reduction"]), math.ceil(width / entry["reduction"])))
        for entry in listed
        if isinstance(entry, dict) and {"num_chs", "reduction"} <= entry.keys()
    }
    grids = _patch_grids(setting.input_shape, outputs, parts)
    prefix = next((count for count in counts if isinstance(count, int)), None)
    lengths = {output.shape[1] for output in outputs if len(output.shape) == 3}
    return Declared(
        input_size=(height, width),
        grids=grids,
        features=frozenset(features),
        prefix=prefix,
        lengths=frozenset(lengths | {h * w + extra for h, w in grids for extra in (0, prefix or 0)}),
    )


def _patch_grids(
    input_shape: tuple[int, ...], outputs: Sequence[Output], parts: Mapping[str, nn.Module]
) -> frozenset[Grid]:
    """Return the grids of the model's patch embeddings and their halvings."""
    grids: set[Grid] = set()
    for output in outputs:
        part = parts[output.path]
        # A convolution of the image with kernel = stride cuts it into patches.
        if isinstance(part, nn.Conv2d) and part.in_channels == input_shape[0] and part.kernel_size == part.stride:
            grids.add((output.shape[2], output.shape[3]))
    if not grids:  # what this forward shows is surer than an attribute, which may be of another input size
        for part in parts.values():
            grid = getattr(part, "grid_size", None)
            if isinstance(grid, tuple) and len(grid) == 2:
                grids.add((int(grid[0]), int(grid[1])))
    return frozenset((math.ceil(h / k), math.ceil(w / k)) for h, w in grids for k in (1, 2, 4, 8))
