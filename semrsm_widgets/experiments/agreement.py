"""Does the representation agree with the output? Similarity against the divergence of the predicted classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from semrsm_widgets.analysis import KEPT_LAYERS, check_analysis, layer_costs
from semrsm_widgets.common import Matrix, Meter, ProgressOption, check_flag, large_heard, message
from semrsm_widgets.rsm import Kernel, StreamedRSM, cosine, inner_product, kernel_name, rbf
from semrsm_widgets.statistics import (
    PEARSON,
    UNBIASED,
    Divergence,
    MeanFree,
    Ranked,
    RowsInFile,
    Statistic,
    UCentredRows,
    UndefinedStatisticError,
    aligned,
    check_rsm,
    cka,
    jackknife,
    js_divergence,
    rsa,
    rsa_of_ranks,
    u_centred,
    undefined,
)

from .scores import ScoreKey, Scores, chosen_kernels, chosen_layers, rsms_of, score

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis


MEASURES = ("pearson", "spearman", "pearson, double-centred", "spearman, double-centred")
_Answer = Statistic | UndefinedStatisticError


class _Output:
    """The divergence of the predictions (N, N), and what every comparison with it needs, once."""

    def __init__(self, divergence: Matrix) -> None:
        self._mean_free = MeanFree.of(divergence, diagonal=False)
        self._ranked, self._ranked_centred = Ranked.of(divergence), Ranked.of(u_centred(self._mean_free))

    def answers(self, K: Any) -> tuple[_Answer, ...]:
        """Return what MEASURES say of a similarity; an error where one is undefined."""
        matrix = check_rsm("kernel", K, least=4)
        mean_free = MeanFree.of(matrix, diagonal=False)
        # The Pearson correlation of doubly centred RSMs is their unbiased CKA.
        pearson, centred = aligned((PEARSON, UNBIASED), mean_free, self._mean_free)
        # Centred once, not anew without each image: the interval covers as well (`benchmarks/intervals.py`).
        return (
            pearson,
            _or_error(lambda: rsa_of_ranks(Ranked.of(matrix), self._ranked)),
            centred,
            _or_error(lambda: rsa_of_ranks(Ranked.of(u_centred(mean_free)), self._ranked_centred)),
        )


class _StreamedOutput:
    """The same for similarities that are read some rows at a time: the divergence lies in a file that goes with it."""

    def __init__(self, probabilities: Matrix, row_blocks: Sequence[slice], meter: Meter) -> None:
        of, n = Divergence(probabilities), len(probabilities)

        def rows() -> Iterator[Matrix]:
            for each in row_blocks:
                meter(each.start, n)
                yield of.of(each, slice(0, n))

        self._divergence = RowsInFile(rows(), row_blocks, n)
        self._centred = UCentredRows("output", self._divergence)

    def answers(self, K: Any) -> tuple[_Answer, ...]:
        """Return what MEASURES say of a similarity; an error where one is undefined."""
        return (
            _or_error(lambda: jackknife(partial(rsa, method="pearson"), K, self._divergence)),
            _or_error(lambda: jackknife(rsa, K, self._divergence)),
            _or_error(lambda: jackknife(cka, K, self._divergence)),
            _or_error(lambda: jackknife(rsa, UCentredRows("K", K), self._centred)),
        )


def _or_error(answer: Callable[[], Statistic]) -> _Answer:
    try:
        return answer()
    except UndefinedStatisticError as error:
        return error


_SECONDS_PER_ENTRY = 1.9e-7
"""Of a similarity, as `benchmarks/experiments.py` finds them: what its correlations with the output take."""
_SECONDS_PER_SIMILARITY = 1.5e-3
"""Whatever its size."""
_SIMILARITIES = 3
"""Of a layer, most often."""
_SECONDS_PER_CLASS = 4e-9
"""Of an entry of the divergence, for each class of the predictions."""


def scoring_seconds(images: int, classes: int) -> tuple[float, float]:
    """Return what the correlations of a kernel of a layer take, and the divergence of the predictions, roughly."""
    per_similarity = _SECONDS_PER_SIMILARITY + _SECONDS_PER_ENTRY * images**2
    return _SIMILARITIES * per_similarity, _SECONDS_PER_CLASS * images**2 * classes


def output_agreement(
    analysis: Analysis,
    *,
    kernels: Sequence[Kernel] = (cosine, inner_product, rbf),
    layers: Sequence[str] | None = None,
    centred: bool = False,
    progress: ProgressOption = None,
) -> Scores:
    """Return how each similarity goes with the Jensen-Shannon divergence of the predicted class probabilities.

    Correlations over pairs of images; *negative* where alike images get alike predictions. The raw figure is swamped
    by row effects: images that are near to all others, and predictions that are flat. Double-centred, only what a
    pair has beyond its two images' levels counts; 0 is then what an unrelated similarity reaches on average.

    Of an Analysis whose Grams are larger than its memory some rows are read at a time, several times over; the
    divergences, 8 N² bytes, lie in a temporary file meanwhile.

    Args:
        analysis: made with `probabilities=`.
        kernels: of the RSMs.
        layers: some of the layers; None takes all.
        centred: also the similarities of mean-free tokens ("semantic centred").
        progress: as for `matched_gram`, with (layers done, layers in all).

    Returns:
        Scores of the measures "pearson", "spearman", and both "double-centred", with jackknife intervals over images.

    Raises:
        ValueError: no probabilities, or fewer than 4 images.

    References:
        Wald et al., arXiv:2410.23107, Table 1.

    Example:
        >>> analysis = Analysis(images, tokens, model=model, probabilities=predict(model, images))
        >>> output_agreement(analysis).to_frame()
    """
    check_analysis(analysis, at_least=4)
    if analysis.probabilities is None:
        todo = "Pass them: Analysis(images, tokens, probabilities=predict(model, images))."
        raise ValueError(message("analysis", "one with class probabilities", "one without", todo))
    rows = []
    names, kernels = chosen_layers(analysis, layers), chosen_kernels(kernels)
    centred = check_flag("centred", centred)
    with Meter("Comparing with the output", progress, unit="layers", kept=KEPT_LAYERS) as meter:
        matching = layer_costs(analysis, names)
        scoring, predictions = scoring_seconds(*analysis.probabilities.shape)
        meter.costs = [cost + scoring * len(kernels) for cost in matching]
        meter.costs[0] += predictions
        meter(0, len(names))
        output: _Output | _StreamedOutput | None = None
        if not analysis.is_beyond_memory:
            with meter.part(predictions / meter.costs[0]):
                divergence = js_divergence(analysis.probabilities)
                output = large_heard(lambda: _Output(divergence), divergence)
        for done, layer in enumerate(names):
            if done:
                meter(done, len(names))
            with meter.part(matching[done] / meter.costs[done]):
                analysis.gram(layer)
            for kernel in kernels:
                with meter.part(0.0):
                    found = rsms_of(analysis, layer, kernel, centred=centred)
                for similarity, K in found.items():
                    if output is None and isinstance(K, StreamedRSM):
                        with Meter("Comparing the predictions", unit="images") as inner:
                            output = _StreamedOutput(analysis.probabilities, K.row_blocks(), inner)
                    key = ScoreKey(layer=layer, kernel=kernel_name(kernel), similarity=similarity)
                    with meter.part(scoring / len(found) / meter.costs[done]):
                        answers = _answers(K, output)
                    for name, told in zip(MEASURES, answers, strict=True):
                        value = undefined(told, len(analysis)) if isinstance(told, ValueError) else told
                        rows.append(score(key, name, value, chance=0.0))
        meter(len(names), len(names))
    return Scores(question="Does the representation agree with the output?", rows=tuple(rows))


def _answers(
    K: Matrix | StreamedRSM | ValueError, output: _Output | _StreamedOutput | None
) -> Sequence[Statistic | ValueError]:
    """Return what MEASURES say of a similarity; errors where they, or the similarity, are undefined."""
    if isinstance(K, ValueError):
        return [K] * len(MEASURES)
    assert output is not None, "it was made for the first similarity that has a value"
    if isinstance(K, StreamedRSM):
        return output.answers(K)
    return large_heard(lambda: output.answers(K), K)
