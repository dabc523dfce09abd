"""How an output is read as tokens: which axis is which, which tokens have no place, on which grid the rest stand.

The shape alone settles most outputs: a map with the image's proportions, a vector for each image. What it leaves open
(any sequence of tokens) it lists as candidates, for the probe to decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from semrsm_widgets.common import Grid, check_int, message
from semrsm_widgets.tokens import pooled_grid

AXES = ("NCHW", "NHWC", "NLC", "LNC", "NCL", "NTLC", "NC")
SEQUENCES = ("NLC", "LNC", "NCL", "NTLC")
PREFIXES = (0, 1, 2, 4, 5, 8, 16, 17)  # what is met: CLS, distillation token, registers, or several of them
LARGEST_PREFIX = 17  # CLS plus 16 registers
FEWEST_CHANNELS = 8  # below this the last axis is not a channel axis
GRID_SLACK = 0.05  # unpadded convolutions lose a border, which bends the ratio of a non-square map


@dataclass(frozen=True)
class Layout:
    """How to read a layer's output as tokens; give one to `extract(layout=...)` to overrule what was found.

    Attributes:
        axes: "NCHW" or "NHWC" for maps; "NLC", "LNC" (sequence first) or "NCL" for sequences of L tokens; "NTLC" for T
            windows of L tokens; "NC" for one vector an image; "" where the output cannot be read as tokens.
        prefix: how many tokens of a sequence stand first and belong to no position (CLS, registers).
        grid: (h, w) of the other tokens, or None where their places are not known. Maps need none: it is their shape.
        note: why there is no grid, or no reading.
        order: for each place of the grid, in raster order, which token (after the prefix) stands there; None: they
            come in raster order.

    Raises:
        ValueError: `axes` is none of these, or `grid` and `order` do not fit each other.

    Example:
        >>> extract(model, images, "blocks.3", layout=Layout("NLC", prefix=1, grid=(14, 14)))
    """

    axes: str
    prefix: int = 0
    grid: Grid | None = None
    note: str = ""
    order: tuple[int, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.axes not in ("", *AXES):
            raise ValueError(message("axes", f"one of {', '.join(map(repr, AXES))}", self.axes))
        check_int("prefix", self.prefix, minimum=0, maximum=None if self.axes in SEQUENCES else 0)
        if self.grid is not None:
            if not isinstance(self.grid, tuple) or len(self.grid) != 2:
                raise ValueError(message("grid", "(h, w) or None", self.grid))
            object.__setattr__(self, "grid", tuple(check_int("grid", side, minimum=1) for side in self.grid))
        if self.order is not None:
            places = self.grid[0] * self.grid[1] if self.grid else 0
            if sorted(self.order) != list(range(places)):
                raise ValueError(message("order", f"a permutation of the {places} tokens of `grid`", "another"))
            object.__setattr__(self, "order", tuple(int(i) for i in self.order))


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


def fitted(layout: Layout, shape: tuple[int, ...], layer: str) -> Layout:
    """Return a layout that a user gave, with the grid of a map filled in.

    Raises:
        ValueError: it does not fit the shape (without N) of this layer's output.
    """
    got = f"{layout!r} for layer {layer!r}, whose output for one image is {shape}"
    axes = layout.axes.replace("N", "")
    if not axes:
        raise ValueError(message("layout", f"one with axes, {', '.join(map(repr, AXES))}", got))
    if axes == "C" and math.prod(shape) == max(shape):  # (C,), (1, C), (C, 1, 1)
        return Layout("NC", grid=(1, 1), note=layout.note)
    sides = dict(zip(axes, shape, strict=False))
    if len(axes) != len(shape):
        raise ValueError(message("layout", f"one with {len(shape)} axes besides N", got))
    own = (sides["H"], sides["W"]) if "H" in sides else None
    grid = own if layout.grid is None else layout.grid
    count = math.prod(shape) // sides["C"] - layout.prefix
    if count < 1 or (grid is not None and (grid[0] * grid[1] != count or own not in (None, grid))):
        raise ValueError(message("layout", f"one of {max(count, 0)} tokens after the prefix", got))
    return Layout(
        layout.axes, layout.prefix, grid, layout.note or ("" if grid else "the layout given has no grid"), layout.order
    )


def token_shape(shape: tuple[int, ...], layout: Layout) -> tuple[int, int]:
    """Return (S, D) of an output of `shape` (without N) that is read by `layout`."""
    channels = shape[layout.axes.replace("N", "").index("C")] if layout.axes != "NC" else math.prod(shape)
    return math.prod(shape) // channels - layout.prefix, channels


def to_tokens(output: Tensor, layout: Layout, max_grid: int | None = None) -> tuple[Tensor, Tensor | None, Grid | None]:
    """Return tokens (N, S, D), prefix tokens (N, P, D) or None, and the grid, averaged down to `max_grid`.

    The tensors may be views of `output`: the caller copies them.
    """
    sequence = as_sequence(output, layout.axes)
    prefix = sequence[:, : layout.prefix] if layout.prefix else None
    tokens = sequence[:, layout.prefix :]
    if layout.order is not None:
        tokens = tokens[:, torch.tensor(layout.order, device=tokens.device)]
    small = pooled_grid(layout.grid, max_grid)
    if layout.grid is None or small is None or small == layout.grid:
        return tokens, prefix, layout.grid
    maps = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *layout.grid)
    pooled = functional.adaptive_avg_pool2d(maps.float(), small)
    return pooled.flatten(2).transpose(1, 2), prefix, small


def as_sequence(output: Tensor, axes: str) -> Tensor:
    """Return an output as (N, L, C), prefix and order as they are."""
    if axes == "NCHW":
        return output.flatten(2).transpose(1, 2)
    if axes in ("NHWC", "NTLC"):
        return output.flatten(1, 2)
    if axes == "LNC":
        return output.transpose(0, 1)
    if axes == "NCL":
        return output.transpose(1, 2)
    return output if axes == "NLC" else output.reshape(output.shape[0], 1, -1)
