"""How an output is read as tokens: which axis is which, which tokens have no place, on which grid the rest stand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from semrsm_widgets.common import Grid, check_choice, check_int, check_several, message
from semrsm_widgets.tokens import averaged, pooled_grid

AXES = ("NCHW", "NHWC", "NLC", "LNC", "NCL", "NTLC", "NC")
SEQUENCES = ("NLC", "LNC", "NCL", "NTLC")


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
        check_choice("axes", self.axes, ("", *AXES))
        check_int("prefix", self.prefix, minimum=0, maximum=None if self.axes in SEQUENCES else 0)
        if self.grid is not None:
            if not isinstance(self.grid, tuple) or len(self.grid) != 2:
                raise ValueError(message("grid", "(h, w) or None", self.grid))
            object.__setattr__(self, "grid", tuple(check_int("grid", side, minimum=1) for side in self.grid))
        if self.order is not None:
            places = self.grid[0] * self.grid[1] if self.grid else 0
            given = [check_int("order", i, minimum=0) for i in check_several("order", self.order, "a tuple of tokens")]
            if sorted(given) != list(range(places)):
                raise ValueError(message("order", f"a permutation of the {places} tokens of `grid`", "another"))
            object.__setattr__(self, "order", tuple(given))


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
        raise ValueError(
            message("layout", f"one of {max(count, 0)} tokens after the prefix", got, _mended(layout, count))
        )
    return Layout(
        layout.axes, layout.prefix, grid, layout.note or ("" if grid else "the layout given has no grid"), layout.order
    )


def _mended(layout: Layout, count: int) -> str:
    """Return with which prefix the grid of a layout would fit the `count` tokens after its own; "" if with none."""
    if layout.grid is None or layout.axes not in SEQUENCES:
        return ""
    places = layout.grid[0] * layout.grid[1]
    prefix = layout.prefix + count - places
    return f"Its grid has {places} places: prefix={prefix} would fit." if prefix >= 0 else ""


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
    return averaged(tokens, layout.grid, small), prefix, small


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
