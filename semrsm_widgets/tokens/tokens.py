"""Token sets: what a layer says about each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from semrsm_widgets.common import check_int, message

from .grid import averaged
from .stored import StoredTensor, in_blocks


@dataclass(frozen=True, eq=False, kw_only=True)
class Tokens:
    """The tokens of N images at one layer.

    Attributes:
        values: (N, S, D) tensor: S tokens of D channels for each image, in raster order of the grid. Of a store it is
            read when it is indexed (`StoredTensor`): `values[i]` reads one image.
        grid: (h, w) with h * w = S, or None where the tokens have no known place in the image.
        layer: the layer's name.
        prefix: (N, P, D) tensor of tokens at no position (CLS, distillation, registers), kept aside; or None.
        native_grid: the model's own grid before `max_grid` pooled it; equal to `grid` if nothing was pooled.
        note: why there is no grid, or what else a reader should know; may be empty.
        caution: why the values are no function of the picture alone (a random layer, statistics over the batch), which
            `note` says, too; empty if they are.
        has_class_token: whether the first prefix token is a class token.
    """

    values: Tensor
    grid: tuple[int, int] | None = None
    layer: str = ""
    prefix: Tensor | None = None
    native_grid: tuple[int, int] | None = None
    note: str = ""
    caution: str = ""
    has_class_token: bool = False

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def __repr__(self) -> str:
        n, s, d = self.values.shape
        where = f"{self.grid[0]}×{self.grid[1]} grid" if self.grid else "no grid"
        aside = f", {self.prefix.shape[1]} prefix" if self.prefix is not None else ""
        return f"Tokens({self.layer!r}: {n} images, {s} tokens ({where}{aside}), {d} channels)"

    def select(self, indices: Sequence[int]) -> Tokens:
        """Return the tokens of the images at `indices`, in that order; those of a store stay there."""
        rows = list(indices)
        prefix = None if self.prefix is None else _chosen(self.prefix, rows)
        return replace(self, values=_chosen(self.values, rows), prefix=prefix)

    def pooled(self, grid: tuple[int, int]) -> Tokens:
        """Return the tokens averaged to exactly this grid, whatever theirs is.

        `max_grid` keeps to whole blocks where it can, so that 7 x 7 patches at `max_grid=2` become one. This averages
        over windows that overlap where the sides do not divide: of 7 patches, 0 to 3 and 3 to 6.

        Args:
            grid: (h, w) of the tokens that are wanted, neither side longer than now.

        Raises:
            ValueError: these tokens have no grid, or one that is smaller.

        Example:
            >>> extract(load_model(), images, "blocks.6")["blocks.6"].pooled((2, 2))
            Tokens('blocks.6': 16 images, 4 tokens (2×2 grid), 320 channels)
        """
        if self.grid is None:
            todo = "Take a layer whose tokens have a place."
            raise ValueError(message("grid", "of tokens that stand on one", f"{self.layer!r}, which has none", todo))
        rows, columns = (check_int("grid", side, minimum=1) for side in grid)
        if rows > self.grid[0] or columns > self.grid[1]:
            own = f"{self.grid[0]}×{self.grid[1]}"
            raise ValueError(message("grid", f"no larger than {own}, that of {self.layer!r}", f"{rows}×{columns}"))
        parts = [averaged(part, self.grid, (rows, columns)) for _, part in in_blocks(self.values)]
        values = (parts[0] if len(parts) == 1 else torch.cat(parts)).contiguous()
        return replace(self, values=values, grid=(rows, columns))

    def cls(self) -> Tokens:
        """Return the class token alone, as S = 1: the baseline that users of vision transformers rank by.

        Raises:
            ValueError: this layer has none.

        Example:
            >>> extract(load_model("vit_tiny_patch16_224"), images, "blocks.11")["blocks.11"].cls()
            Tokens('blocks.11': 16 images, 1 tokens (1×1 grid), 192 channels)
        """
        if self.prefix is None or not self.has_class_token:
            aside = 0 if self.prefix is None else self.prefix.shape[1]
            got = f"{self.layer!r}, which has {aside} prefix tokens, none of them a class token"
            raise ValueError(message("layer", "one with a class token", got, "The mean token is `values.mean(1)`."))
        values = self.prefix[:, :1].clone()
        return replace(self, values=values, prefix=None, grid=(1, 1), native_grid=(1, 1), note="class token")


def _chosen(values: Tensor, rows: list[int]) -> Tensor:
    return values.chosen(rows) if isinstance(values, StoredTensor) else values[rows]
