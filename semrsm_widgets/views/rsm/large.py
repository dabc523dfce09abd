"""What the browser gets of more images than it could hold: what is known of all pairs, and the window in sight.

The page asks for the part that it shows, in as many cells as it has pixels. From afar a cell is a square of pairs, of
which it gets the mean and the largest value; near enough it is a pair. The colours are those of all pairs, whatever is
in sight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.figures import DIVERGING, PALETTE, colour_indices, difference_range, finite_range, heatmap_still
from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import SIMILARITIES
from semrsm_widgets.views.base import KERNELS, Message

from .frames import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.rsm import NullLevel, Overview, RSMWindow
    from semrsm_widgets.views.base import Job

LARGEST_FRAME = 2000
"""Images of which the browser gets all pairs; of more, what is in a store is shown in windows."""
STATISTICS = ("mean", "largest")
"""What the colour of a cell of several pairs may say."""
MOST_CELLS = 512
FIRST_CELLS = 400
"""Cells a side of a window: at most, and before the page has said how many pixels it has."""
BINS = 48
"""Of the distributions under the heatmaps."""
_TAIL = 1e-4
"""Of the pairs, at either end, beyond the colours."""
_DIFFERENCE_TAIL = 1e-3
_SAMPLED_SQUARES, _SAMPLED_SIDE = 24, 256
"""From so many squares of pairs a distribution of differences is drawn: that of all pairs would be a day's reading."""
_STILL_CELLS = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class LargeLayer:
    """A layer of a large set under a kernel, and the baseline beside it.

    Attributes:
        layer: its name.
        kernel: its name.
        baseline: "aligned" or "pooled".
        semantic: the semantic RSM from afar.
        other: the baseline from afar.
        null: what unrelated tokens reach.
        sigma: of an RBF.
        range: the values of the first and the last colour of both.
        differences: a sample of semantic - baseline, sorted.
    """

    layer: str
    kernel: str
    baseline: str
    semantic: Overview
    other: Overview
    null: NullLevel
    sigma: float | None
    range: tuple[float, float]
    differences: NDArray[np.float64]

    @classmethod
    def of(cls, semantic: Overview, other: Overview, **facts: Any) -> LargeLayer:
        """Return what is to be known of all pairs."""
        ends = np.array([each.quantiles([_TAIL, 1 - _TAIL]) for each in (semantic, other)])
        low, high = min(0.0, float(ends[:, 0].min())), float(ends[:, 1].max())
        found = (low, high if high > low else low + 1.0)
        return cls(semantic=semantic, other=other, range=found, differences=_differences(semantic, other), **facts)

    @property
    def reach(self) -> float:
        """How far the colours of the difference go, to either side."""
        reach = float(np.quantile(np.abs(self.differences), 1 - _DIFFERENCE_TAIL)) if len(self.differences) else 0.0
        return difference_range(reach, *self.range)[1]

    def message(self) -> Message:
        """Return what the page is to know before it asks for a window."""
        counted = {"baseline": self.other.spread(), "semantic": self.semantic.spread()}
        spreads = {f"{name} spread": _binned(*spread, self.range) for name, spread in counted.items()}
        sampled = np.histogram(self.differences, BINS, (-self.reach, self.reach))[0]
        spreads["difference spread"] = sampled / max(1, sampled.sum())
        return Message.of(
            "large",
            arrays=spreads,
            layer=self.layer,
            kernel=self.kernel,
            baseline=self.baseline,
            range=self.range,
            reach=self.reach,
            null=self.null,
            sigma=self.sigma,
            sampled=len(self.differences),
        )

    def window(
        self, row: int, column: int, side: int, cells: int, statistics: Sequence[str] = STATISTICS[:1]
    ) -> Message:
        """Return the window of a square of pairs, in at most so many cells a side.

        Largest values are half of a message, and are sent where they are asked for. Where a cell is one pair its mean
        is its largest value, too, and is sent once.
        """
        semantic, other = self._windows(row, column, side, cells)
        statistics = statistics if semantic.side > 1 else STATISTICS[:1]
        rows, packed = [], {}
        for name, found in (("baseline", other), ("semantic", semantic)):
            for statistic in statistics:
                values = found.mean if statistic == STATISTICS[0] else found.high
                low, high = finite_range(values.astype(np.float64))
                rows.append({"name": f"{name} {statistic}", "low": low, "high": high})
                packed[f"{name} {statistic}"] = steps(values, low, high)
        return Message.of(
            "window",
            arrays=packed,
            layer=self.layer,
            kernel=self.kernel,
            baseline=self.baseline,
            rows=semantic.rows,
            columns=semantic.columns,
            side=semantic.side,
            asked={"row": row, "column": column, "side": side, "cells": cells},
            matrices=rows,
        )

    def _windows(self, row: int, column: int, side: int, cells: int) -> tuple[RSMWindow, RSMWindow]:
        n, m = self.semantic.shape
        rows, columns = slice(row, min(row + side, n)), slice(column, min(column + side, m))
        cells = max(1, min(cells, MOST_CELLS))
        return self.semantic.window(rows, columns, cells), self.other.window(rows, columns, cells)

    def pair_values(self, analysis: Analysis, i: int, j: int) -> dict[str, float]:
        """Return the similarities of a pair that are known, with the upper bound of the semantic one."""
        pair, kernel = analysis.gram(self.layer).select([i], [j]), self.semantic.kernel
        is_bounded = bool(np.isfinite(pair.upper_bound).all())
        found = {
            "semantic": kernel(pair).item(),
            "upper": kernel(pair.at_upper_bound()).item() if is_bounded else np.inf,
            "pooled": kernel(pair.pooled().scaled(pair.sizes[0])).item(),
        }
        if self.baseline == "aligned":
            found["aligned"] = self.other.values(slice(i, i + 1), slice(j, j + 1)).item()
        return found

    def picture(self, *, statistic: str, excess: bool, limits: tuple[float, float] | None) -> Image.Image:
        """Return the three heatmaps of the whole set as one picture."""
        semantic, other = self._windows(0, 0, max(self.semantic.shape), _STILL_CELLS)
        level = self.null.mean if excess else 0.0
        shown = [each.mean if statistic == "mean" else each.high for each in (other, semantic)]
        low, high = limits or self.range
        best = "semantic, excess over unrelated" if excess else SIMILARITIES["semantic"].title
        difference = semantic.mean - level - other.mean
        panels = {
            SIMILARITIES[self.baseline].title: (colour_indices(shown[0], low, high), PALETTE),
            best: (colour_indices(shown[1] - level, low, high), PALETTE),
            f"semantic - {self.baseline}": (colour_indices(difference, -self.reach, self.reach), DIVERGING),
        }
        side = semantic.side
        words = f"overview: each cell the {statistic} of {side} x {side} pairs"
        title = f"{self.layer} · {self.kernel} · {low:.2f} to {high:.2f}; {words}"
        return heatmap_still(panels, title)


