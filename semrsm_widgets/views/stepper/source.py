"""What is auctioned: an affinity, and where its rows and columns come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import message
from semrsm_widgets.figures import layer_sentence
from semrsm_widgets.matching import Greedy, read_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis

GRIDS = (2, 3, 4)
"""Sides of the grids to which patches are pooled: 4 to 16 tokens."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """What another matching is worth, or all of them on average.

    Attributes:
        name: what its colour goes by.
        title: in words.
        value: in the units of the affinity.
    """

    name: str
    title: str
    value: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Lot:
    """What is auctioned.

    Attributes:
        affinity: (n, n) float64; of patches, in units of cosine: their best matching is worth the semantic cosine.
        grid: (h, w) of the patches of either image; None for a matrix.
        words: where it comes from.
    """

    affinity: NDArray[np.float64]
    grid: tuple[int, int] | None
    words: str

    @property
    def levels(self) -> tuple[Level, ...]:
        """What greedy, aligned and all matchings on average are worth."""
        n = len(self.affinity)
        greedy = Greedy()(self.affinity[None], np.eye(n)[None]).value[0]
        return (
            Level(name="greedy", title="greedy", value=float(greedy)),
            Level(name="aligned", title="aligned", value=float(np.trace(self.affinity))),
            Level(name="any", title="mean of all", value=float(self.affinity.sum() / n)),
        )


def matrix_lot(affinity: Any) -> Lot:
    """Return a matrix as it is."""
    matrix = read_square(affinity)
    return Lot(affinity=matrix, grid=None, words=f"{len(matrix)} rows, {len(matrix)} columns")


def patch_lot(analysis: Analysis, layer: str, pair: tuple[int, int], side: int) -> Lot:
    """Return the patches of two images, averaged to a grid of side x side.

    Raises:
        ValueError: the layer has no grid of tokens, a smaller one, or was saved without its tokens.
    """
    tokens = analysis.tokens[layer]
    if tokens.values.is_meta:
        todo = "Save it with analysis.save(path, tokens=True), or extract the tokens again."
        raise ValueError(message("source", "an Analysis with tokens to match", "one saved without its tokens", todo))
    x, y = tokens.select(pair).pooled((side, side)).values.cpu().double().numpy()
    norm = float(np.linalg.norm(x) * np.linalg.norm(y)) or 1.0  # an image that is zero: every affinity is 0
    pooled = "" if tokens.grid == (side, side) else f" averaged to {side}×{side}"
    whole = layer_sentence(analysis, layer).removeprefix("Layer ").rstrip(".")
    return Lot(affinity=x @ y.T / norm, grid=(side, side), words=f"{whole.partition(',')[0]}{pooled}")
