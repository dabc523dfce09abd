"""Which patch of one image is paired with which patch of another, and what each pair carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import data_frame, message
from semrsm_widgets.rsm import SIMILARITIES, similarity_of

from .splits import Split, mean_token_split, paired_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.matching import Assignment

# Entries of an affinity that are held at a time to find the second best.
_BLOCK_ENTRIES = 2**21
# A match is ambiguous where another partner is better, or less than this share of its value below.
AMBIGUOUS = 0.05


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
        any_matching: the part of `semantic` that the mean over all one-to-one matchings reaches already;
            `semantic` - `any_matching` is what matching adds. It is not `pooled`.
        same_position: share of tokens whose partner stands at the same position; NaN where the grids differ.
        value: (S,) float64, <x_s, y_P(s)>, the inner product of the two paired tokens; NaN where unmatched.
        margin: (S,) float64, `value` less the largest inner product of x_s with any other token of j. Negative where
            the token gave its first choice up to another one; NaN where unmatched or where j has one token.
        aligned_contribution: (S,) float64, <x_s, y_s> / (‖X‖‖Y‖); they add up to `aligned`. NaN where S and T differ.
        pooled_contribution: (S,) float64, <x_s, ȳ> / (S ‖x̄‖‖ȳ‖); they add up to `pooled`.
        nearest: each token of i with the token of j of largest inner product, whether others take it too or not. Its
            value is no less than `semantic` and may exceed 1, as one token of j may be taken many times. It is no
            similarity in use here: it differs from i to j and from j to i.
        by_similarity: what splits over the patches: "semantic", "pooled", and "aligned" where S and T agree.
        class_token: cosine of the two class tokens; NaN where the model has none.
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
    any_matching: float
    same_position: float
    value: NDArray[np.float64]
    margin: NDArray[np.float64]
    aligned_contribution: NDArray[np.float64]
    pooled_contribution: NDArray[np.float64]
    nearest: Split
    by_similarity: Mapping[str, Split] = field(repr=False)
    class_token: float = float("nan")
    boxes: NDArray[np.float64] | None = None
    other_boxes: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        i, j = self.pair
        paired = f"{int((self.permutation >= 0).sum())} of {len(self.permutation)} patches paired"
        values = f"semantic {self.semantic:.4f}, aligned {self.aligned:.4f}, pooled {self.pooled:.4f}"
        return f"Matches({self.layer!r}, images {i} and {j}: {paired}; {values})"

    def top(self, k: int) -> NDArray[np.int64]:
        """Return the k tokens of i whose matches contribute most, strongest first."""
        matched = np.flatnonzero(self.permutation >= 0)
        return matched[np.argsort(-self.contribution[matched], kind="stable")][:k]

    @property
    def splits(self) -> dict[str, Split]:
        """What splits over the patches, by caption."""
        return {SIMILARITIES[name].caption: split for name, split in self.by_similarity.items()}

    def split(self, similarity: str = "best match") -> Split:
        """Return a similarity of the two images as a sum over patches.

        Args:
            similarity: "best match" (semantic), "same position" (aligned) or "mean token" (pooled); its name will do.

        Raises:
            ValueError: the class token does not split over patches; for "same position", S and T differ.
        """
        name = similarity_of(similarity).name
        if name not in self.by_similarity:
            expected = f"one that splits exactly over these patches: {', '.join(self.splits)}"
            raise ValueError(message("similarity", expected, repr(similarity)))
        return self.by_similarity[name]

    def ambiguous(self, tolerance: float = AMBIGUOUS) -> NDArray[np.bool_]:
        """Return (S,) whether another token of j is a better partner of each token, or one less than `tolerance` below.

        That is where `margin` is below `tolerance` times the size of `value`.
        """
        with np.errstate(invalid="ignore"):
            return self.margin < tolerance * np.abs(self.value)

    def to_frame(self) -> Any:
        """Return the matches as a `pandas.DataFrame`, one row a pair, the strongest first.

        Columns: rank (from 1), token and other_token, the grid cell of each (row, column, other_row, other_column) and
        its pixel box (left, top, right, bottom, and the other's) where they are known, value, contribution, margin.

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
        return data_frame(columns)


def match_patches(
    assignment: Assignment,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    layer: str,
    pair: tuple[int, int],
    grid: tuple[int, int] | None,
    other_grid: tuple[int, int] | None,
    class_token: float = float("nan"),
    boxes: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None] = (None, None),
) -> Matches:
    """Return the matches of two images' tokens (S, D) and (T, D) under a one-pair assignment."""
    permutation = assignment.permutation[0]
    matched = permutation >= 0
    norm = float(np.linalg.norm(x) * np.linalg.norm(y)) or 1.0  # an all-zero image: every value is 0
    best = paired_split(x, y, permutation)
    mean = mean_token_split(x, y)
    splits = {"semantic": best, "pooled": mean}
    same_size = len(x) == len(y)
    aligned = paired_split(x, y, np.arange(len(x))) if same_size else None
    if aligned is not None:
        splits["aligned"] = aligned
    value = np.full(len(x), np.nan)
    value[matched] = best.contribution[matched] * norm
    inverse = np.full(len(y), -1, dtype=np.int64)
    inverse[permutation[matched]] = np.flatnonzero(matched)
    nearest, best_other = _rivals(x, y, permutation)
    return Matches(
        layer=layer,
        pair=pair,
        grid=grid,
        other_grid=other_grid,
        permutation=permutation,
        inverse=inverse,
        token_cosine=best.token_cosine,
        contribution=best.contribution,
        aligned=float("nan") if aligned is None else aligned.value,
        semantic=float(assignment.value[0] / norm),
        upper=float(assignment.upper_bound[0] / norm),
        pooled=mean.value,
        any_matching=float(min(len(x), len(y)) * (x.mean(0) @ y.mean(0)) / norm),
        same_position=float((permutation == np.arange(len(x))).mean()) if same_size else float("nan"),
        value=value,
        margin=value - best_other,
        aligned_contribution=np.full(len(x), np.nan) if aligned is None else aligned.contribution,
        pooled_contribution=mean.contribution,
        nearest=paired_split(x, y, nearest),
        by_similarity=splits,
        class_token=class_token,
        boxes=boxes[0],
        other_boxes=boxes[1],
    )


