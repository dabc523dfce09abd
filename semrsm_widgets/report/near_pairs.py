"""Which pairs of images a report holds with all their patches: those that are near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from semrsm_widgets.analysis import Analysis
from semrsm_widgets.extraction import Layout, to_tokens
from semrsm_widgets.tokens import pooled_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pair = tuple[int, int]

PAIRS = ("current", "nearest", "all")
"""Which pairs of images a report can hold with all their patches."""


@dataclass(frozen=True, kw_only=True)
class NearPairs:
    """Pairs (i < j) of images that are among each other's nearest, the nearest first.

    Attributes:
        pairs: all of them.
        ranks: for each pair the best rank that either image has in the other's list, at any layer, under the aligned,
            the semantic or the pooled cosine; 1 is the nearest.
    """

    pairs: list[Pair]
    ranks: list[int]

    def whole_rank(self, count: int) -> int:
        """Return up to which rank the first `count` of these pairs, but not all of them, are without a gap."""
        return self.ranks[count] - 1


def near_pairs(analysis: Analysis, neighbours: int) -> NearPairs:
    """Return the pairs of which one image is among the `neighbours` nearest of the other, at any layer."""
    size = len(analysis)
    best = np.full((size, size), size, dtype=np.int64)
    total = np.zeros((size, size))
    for layer in analysis.layers:
        found = analysis.similarities(layer)
        for matrix in (found.aligned, found.semantic, found.pooled):
            ranks = _ranks(matrix)
            best = np.minimum(best, ranks)
            total += ranks
    best, total = np.minimum(best, best.T), total + total.T
    rows, columns = np.triu_indices(size, 1)
    near = best[rows, columns] <= neighbours
    rows, columns = rows[near], columns[near]
    order = np.lexsort((total[rows, columns], best[rows, columns]))
    pairs = [(int(i), int(j)) for i, j in zip(rows[order], columns[order], strict=True)]
    return NearPairs(pairs=pairs, ranks=[int(best[pair]) for pair in pairs])


def _ranks(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (N, N): the place of image j among the images nearest to i, from 1; the image itself comes last."""
    others = matrix.copy()
    np.fill_diagonal(others, -np.inf)
    order = np.argsort(-others, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(1, len(matrix) + 1)[None, :], axis=1)
    return ranks


def pooled_layers(analysis: Analysis, max_grid: int | None) -> list[str]:
    """Return the layers whose token grid has a side longer than `max_grid`."""
    return [name for name, tokens in analysis.tokens.items() if pooled_grid(tokens.grid, max_grid) != tokens.grid]


def pooled_analysis(analysis: Analysis, layers: Sequence[str], max_grid: int | None) -> Analysis:
    """Return an Analysis whose token grids are pooled at some layers; nothing computed of the original is kept."""
    tokens = dict(analysis.tokens)
    for name in layers:
        old = tokens[name]
        values, _, grid = to_tokens(old.values, Layout("NLC", grid=old.grid), max_grid)
        tokens[name] = replace(old, values=values.to(old.values.dtype).contiguous(), grid=grid)
    return Analysis(analysis.images, tokens, model=analysis.model, matcher=analysis.matcher)
