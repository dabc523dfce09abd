"""Are two layers, or two models, alike? Layer by layer tables of CKA or RSA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.analysis import KEPT_LAYERS, check_analysis, layer_costs
from semrsm_widgets.common import (
    Matrix,
    Meter,
    ProgressOption,
    Row,
    check_choice,
    check_int,
    check_several,
    frame_of,
    message,
)
from semrsm_widgets.rsm import PATCH_SIMILARITIES, SIMILARITIES, Kernel, check_kernel, cosine, kernel_name
from semrsm_widgets.statistics import (
    RSMStatistic,
    UndefinedStatisticError,
    check_permutations,
    check_statistic,
    cka,
    jackknife,
    permutation_test,
    smallest_eigenvalue,
    undefined,
)

from .scores import chosen_layers, rsms_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.analysis import Analysis


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPair(Row):
    """How alike two layers are.

    Attributes:
        layer_a: a layer of the first analysis.
        layer_b: a layer of the second.
        kernel: the kernel's name.
        similarity: which RSMs were compared: "aligned", "semantic", "pooled" or "class token".
        statistic: the statistic's name.
        value: the statistic; NaN where undefined.
        low: lower end of the 95 % interval.
        high: upper end.
        n: number of images.
        p_value: of the permutation test, one-sided; NaN unless asked for.
        smallest_eigenvalue_a: of the RSM of layer_a, relative to the largest; below 0 it is no Gram matrix.
        smallest_eigenvalue_b: of the RSM of layer_b.
        reason: why the value or its interval is NaN.
    """

    layer_a: str
    layer_b: str
    kernel: str
    similarity: str
    statistic: str
    value: float
    low: float
    high: float
    n: int
    p_value: float
    smallest_eigenvalue_a: float
    smallest_eigenvalue_b: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Layer by layer, how alike two analyses are.

    Attributes:
        layers_a: layers of the first analysis, in depth order.
        layers_b: layers of the second.
        rows: one for each pair of layers and similarity.
    """

    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    rows: tuple[LayerPair, ...]

    def __repr__(self) -> str:
        return f"Comparison({len(self.layers_a)} x {len(self.layers_b)} layers, {self.rows[0].statistic})"

    def table(self, similarity: str = "semantic") -> NDArray[np.float64]:
        """Return (layers_a, layers_b) the values of one similarity."""
        check_choice("similarity", similarity, dict.fromkeys(row.similarity for row in self.rows))
        found = {(row.layer_a, row.layer_b): row.value for row in self.rows if row.similarity == similarity}
        return np.array([[found.get((a, b), nan) for b in self.layers_b] for a in self.layers_a])

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame` in long form: a line for each pair of layers and similarity."""
        return frame_of(self.rows, LayerPair)


def compare(
    analysis_a: Analysis,
    analysis_b: Analysis | None = None,
    *,
    statistic: RSMStatistic = cka,
    kernel: Kernel = cosine,
    similarities: Sequence[str] = PATCH_SIMILARITIES,
    layers_a: Sequence[str] | None = None,
    layers_b: Sequence[str] | None = None,
    permutations: int = 0,
    seed: int = 0,
    progress: ProgressOption = None,
) -> Comparison:
    """Return how alike the layers of two analyses of the same images are, or of one with itself.

    Args:
        analysis_a: images and tokens of one model.
        analysis_b: of another model, the same images in the same order; None compares the layers of the first.
        statistic: `cka`, `rsa`, or a `partial` of them.
        kernel: of the RSMs; the RBF takes the width of each layer.
        similarities: which RSMs to compare.
        layers_a: some of the layers of the first; None takes all.
        layers_b: some of the layers of the second.
        permutations: random permutations of the images for a p-value; 0 for none.
        seed: of the permutations.
        progress: as for `matched_gram`, with (layer pairs done, layer pairs in all).

    Raises:
        TypeError: not an Analysis.
        ValueError: different images or another order, or fewer than 4 images.

    Example:
        >>> comparison = compare(analysis, other)
        >>> comparison.to_frame()
    """
    check_statistic(statistic)
    check_kernel(kernel)
    similarities = check_several("similarities", similarities, f"some of {', '.join(SIMILARITIES)}")
    for name in similarities:
        check_choice("similarities", name, SIMILARITIES)
    if check_int("permutations", permutations, minimum=0):
        check_permutations("permutations", permutations)
    check_int("seed", seed, minimum=0)
    left = check_analysis(analysis_a, name="analysis_a", at_least=4)
    right = left if analysis_b is None else check_analysis(analysis_b, name="analysis_b", at_least=4)
    check_same_images(left, right)
    rows_of, columns_of = chosen_layers(left, layers_a, "layers_a"), chosen_layers(right, layers_b, "layers_b")
    rows: list[LayerPair] = []
    total = len(rows_of) * len(columns_of)
    each = _SECONDS_PER_ENTRY * len(left) ** 2 * len(similarities) * (1 + permutations)
    with Meter("Comparing layers", progress, unit="layer pairs", kept=KEPT_LAYERS) as meter:
        matching = sum(layer_costs(left, rows_of)) + sum(layer_costs(right, columns_of))
        meter.costs = [matching + each, *[each] * (total - 1)]
        meter(0, total)
        with meter.part(matching / (matching + each)):
            sides = _all_rsms(((left, rows_of), (right, columns_of)), kernel, similarities)
        for done, (a, b) in enumerate(product(rows_of, columns_of)):
            for name in similarities:
                if name in sides[0][a] and name in sides[1][b]:
                    pair = (sides[0][a][name], sides[1][b][name])
                    words = {"layer_a": a, "layer_b": b, "kernel": kernel_name(kernel), "similarity": name}
                    rows.append(_row(words, pair, statistic, len(left), permutations, seed))
            meter(done + 1, total)
    if not rows:
        raise ValueError(message("similarities", "some that both analyses have", str(list(similarities))))
    return Comparison(layers_a=rows_of, layers_b=columns_of, rows=tuple(rows))


_SECONDS_PER_ENTRY = 3e-8
"""Of an RSM, roughly: what a statistic takes."""
_Side = tuple["Matrix | ValueError", float]


def _all_rsms(
    given: Sequence[tuple[Analysis, Sequence[str]]], kernel: Kernel, similarities: Sequence[str]
) -> list[dict[str, dict[str, _Side]]]:
    """Return the wanted RSMs of the layers of each analysis."""
    sides: list[dict[str, dict[str, _Side]]] = [{} for _ in given]
    wanted = [
        (side, analysis, layer) for side, (analysis, layers) in zip(sides, given, strict=True) for layer in layers
    ]
    with Meter("Making the RSMs", unit="layers") as meter:
        meter.costs = [layer_costs(analysis, [layer])[0] for _, analysis, layer in wanted]
        for done, (side, analysis, layer) in enumerate(wanted):
            meter(done, len(wanted))
            side[layer] = _rsms(analysis, layer, kernel, similarities)
        meter(len(wanted), len(wanted))
    return sides


def _rsms(analysis: Analysis, layer: str, kernel: Kernel, names: Sequence[str]) -> dict[str, _Side]:
    """Return the wanted RSMs of a layer, each with its smallest eigenvalue."""
    found = rsms_of(analysis, layer, kernel)
    return {
        name: (found[name], nan if isinstance(found[name], ValueError) else smallest_eigenvalue(found[name]))
        for name in names
        if name in found
    }


def _row(
    words: dict[str, str], pair: tuple[_Side, _Side], statistic: RSMStatistic, n: int, permutations: int, seed: int
) -> LayerPair:
    """Return one line of the table; where the statistic is undefined, with the reason."""
    (K, lowest_a), (L, lowest_b) = pair
    p_value = nan
    try:
        for matrix in (K, L):
            if isinstance(matrix, ValueError):
                raise UndefinedStatisticError(str(matrix))
        answer = jackknife(statistic, K, L)
        if permutations:
            p_value = permutation_test(statistic, K, L, n=permutations, seed=seed).p_value
    except UndefinedStatisticError as error:
        answer = undefined(error, n)
    return LayerPair(
        **words,
        statistic=kernel_name(statistic),
        value=answer.value,
        low=answer.low,
        high=answer.high,
        n=answer.n,
        p_value=p_value,
        smallest_eigenvalue_a=lowest_a,
        smallest_eigenvalue_b=lowest_b,
        reason=answer.reason,
    )


def check_same_images(a: Analysis, b: Analysis) -> None:
    """Raise unless two analyses hold the same images in the same order."""
    left, right = a.images.ids, b.images.ids
    if left == right:
        return
    if set(left) == set(right) and len(left) == len(right):
        todo = "Order them alike: images.select([...]), then extract again."
        raise ValueError(message("analysis_b", "of the same images in the same order", "another order", todo))
    only = [ident for ident in left if ident not in set(right)] + [ident for ident in right if ident not in set(left)]
    got = f"{len(only)} that are in one of them only, such as {only[0]!r}"
    raise ValueError(message("analysis_b", "of the same images", got, "Extract both from one Images."))
