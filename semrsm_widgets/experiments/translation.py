"""Does a similarity survive translation? Two overlapping crops of each image against crops of different images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.analysis import Analysis, layer_costs
from semrsm_widgets.common import Matrix, Meter, check_int, check_number, check_several, message
from semrsm_widgets.extraction import extract
from semrsm_widgets.images import Images, Source, as_images, crop_boxes
from semrsm_widgets.rsm import Kernel, StreamedRSM, cosine, kernel_name
from semrsm_widgets.statistics import UNIT, Statistic, from_replicates, undefined

from .scores import Score, ScoreKey, Scores, rsms_of, score

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from semrsm_widgets.common import ProgressOption
    from semrsm_widgets.matching import Matcher
    from semrsm_widgets.models import VisionModel


_EXTRACTION_SHARE = 0.6
"""Of the time that an overlap takes, roughly."""


@dataclass(frozen=True, eq=False)
class CropSource(Source):
    """Part of another picture, decoded on demand; `box` is (left, top, right, bottom) in its pixels."""

    whole: Source
    box: tuple[int, int, int, int]

    def image(self, draft: int | None = None) -> Image.Image:
        """Decode the whole and cut."""
        return self.whole.image().crop(self.box)


def translation_test(
    model: VisionModel,
    images: Images | Any,
    overlaps: Sequence[float] = (0.25, 0.5, 0.75),
    *,
    layers: Any = None,
    max_grid: int | None = None,
    kernel: Kernel = cosine,
    matcher: Matcher | None = None,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Scores:
    """Return whether two shifted crops of one image are nearer to each other than crops of different images.

    For each overlap every image gives two crops, A and B, whose areas have that share in common. K_ij compares crop A
    of image i with crop B of image j.

    Args:
        model: the model with its transform.
        images: N images, at least 4; crops of the same photograph twice would count as different.
        overlaps: shares of area, each in (0, 1).
        layers: as for `extract`.
        max_grid: as for `extract`.
        kernel: of the similarities.
        matcher: of the semantic one; None means `Auction()`.
        seed: decides where the crops lie.
        progress: as for `matched_gram`, with (overlaps done, overlaps in all).

    Returns:
        Scores by layer, similarity and overlap. "AUC": how often a same-image pair beats a different-image one (chance
        .5). "top-1": how often crop B of the same image is the nearest (chance 1 / N). "gap": mean similarity of same
        less that of different. "same" and "different": the levels themselves, with what unrelated tokens reach as
        `chance` for semantic: levels of two layers are compared by their excess over it ("same excess"). Intervals
        leave out one image at a time.

    Raises:
        ValueError: fewer than 4 images, overlaps outside (0, 1), or images too small to crop.

    References:
        Wald et al., arXiv:2410.23107, figure 2.

    Example:
        >>> translation_test(load_model(), demo_images(crops=1), layers="blocks.4").of("AUC")
    """
    chosen = as_images(images, progress=progress)
    check_int("len(images)", len(chosen), minimum=4, todo="Intervals over images need more of them.")
    overlaps = check_several("overlaps", overlaps, "shares of area, such as (0.25, 0.5)")
    if not overlaps:
        raise ValueError(message("overlaps", "at least one share of area", "none"))
    for overlap in overlaps:
        check_number("overlaps", overlap, above=0, maximum=0.99, todo="1 would be the same crop twice.")
    rows: list[Score] = []
    with Meter("Testing translation", progress, unit="overlaps") as meter:
        for done, overlap in enumerate(overlaps):
            meter(done, len(overlaps))
            seen = []
            first, second = _crops(chosen, overlap, seed)
            for crops in (second, first):
                with meter.part(_EXTRACTION_SHARE / 2):
                    seen.append(extract(model, crops, layers=layers, max_grid=max_grid))
            analysis = Analysis(second, seen[0], model=model, matcher=matcher, queries=first, query_tokens=seen[1])
            with Meter("Scoring", unit="layers") as scoring:
                scoring.costs = layer_costs(analysis, analysis.layers)
                for k, layer in enumerate(analysis.layers):
                    scoring(k, len(analysis.layers))
                    rows += _layer_scores(analysis, layer, kernel, overlap)
        meter(len(overlaps), len(overlaps))
    return Scores(question="Does it survive translation?", rows=tuple(rows))


def _crops(images: Images, overlap: float, seed: int) -> tuple[Images, Images]:
    """Return crop A and crop B of every image."""
    rng = random.Random(check_int("seed", seed, minimum=0))
    sides: tuple[list[Source], list[Source]] = ([], [])
    for name, source in zip(images.ids, images.sources, strict=True):
        width, height = source.size()
        try:
            boxes = crop_boxes(width, height, 2, overlap, rng)
        except ValueError:
            got = f"{name!r}, of {width} x {height} pixels, with an overlap of {overlap:g}"
            raise ValueError(message("images", "large enough for two crops of each", got)) from None
        for side, box in zip(sides, boxes, strict=True):
            side.append(CropSource(name, source, box))
    first, second = (Images(ids=images.ids, sources=tuple(side)) for side in sides)
    return first, second


def _layer_scores(analysis: Analysis, layer: str, kernel: Kernel, overlap: float) -> list[Score]:
    """Return the scores of every similarity of a layer."""
    rows = []
    n = len(analysis)
    for similarity, K in rsms_of(analysis, layer, kernel, queries=True).items():
        level, found = nan, dict.fromkeys(("AUC", "top-1", "gap", "same", "different"), undefined("", n))
        if isinstance(K, ValueError):
            found = {name: undefined(K, n) for name in found}
        else:
            assert not isinstance(K, StreamedRSM), "those of queries are in memory"
            found = separation(K)
            if similarity == "semantic":
                level = analysis.null(layer, kernel).mean
                found["same excess"] = _shifted(found["same"], -level)
        chance = {"AUC": 0.5, "top-1": 1 / n, "gap": 0.0, "same": level, "different": level, "same excess": 0.0}
        key = ScoreKey(layer=layer, kernel=kernel_name(kernel), similarity=similarity)
        rows += [score(key, name, value, chance=chance[name], overlap=overlap) for name, value in found.items()]
    return rows


def separation(K: Matrix) -> dict[str, Statistic]:
    """Return how well the diagonal of (N, N) similarities stands out, with intervals over images.

    "AUC", "top-1", "gap" (mean of the diagonal less that of the rest), "same" and "different" (the two means).

    Example:
        >>> separation(np.eye(4))["AUC"].value
        1.0
    """
    n = len(K)
    own, off = np.diag(K), K.copy()
    np.fill_diagonal(off, 0)
    same_without = (own.sum() - own) / (n - 1)
    rest = off.sum()
    different, different_without = rest / (n * (n - 1)), (rest - off.sum(0) - off.sum(1)) / ((n - 1) * (n - 2))
    same = float(own.mean())
    return {
        "AUC": _auc(K),
        "top-1": _top_1(K),
        "gap": from_replicates(same - different, same_without - different_without),
        "same": from_replicates(same, same_without),
        "different": from_replicates(different, different_without),
    }


def _auc(K: Matrix) -> Statistic:
    """Return the probability that a diagonal entry is above an off-diagonal one, ties counting half."""
    n = len(K)
    own = np.diag(K)
    wins = _share_above(np.sort(own), K) * n  # (N, N): how many diagonal entries are above each entry
    np.fill_diagonal(wins, 0)
    off = np.sort(K[~np.eye(n, dtype=bool)])
    all_won = (np.searchsorted(off, own, "left") + np.searchsorted(off, own, "right")) / 2
    beside = _below(K, own[:, None]).sum(1) + _below(K, own[None, :]).sum(0) - 2 * 0.5  # its own entry ties with itself
    wins_without = wins.sum() - wins.sum(0) - wins.sum(1) - (all_won - beside)
    value = float(wins.sum() / (n * n * (n - 1)))
    return from_replicates(value, wins_without / ((n - 1) * (n - 1) * (n - 2)), bounds=UNIT)


def _share_above(ordered: NDArray[np.float64], values: Matrix) -> Matrix:
    """Return for each value the share of sorted numbers above it, ties counting half."""
    places = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    share: Matrix = 1 - places / (2 * len(ordered))
    return share


def _below(K: Matrix, level: NDArray[np.float64]) -> Matrix:
    """Return 1 where an entry is below a level, 1/2 where it ties."""
    below: Matrix = (level > K) + 0.5 * (level == K)
    return below


def _top_1(K: Matrix) -> Statistic:
    """Return how often the diagonal entry is the largest of its row; a tie does not count."""
    n = len(K)
    own, off = np.diag(K), K.copy()
    np.fill_diagonal(off, -np.inf)
    first = off.argmax(1)
    best = off[np.arange(n), first]
    off[np.arange(n), first] = -np.inf
    second = off.max(1)
    right = own > best
    without = np.repeat(right[:, None].astype(np.float64), n, 1)
    without[np.arange(n), first] = own > second
    np.fill_diagonal(without, 0)
    return from_replicates(float(right.mean()), without.sum(0) / (n - 1), bounds=UNIT)


def _shifted(statistic: Statistic, by: float) -> Statistic:
    """Return a statistic on a scale with another zero."""
    value, low, high = (end + by for end in (statistic.value, statistic.low, statistic.high))
    return Statistic(value=value, low=low, high=high, n=statistic.n, reason=statistic.reason)
