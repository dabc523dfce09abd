"""Does the representation agree with the output? Similarity against the divergence of the predicted classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from semrsm_widgets.analysis import check_analysis
from semrsm_widgets.common import Matrix, Progress, message
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

from .scores import ScoreKey, Scores, chosen_layers, rsms_of, score

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis


class _Output(NamedTuple):
    """The divergence of the predictions (N, N), and what every comparison with it needs."""

    divergence: Matrix
    ranked: Ranked
    ranked_centred: Ranked


MEASURES: dict[str, Callable[[Matrix, _Output], Statistic]] = {
    "pearson": lambda K, output: jackknife(partial(rsa, method="pearson"), K, output.divergence),
    "spearman": lambda K, output: rsa_of_ranks(Ranked.of(K), output.ranked),
    # The Pearson correlation of doubly centred RSMs is their unbiased CKA.
    "pearson, double-centred": lambda K, output: jackknife(cka, K, output.divergence),
    # Centred once, not anew without each image: the interval covers as well (`benchmarks/intervals.py`).
    "spearman, double-centred": lambda K, output: rsa_of_ranks(Ranked.of(doubly_centred(K)), output.ranked_centred),
}


def output_agreement(
    analysis: Analysis,
    *,
    kernels: Sequence[Kernel] = (cosine, inner_product, rbf),
    layers: Sequence[str] | None = None,
    centred: bool = False,
    progress: Progress | None = None,
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
        progress: called with (layers done, layers in all); may raise to cancel.

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
    divergence = js_divergence(analysis.probabilities)
    output = _Output(divergence, Ranked.of(divergence), Ranked.of(doubly_centred(divergence)))
    rows = []
    names = chosen_layers(analysis, layers)
    for done, layer in enumerate(names):
        for kernel in kernels:
            for similarity, K in rsms_of(analysis, layer, kernel, centred=centred).items():
                key = ScoreKey(layer=layer, kernel=kernel_name(kernel), similarity=similarity)
                for measure, statistic in MEASURES.items():
                    try:
                        if isinstance(K, ValueError):
                            raise UndefinedStatisticError(str(K))
                        answer = statistic(K, output)
                    except UndefinedStatisticError as error:
                        answer = undefined(error, len(analysis))
                    rows.append(score(key, measure, answer, chance=0.0))
        if progress is not None:
            progress(done + 1, len(names))
    return Scores(question="Does the representation agree with the output?", rows=tuple(rows))
