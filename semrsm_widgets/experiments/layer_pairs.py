"""Are two layers, or two models, alike? Layer by layer tables of CKA or RSA."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from semrsm_widgets.analysis import KEPT_LAYERS, check_analysis, layer_costs
from semrsm_widgets.common import (
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
    Statistic,
    UndefinedStatisticError,
    check_permutations,
    check_rsm,
    check_statistic,
    cka,
    is_spearman,
    is_streamed,
    jackknife_ready,
    make_ready,
    permutation_test,
    product_of,
    relative_smallest,
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
    making, each = comparing_seconds(statistic, len(left), len(similarities), permutations)
    with Meter("Comparing layers", progress, unit="layer pairs", kept=KEPT_LAYERS) as meter:
        sides = {(id(analysis), layer) for analysis, names in ((left, rows_of), (right, columns_of)) for layer in names}
        matching = sum(layer_costs(left, rows_of)) + sum(layer_costs(right, columns_of)) + making * len(sides)
        meter.costs = _costs(product(rows_of, columns_of), each, mirrored=right is left)
        meter.costs[0] += matching
        meter(0, total)
        asked = _Asked(statistic, kernel, similarities, permutations, seed)
        with meter.part(matching / (matching + each)):
            made = _all_sides(((left, rows_of), (right, columns_of)), asked)
        found: dict[tuple[str, str, str], tuple[Statistic, float]] = {}
        for done, (a, b) in enumerate(product(rows_of, columns_of)):
            for name in similarities:
                if name in made[0][a] and name in made[1][b]:
                    one, other = made[0][a][name], made[1][b][name]
                    known = found.get((b, a, name)) if right is left else None
                    answer = found[a, b, name] = _answer(one, other, asked, len(left)) if known is None else known
                    rows.append(_row((a, b, name), (one, other), asked, *answer))
            meter(done + 1, total)
    if not rows:
        raise ValueError(message("similarities", "some that both analyses have", str(list(similarities))))
    return Comparison(layers_a=rows_of, layers_b=columns_of, rows=tuple(rows))


_MAKING = {True: 1.5e-7, False: 8e-8}
"""Seconds for each entry of an RSM to make it ready for Spearman's correlation, and for CKA or Pearson's."""
_SPECTRUM = 1000, 1.3e-7
"""Images above which the smallest eigenvalue is found step by step, and seconds for each entry that this takes more."""
_COMPARING = {True: 3e-8, False: 6e-9}
"""Seconds for each entry to compare two that are ready."""
_PERMUTED = 8e-9
"""Seconds for each entry of a permutation."""
_COUNTED_ANEW = 1.5e-7
"""Seconds for each entry of a statistic that is computed anew without each image."""
_LEAST_SECONDS = 5e-4, 2e-4
"""Of making one ready and of comparing two, whatever their size."""


def comparing_seconds(
    statistic: RSMStatistic, images: int, similarities: int, permutations: int
) -> tuple[float, float]:
    """Return what making a layer's RSMs ready takes, roughly, and comparing those of two layers.

    `benchmarks/experiments.py` holds it against what they took.
    """
    entries, by_ranks = images**2, is_spearman(statistic)
    making, comparing = _LEAST_SECONDS
    if by_ranks or product_of(statistic) is not None:
        making += _MAKING[by_ranks] * entries
        if images > _SPECTRUM[0]:
            making += _SPECTRUM[1] * entries
        comparing += (_COMPARING[by_ranks] + _PERMUTED * permutations) * entries
    else:
        comparing += _COUNTED_ANEW * (1 + images + permutations) * entries
    return making * similarities, comparing * similarities


def _costs(pairs: Iterable[tuple[str, str]], each: float, *, mirrored: bool) -> list[float]:
    """Return what each pair of layers takes: nothing where its mirror image was compared before."""
    seen: set[tuple[str, str]] = set()
    costs = []
    for a, b in pairs:
        costs.append(0.0 if mirrored and a != b and (b, a) in seen else each)
        seen.add((a, b))
    return costs


class _Asked(NamedTuple):
    """What is asked of each pair of layers."""

    statistic: RSMStatistic
    kernel: Kernel
    similarities: Sequence[str]
    permutations: int
    seed: int


class _Side(NamedTuple):
    """One RSM of a layer, as all comparisons with it need it.

    Attributes:
        rsm: itself where images are permuted, else None; an error where it is undefined.
        ready: what the statistic takes of it.
        smallest_eigenvalue: NaN where it is undefined, or the RSM is read some rows at a time.
    """

    rsm: Any
    ready: Any
    smallest_eigenvalue: float


def _all_sides(given: Sequence[tuple[Analysis, Sequence[str]]], asked: _Asked) -> list[dict[str, dict[str, _Side]]]:
    """Return the wanted RSMs of the layers of each analysis; those of one analysis are made once."""
    sides: list[dict[str, dict[str, _Side]]] = [{} for _ in given]
    wanted = [
        (side, analysis, layer) for side, (analysis, layers) in zip(sides, given, strict=True) for layer in layers
    ]
    made: dict[tuple[int, str], dict[str, _Side]] = {}
    with Meter("Making the RSMs", unit="layers") as meter:
        meter.costs = [layer_costs(analysis, [layer])[0] for _, analysis, layer in wanted]
        for done, (side, analysis, layer) in enumerate(wanted):
            meter(done, len(wanted))
            key = id(analysis), layer
            if key not in made:
                made[key] = _sides(analysis, layer, asked)
            side[layer] = made[key]
        meter(len(wanted), len(wanted))
    return sides


def _sides(analysis: Analysis, layer: str, asked: _Asked) -> dict[str, _Side]:
    """Return the wanted RSMs of a layer."""
    found = rsms_of(analysis, layer, asked.kernel)
    return {name: _side(found[name], asked) for name in asked.similarities if name in found}


def _side(rsm: Any, asked: _Asked) -> _Side:
    if isinstance(rsm, ValueError):
        return _Side(rsm, None, nan)
    if is_streamed(rsm):
        return _Side(rsm, rsm, nan)
    matrix = check_rsm("kernel", rsm, least=4)
    return _Side(matrix if asked.permutations else None, make_ready(asked.statistic, matrix), relative_smallest(matrix))


def _answer(one: _Side, other: _Side, asked: _Asked, n: int) -> tuple[Statistic, float]:
    """Return the statistic of two RSMs and its p-value (NaN if not asked for); undefined, with the reason."""
    p_value = nan
    try:
        for side in (one, other):
            if isinstance(side.rsm, ValueError):
                raise UndefinedStatisticError(str(side.rsm))
        answer = jackknife_ready(asked.statistic, one.ready, other.ready)
        if asked.permutations:
            test = permutation_test(asked.statistic, one.rsm, other.rsm, n=asked.permutations, seed=asked.seed)
            p_value = test.p_value
    except UndefinedStatisticError as error:
        answer = undefined(error, n)
    return answer, p_value


def _row(
    words: tuple[str, str, str], pair: tuple[_Side, _Side], asked: _Asked, answer: Statistic, p_value: float
) -> LayerPair:
    """Return one line of the table."""
    return LayerPair(
        layer_a=words[0],
        layer_b=words[1],
        kernel=kernel_name(asked.kernel),
        similarity=words[2],
        statistic=kernel_name(asked.statistic),
        value=answer.value,
        low=answer.low,
        high=answer.high,
        n=answer.n,
        p_value=p_value,
        smallest_eigenvalue_a=pair[0].smallest_eigenvalue,
        smallest_eigenvalue_b=pair[1].smallest_eigenvalue,
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
