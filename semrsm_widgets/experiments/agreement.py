"""Does the representation agree with the output? Similarity against the divergence of the predicted classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from semrsm_widgets.analysis import KEPT_LAYERS, check_analysis, layer_costs
from semrsm_widgets.common import Matrix, Meter, ProgressOption, check_flag, large_heard, message
from semrsm_widgets.rsm import Kernel, cosine, inner_product, kernel_name, rbf
from semrsm_widgets.statistics import (
    Ranked,
    Statistic,
    UndefinedStatisticError,
    cka,
    doubly_centred,
    jackknife,
    js_divergence,
    rsa,
    rsa_of_ranks,
    undefined,
)

from .scores import ScoreKey, Scores, chosen_kernels, chosen_layers, rsms_of, score

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis


class _Output(NamedTuple):
    """The divergence of the predictions (N, N), and what every comparison with it needs."""

    divergence: Matrix
    ranked: Ranked
    ranked_centred: Ranked

    @classmethod
    def of(cls, divergence: Matrix) -> _Output:
        """Return it, ranked once for all comparisons."""
        return cls(divergence, Ranked.of(divergence), Ranked.of(doubly_centred(divergence)))


MEASURES: dict[str, Callable[[Matrix, _Output], Statistic]] = {
    "pearson": lambda K, output: jackknife(partial(rsa, method="pearson"), K, output.divergence),
    "spearman": lambda K, output: rsa_of_ranks(Ranked.of(K), output.ranked),
    # The Pearson correlation of doubly centred RSMs is their unbiased CKA.
    "pearson, double-centred": lambda K, output: jackknife(cka, K, output.divergence),
    # Centred once, not anew without each image: the interval covers as well (`benchmarks/intervals.py`).
    "spearman, double-centred": lambda K, output: rsa_of_ranks(Ranked.of(doubly_centred(K)), output.ranked_centred),
}

_THREAD = "semrsm-comparison"
_SECONDS_PER_ENTRY = 2e-6
"""Of an RSM, roughly: what its correlations with the output take."""
_SECONDS_PER_CLASS = 1e-8
"""Of a pair of images, roughly: what the divergence of their predictions takes."""


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
        scoring = _SECONDS_PER_ENTRY * len(kernels) * len(analysis) ** 2
        predictions = _SECONDS_PER_CLASS * len(analysis) * analysis.probabilities.size
        meter.costs = [cost + scoring for cost in matching]
        meter.costs[0] += predictions
        meter(0, len(names))
        with meter.part(predictions / meter.costs[0]):
            divergence = js_divergence(analysis.probabilities)
        output = large_heard(lambda: _Output.of(divergence), _THREAD, divergence)
        for done, layer in enumerate(names):
            if done:
                meter(done, len(names))
            with meter.part(matching[done] / meter.costs[done]):
                analysis.gram(layer)
            for kernel in kernels:
                for similarity, K in rsms_of(analysis, layer, kernel, centred=centred).items():
                    key = ScoreKey(layer=layer, kernel=kernel_name(kernel), similarity=similarity)
                    rows += [
                        score(key, name, _answer(measure, K, output), chance=0.0) for name, measure in MEASURES.items()
                    ]
        meter(len(names), len(names))
    return Scores(question="Does the representation agree with the output?", rows=tuple(rows))


def _answer(measure: Callable[[Matrix, _Output], Statistic], K: Matrix | ValueError, output: _Output) -> Statistic:
    """Return a measure of a similarity; where it or the similarity is undefined, with the reason."""
    try:
        if isinstance(K, ValueError):
            raise UndefinedStatisticError(str(K))
        return large_heard(lambda: measure(K, output), _THREAD, K)
    except UndefinedStatisticError as error:
        return undefined(error, len(output.divergence))
