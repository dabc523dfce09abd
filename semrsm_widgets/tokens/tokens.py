"""Token sets: what a layer says about each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from semrsm_widgets.common import message


@dataclass(frozen=True, eq=False, kw_only=True)
class Tokens:
    """The tokens of N images at one layer.

    Attributes:
        values: (N, S, D) tensor: S tokens of D channels for each image, in raster order of the grid.
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
        """Return the tokens of the images at `indices`, in that order."""
        rows = list(indices)
        return replace(self, values=self.values[rows], prefix=None if self.prefix is None else self.prefix[rows])

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
