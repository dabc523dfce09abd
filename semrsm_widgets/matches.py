"""Which patch of one image is paired with which patch of another, and what each pair carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets._frames import frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Assignment

# Entries of an affinity that are held at a time to find the second best.
_BLOCK_ENTRIES = 2**21


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Which patch of image i is paired with which patch of image j at one layer, and what each pair carries.

    Attributes:
        layer: the layer's name.
        pair: (i, j), indices of the two images.
        grid: (h, w) token grid of image i, or None.
        other_grid: (h, w) token grid of image j, or None.
        permutation: (S,) int64, the token of j that each token of i is paired with; -1 where unmatched.
        inverse: (T,) int64, the token of i that each token of j is paired with; -1 where unmatched.
        token_cosine: (S,) float64, cosine of the two paired tokens; NaN where unmatched.
        contribution: (S,) float64, <x_s, y_P(s)> / (‖X‖‖Y‖): the part of the semantic cosine carried by a match. They
            add up to `semantic`, and may be negative.
        aligned: aligned cosine of the pair; NaN where the two have different numbers of tokens.
        semantic: semantic cosine of the pair (the matched value).
        upper: certified upper bound of the semantic cosine; inf without a certificate.
        pooled: cosine of the mean tokens.
        pooled_part: the part of `semantic` that the mean over all one-to-one matchings reaches already;
            `semantic` - `pooled_part` is what matching adds. It is not `pooled`.
        same_position: share of tokens whose partner stands at the same position; NaN where the grids differ.
        value: (S,) float64, <x_s, y_P(s)>, the inner product of the two paired tokens; NaN where unmatched.
        margin: (S,) float64, `value` less the largest inner product of x_s with any other token of j. Negative where
            the token gave its first choice up to another one; NaN where unmatched or where j has one token.
        aligned_contribution: (S,) float64, <x_s, y_s> / (‖X‖‖Y‖); they add up to `aligned`. NaN where S and T differ.
        pooled_contribution: (S,) float64, <x_s, ȳ> / (S ‖x̄‖‖ȳ‖); they add up to `pooled`.
        boxes: (S, 4) float64, left, top, right, bottom of each token of i in pixels of the image; None if unknown.
        other_boxes: (T, 4) float64, the same for j.
    """

    layer: str
    pair: tuple[int, int]
    grid: tuple[int, int] | None
    other_grid: tuple[int, int] | None
    permutation: NDArray[np.int64]
    inverse: NDArray[np.int64]
    token_cosine: NDArray[np.float64]
    contribution: NDArray[np.float64]
    aligned: float
    semantic: float
    upper: float
    pooled: float
    pooled_part: float
    same_position: float
    value: NDArray[np.float64]
    margin: NDArray[np.float64]
    aligned_contribution: NDArray[np.float64]
    pooled_contribution: NDArray[np.float64]
    boxes: NDArray[np.float64] | None = None
    other_boxes: NDArray[np.float64] | None = None

    def top(self, k: int) -> NDArray[np.int64]:
        """Return the k tokens of i whose matches contribute most, strongest first."""
        matched = np.flatnonzero(self.permutation >= 0)
        return matched[np.argsort(-self.contribution[matched], kind="stable")][:k]

    def to_frame(self) -> Any:
        """Return the matches as a `pandas.DataFrame`, one row a pair, the strongest first.

        Columns: rank (from 1), token and other_token, the grid cell of each (row, column, other_row, other_column) and
        its pixel box (left, top, right, bottom, and other_...) where they are known, value, contribution, margin.

        Raises:
            ImportError: pandas is not installed; the text says what to install.
        """
        token = self.top(len(self.permutation))
        partner = self.permutation[token]
        columns: dict[str, Any] = {"rank": np.arange(1, len(token) + 1), "token": token, "other_token": partner}
        for prefix, index, grid, boxes in (
            ("", token, self.grid, self.boxes),
            ("other_", partner, self.other_grid, self.other_boxes),
        ):
            if grid is not None:
                columns[f"{prefix}row"], columns[f"{prefix}column"] = np.divmod(index, grid[1])
            if boxes is not None:
                for side, values in zip(("left", "top", "right", "bottom"), boxes[index].T, strict=True):
                    columns[f"{prefix}{side}"] = values
        columns |= {name: getattr(self, name)[token] for name in ("value", "contribution", "margin")}
        return frame(columns)


def matches_of(
    assignment: Assignment,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    layer: str,
    pair: tuple[int, int],
    grid: tuple[int, int] | None,
    other_grid: tuple[int, int] | None,
    boxes: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None] = (None, None),
) -> Matches:
    """Return the matches of two images' tokens (S, D) and (T, D) under a one-pair assignment."""
    permutation = assignment.permutation[0]
    matched = permutation >= 0
    partner = y[permutation[matched]]
    norm = float(np.linalg.norm(x) * np.linalg.norm(y)) or 1.0  # an all-zero image: every value is 0
    products = np.einsum("sd,sd->s", x[matched], partner)
    token_norms = np.linalg.norm(x[matched], axis=1) * np.linalg.norm(partner, axis=1)
    contribution = np.zeros(len(x))
    contribution[matched] = products / norm
    token_cosine = np.full(len(x), np.nan)
    token_cosine[matched] = np.divide(products, token_norms, out=np.zeros_like(products), where=token_norms > 0)
    value = np.full(len(x), np.nan)
    value[matched] = products
    inverse = np.full(len(y), -1, dtype=np.int64)
    inverse[permutation[matched]] = np.flatnonzero(matched)
    mean_x, mean_y = x.mean(0), y.mean(0)
    mean_norm = float(np.linalg.norm(mean_x) * np.linalg.norm(mean_y)) or 1.0
    same_size = len(x) == len(y)
    return Matches(
        layer=layer,
        pair=pair,
        grid=grid,
        other_grid=other_grid,
        permutation=permutation,
        inverse=inverse,
        token_cosine=token_cosine,
        contribution=contribution,
        aligned=float(np.vdot(x, y) / norm) if same_size else float("nan"),
        semantic=float(assignment.value[0] / norm),
        upper=float(assignment.upper_bound[0] / norm),
        pooled=float(mean_x @ mean_y / mean_norm),
        pooled_part=float(min(len(x), len(y)) * (mean_x @ mean_y) / norm),
        same_position=float((permutation == np.arange(len(x))).mean()) if same_size else float("nan"),
        value=value,
        margin=value - _best_other(x, y, permutation),
        aligned_contribution=np.einsum("sd,sd->s", x, y) / norm if same_size else np.full(len(x), np.nan),
        pooled_contribution=x @ mean_y / (len(x) * mean_norm),
        boxes=boxes[0],
        other_boxes=boxes[1],
    )


def _best_other(x: NDArray[np.float64], y: NDArray[np.float64], permutation: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (S,) the largest inner product of each matched token with a token of y that is not its partner."""
    best = np.full(len(x), np.nan)
    if len(y) < 2:
        return best
    step = max(1, _BLOCK_ENTRIES // len(y))
    rows = np.flatnonzero(permutation >= 0)
    for first in range(0, len(rows), step):
        here = rows[first : first + step]
        affinity = x[here] @ y.T
        affinity[np.arange(len(here)), permutation[here]] = -np.inf
        best[here] = affinity.max(1)
    return best
