"""Token sets: what a layer says about each image, and how it is read from a model by forward hooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Tokens:
    """The tokens of N images at one layer.

    Attributes:
        values: (N, S, D) tensor: S tokens of D channels for each image, in raster order of the grid.
        grid: (h, w) with h * w = S, or None where the tokens have no known place in the image.
        layer: the layer's name.
        prefix: (N, P, D) tensor of tokens that stand at no position (CLS, distillation, registers), kept aside; or None.
        native_grid: the model's own grid before `max_grid` pooled it; equal to `grid` if nothing was pooled.
        note: why there is no grid, or what else a reader should know; may be empty.
    """

    values: Tensor
    grid: tuple[int, int] | None = None
    layer: str = ""
    prefix: Tensor | None = None
    native_grid: tuple[int, int] | None = None
    note: str = ""

    def __len__(self) -> int:
        return int(self.values.shape[0])