def _rivals(
    x: NDArray[np.float64], y: NDArray[np.float64], permutation: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return (S,) each token's nearest token of y, and (S,) its largest inner product with any but its partner."""
    nearest = np.empty(len(x), dtype=np.int64)
    best_other = np.full(len(x), np.nan)
    step = max(1, _BLOCK_ENTRIES // len(y))
    for first in range(0, len(x), step):
        affinity = x[first : first + step] @ y.T
        nearest[first : first + step] = affinity.argmax(1)
        if len(y) < 2:
            continue
        here = np.flatnonzero(permutation[first : first + step] >= 0)
        affinity[here, permutation[first + here]] = -np.inf
        best_other[first + here] = affinity[here].max(1)
    return nearest, best_other


def contribution_difference(hit: Matches, expected: Matches, similarity: str = "best match") -> NDArray[np.float64]:
    """Return what each patch of a query contributes to the difference of two similarities: why this and not that.

    Positive values speak for the hit, negative ones for the expected image. They add up to the similarity of query and
    hit less that of query and expected image.

    Args:
        hit: matches of the query with the image that was found.
        expected: matches of the same query, at the same layer, with the image that was expected.
        similarity: "best match", "same position" or "mean token", or its name.

    Returns:
        (S,) float64, one value for each token of the query.

    Raises:
        ValueError: the two are of different layers or queries, or the similarity does not split over patches.

    Example:
        >>> hit, expected = analysis.matches("blocks.4", 0, 1), analysis.matches("blocks.4", 0, 5)
        >>> contribution_difference(hit, expected).sum()  # hit.semantic - expected.semantic
        0.3614...
    """
    for name, value in (("hit", hit), ("expected", expected)):
        if not isinstance(value, Matches):
            raise TypeError(message(name, "what Analysis.matches returns", value))
    for name, one, other in (("layer", hit.layer, expected.layer), ("query", hit.pair[0], expected.pair[0])):
        if one != other:
            raise ValueError(message("expected", f"of the same {name} as `hit`, {one!r}", repr(other)))
    return hit.split(similarity).contribution - expected.split(similarity).contribution