def large_layer(job: Job, analysis: Analysis, layer: str, kernel: str, baseline: str) -> LargeLayer:
    """Return what is to be known of a layer, having matched what is missing of it and made its overviews."""
    analysis.gram(layer, progress=job.counter(f"Matching {layer}:"))
    analysis.null_grams(layer, progress=job.counter(f"Calibrating {layer}:"))
    function, sigma = analysis.shared_kernel(layer, KERNELS[kernel])
    if baseline == "aligned":
        analysis.gram(layer, matcher=Identity(), progress=job.counter(f"Comparing {layer}, {baseline}:"))
    semantic, other = (
        analysis.overview(layer, function, similarity=name, progress=job.counter(f"Overview of {layer}, {name}:"))
        for name in ("semantic", baseline)
    )
    job.step(f"Overview of {layer}")
    null = analysis.null(layer, function)
    return LargeLayer.of(semantic, other, layer=layer, kernel=kernel, baseline=baseline, null=null, sigma=sigma)


def _binned(edges: NDArray[np.float64], counts: NDArray[np.int64], limits: Sequence[float]) -> NDArray[np.float64]:
    """Return (BINS,) the shares of pairs between the limits, from finer counts."""
    low, high = limits
    below = np.interp(np.linspace(low, high, BINS + 1), edges, np.concatenate([[0], np.cumsum(counts)]))
    counted = np.diff(below)
    shares: NDArray[np.float64] = counted / max(1.0, float(counted.sum()))
    return shares


def _differences(semantic: Overview, other: Overview) -> NDArray[np.float64]:
    """Return differences of pairs of different images, from squares that are spread over all pairs, sorted."""
    n = semantic.shape[0]
    side = min(_SAMPLED_SIDE, n)
    starts = range(0, n, side)
    squares = [(top, left) for k, top in enumerate(starts) for left in starts[k:]]
    chosen = np.random.default_rng(0).permutation(len(squares))[:_SAMPLED_SQUARES]
    found = []
    for top, left in (squares[k] for k in sorted(chosen.tolist())):
        rows, columns = slice(top, min(top + side, n)), slice(left, min(left + side, n))
        values = semantic.values(rows, columns) - other.values(rows, columns)
        found.append(values[np.triu_indices(len(values), 1)] if top == left else values.ravel())
    return np.sort(np.concatenate(found))
