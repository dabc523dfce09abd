"""Comparing two RSMs of the same images: CKA, RSA, whether they are related at all, and how sure that is.

Images are the independent units, not pairs: tests permute images, intervals leave out one image at a time. (A bootstrap
that draws images with replacement puts an image's similarity to itself off the diagonal: its 95 % interval covered
0 % in a simulation, `benchmarks/intervals.py`.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from semrsm_widgets.common import (
    Matrix,
    Meter,
    ProgressOption,
    check_choice,
    check_flag,
    check_function,
    check_int,
    interruptibly,
    large_heard,
    message,
)

from .centred import BIASED, PEARSON, UNBIASED, Centred, mean_free
from .spearman import Ranked, ranks, spearman_without_one
from .statistic import LEVEL, Statistic, UndefinedStatisticError, check_rsm, from_replicates
from .streamed import CONSTANT_TODO, is_streamed, streamed_alignment

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["pearson", "spearman", "kendall"]
RSMStatistic = Callable[..., float]

_THREAD = "semrsm-comparison"
METHODS = ("pearson", "spearman", "kendall")
LEAST_PERMUTATIONS, MOST_PERMUTATIONS = 19, 10_000_000


def cka(K: Any, L: Any, *, unbiased: bool = True) -> float:
    """Return the centred kernel alignment of two RSMs of the same images, in [-1, 1].

    <K', L'> / (‖K'‖‖L'‖), where K' is K with row and column means taken out. Unbiased leaves out the diagonal and
    centres the rest so that it is 0 on average for unrelated RSMs, and may be negative; biased is above 0 even for
    noise, the more the fewer images. A matched Gram need not be positive semi-definite; look at `smallest_eigenvalue`.

    Args:
        K: (N, N) symmetric RSM, N at least 4 (biased: 3); or, with L, a `StreamedRSM`.
        L: (N, N) symmetric RSM of the same images in the same order.
        unbiased: False for the biased one.

    Raises:
        TypeError: not numbers.
        ValueError: different sizes, too few images, not symmetric, NaN.
        UndefinedStatisticError: an RSM is constant once centred. It is a ValueError, too.

    References:
        Kornblith et al., arXiv:1905.00414, eq. 4 (biased); Song et al., JMLR 13 (2012), eq. 5 (unbiased HSIC).

    Example:
        >>> K = np.cov(np.random.default_rng(0).normal(size=(5, 30)))
        >>> round(cka(K, 2 * K + 1), 12)
        1.0
    """
    product = UNBIASED if check_flag("unbiased", unbiased) else BIASED
    if is_streamed(K, L):
        return streamed_alignment(product, K, L)[0]
    with Meter("Comparing the pairs"):
        return large_heard(lambda: _cosine(product, K, L), _THREAD, K, L)


def rsa(K: Any, L: Any, *, method: Method = "spearman") -> float:
    """Return the correlation of two RSMs' off-diagonal entries, in [-1, 1].

    Args:
        K: (N, N) symmetric RSM, N at least 3; or, with L and by "pearson", a `StreamedRSM`.
        L: (N, N) symmetric RSM of the same images in the same order.
        method: "pearson", "spearman" or "kendall" (tau-b).

    Raises:
        TypeError: not numbers.
        ValueError: different sizes, too few images, not symmetric, NaN.
        UndefinedStatisticError: an RSM is constant off its diagonal. It is a ValueError, too.

    References:
        Kriegeskorte et al., Frontiers in Systems Neuroscience 2:4 (2008).

    Example:
        >>> K = np.cov(np.random.default_rng(0).normal(size=(5, 30)))
        >>> rsa(K, np.exp(K))
        1.0
    """
    check_choice("method", method, METHODS)
    if is_streamed(K, L):
        return streamed_alignment(_check_sum(method), K, L)[0]
    with Meter("Comparing the pairs"):
        return large_heard(lambda: _correlation(method, K, L), _THREAD, K, L)


def rsa_of_ranks(one: Ranked, other: Ranked) -> Statistic:
    """Return `jackknife(rsa, K, L)` of two RSMs of the same images that were ranked before, as for many comparisons.

    Raises:
        UndefinedStatisticError: an RSM is constant off its diagonal.
    """
    for name, side in (("K", one), ("L", other)):
        if not side.ranks.any():
            raise UndefinedStatisticError(message(name, "an RSM that varies", "a constant one", CONSTANT_TODO))
    K, L = one.ranks, other.ranks
    value = float(np.clip(np.vdot(K, L) / np.sqrt(np.vdot(K, K) * np.vdot(L, L)), -1, 1))
    return from_replicates(value, spearman_without_one(one, other), bounds=(-1, 1))


def smallest_eigenvalue(K: Any) -> float:
    """Return the smallest eigenvalue of an RSM, relative to its largest in magnitude; below 0, it is no Gram matrix.

    CKA is derived for positive semi-definite matrices, which optimal assignment kernels need not be. It is still a
    cosine between centred matrices then, but no kernel alignment: say so.

    Args:
        K: (N, N) symmetric RSM.

    References:
        Vert, arXiv:0801.4061.

    Example:
        >>> smallest_eigenvalue(np.array([[1.0, 0.5], [0.5, 1.0]]))
        0.333...
    """
    with Meter("Finding the eigenvalues"):
        values = interruptibly(lambda: np.linalg.eigvalsh(check_rsm("K", K, least=1)), _THREAD)  # seconds from N = 2000
    peak = float(np.abs(values).max())
    return float(values[0] / peak) if peak > 0 else 0.0


def jackknife(
    statistic: RSMStatistic,
    *rsms: Any,
    level: float = LEVEL,
    exact: bool = False,
    progress: ProgressOption = None,
) -> Statistic:
    """Return a statistic of RSMs with its interval, from leaving out one image at a time.

    `cka` and `rsa` by "pearson" come from sums that are taken once, `rsa` by "spearman" from values that are sorted
    once (its interval is right to 1e-3 of its width); other statistics are computed anew without each image.

    Args:
        statistic: `cka`, `rsa`, a `partial` of them, or any function of (N, N) RSMs that returns a number in [-1, 1].
        rsms: the (N, N) RSMs that it takes; of `cka` and `rsa` by "pearson" also two `StreamedRSM`.
        level: coverage of the interval.
        exact: whether every statistic is computed anew without each image, which takes N times as long.
        progress: None shows how far it is, once it has lasted 2 s, in a notebook or on a terminal (`options.progress`);
            False does not. A function is called instead, with (images left out, images in all), where a statistic is
            computed anew; it may raise to cancel.

    Raises:
        ValueError: what the statistic raises.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> K, L = (np.cov(rng.normal(size=(20, 50))) for _ in range(2))
        >>> jackknife(cka, K, L)
        Statistic(... [..., ...], n=20)
    """
    check_statistic(statistic)
    exact = check_flag("exact", exact)
    product = _product_of(statistic)
    with Meter("Leaving out one image at a time", progress, unit="images") as meter:
        if is_streamed(*rsms):
            meter.costs = [1.0]  # all at once, in a few passes over the rows
            meter(0, 1)
            found = _streamed_jackknife(statistic, rsms, level)
            meter(1, 1)
            return found
        matrices = large_heard(
            lambda: [check_rsm(f"rsms[{k}]", rsm, least=2) for k, rsm in enumerate(rsms)], _THREAD, *rsms
        )
        n = len(matrices[0])
        is_short = len(matrices) == 2 and not exact
        value = statistic(*matrices)
        if n - 1 < (product.least if product else 2):
            return Statistic(value=value, n=n, reason=f"no interval: needs more than {n} images")
        if product and is_short:
            replicates = large_heard(
                lambda: _alignments_without_one(product, *_prepared(product, *matrices)), _THREAD, *matrices
            )
        elif _is_spearman(statistic) and is_short:
            replicates = large_heard(lambda: spearman_without_one(*map(Ranked.of, matrices)), _THREAD, *matrices)
        else:
            replicates = np.full(n, nan)
            for i in range(n):
                meter(i, n)
                rest = [np.delete(np.delete(matrix, i, 0), i, 1) for matrix in matrices]
                replicates[i] = _or_nan(statistic, rest)
            meter(n, n)
    return from_replicates(value, replicates, bounds=(-1, 1), level=level)


@dataclass(frozen=True, kw_only=True)
class PermutationTest:
    """Whether two RSMs are related beyond chance.

    Attributes:
        value: the statistic.
        p_value: share of permutations, the identity among them, that reach it: one-sided, for a relation that is
            positive. Never below 1 / (n + 1).
        null_mean: mean of the statistic under permutation.
        null_quantile95: its 95 % quantile.
        n: number of random permutations.
    """

    value: float
    p_value: float
    null_mean: float
    null_quantile95: float
    n: int

    def __repr__(self) -> str:
        null = f"by chance {self.null_mean:.4g}, 95 % below {self.null_quantile95:.4g}"
        return f"PermutationTest({self.value:.4g}, p={self.p_value:.4g}; {null}, n={self.n})"


def permutation_test(
    statistic: RSMStatistic, K: Any, L: Any, *, n: int = 999, seed: int = 0, progress: ProgressOption = None
) -> PermutationTest:
    """Return whether two RSMs are related beyond chance, from permuting the images (not the pairs) of one of them.

    Args:
        statistic: `cka`, `rsa`, a `partial` of them, or any function of two (N, N) RSMs; large where they agree.
        K: (N, N) RSM.
        L: (N, N) RSM of the same images in the same order.
        n: number of random permutations.
        seed: of the permutations.
        progress: as for `jackknife`, with (permutations done, permutations in all).

    Raises:
        ValueError: what the statistic raises, or n < 19 (no p-value below 5 % could come out).

    Example:
        >>> K = np.cov(np.random.default_rng(0).normal(size=(20, 50)))
        >>> permutation_test(cka, K, K, n=99).p_value
        0.01
    """
    check_statistic(statistic)
    check_permutations("n", n)
    K, L = large_heard(lambda: _checked(K, L, 2), _THREAD, K, L)
    rng = np.random.default_rng(check_int("seed", seed, minimum=0))
    product = _product_of(statistic)
    null = np.zeros(n)
    with Meter("Permuting the images", progress, unit="permutations") as meter:
        meter(0, n)
        value = statistic(K, L)
        if _is_spearman(statistic):
            product = PEARSON
            K, L = large_heard(lambda: (ranks(K), ranks(L)), _THREAD, K)  # ranks are permuted with the images
        left, right, norm, agreement = K, L, 1.0, statistic
        if product is not None:
            left, right = large_heard(lambda: _prepared(product, K, L), _THREAD, K)
            norm, agreement = np.sqrt(product.of(left, left) * product.of(right, right)), product.of
        for k in range(n):
            meter(k, n)
            order = rng.permutation(len(K))
            null[k] = large_heard(partial(_permuted, agreement, left, right, order), _THREAD, K) / norm
        meter(n, n)
    reached = int(np.sum(null >= value - 1e-12))
    return PermutationTest(
        value=value,
        p_value=(1 + reached) / (n + 1),
        null_mean=float(null.mean()),
        null_quantile95=float(np.quantile(null, 0.95)),
        n=n,
    )


def _permuted(agreement: RSMStatistic, K: Matrix, L: Matrix, order: NDArray[np.int64]) -> float:
    """Return how well two RSMs agree with the images of one permuted."""
    return agreement(K, L[np.ix_(order, order)])


def check_statistic(value: Any) -> RSMStatistic:
    """Return the statistic, or raise before anything is computed."""
    return check_function("statistic", value, "a function of RSMs, such as srsm.cka or srsm.rsa")


def check_permutations(name: str, n: Any) -> int:
    """Return a number of permutations of which a p-value can be read."""
    todo = "Fewer permutations cannot reach p = 0.05."
    return check_int(name, n, minimum=LEAST_PERMUTATIONS, maximum=MOST_PERMUTATIONS, todo=todo)


def doubly_centred(K: Any) -> Matrix:
    """Return an RSM without row and column effects: off-diagonal entries centred as unbiased CKA does, diagonal 0.

    Some images are similar to all others (hubs, large norms); what is left says which pairs are more alike than
    their two images' levels explain. The Pearson correlation of two such matrices is their unbiased CKA.

    Args:
        K: (N, N) symmetric RSM, N at least 4.

    References:
        Székely & Rizzo, Annals of Statistics 42 (2014), definition 2 (U-centring).
    """
    matrix = mean_free(check_rsm("K", K, least=4), diagonal=False)
    n, rows = len(matrix), matrix.sum(1)
    centred: Matrix = matrix - np.add.outer(rows, rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0)
    return centred


def _cosine(product: Centred, K: Any, L: Any) -> float:
    """Return <K, L> / (‖K‖‖L‖) in a centred inner product, of whatever a user gave."""
    return _alignment(product, *_prepared(product, *_checked(K, L, product.least)))


def _correlation(method: Method, K: Any, L: Any) -> float:
    """Return the correlation of off-diagonal entries, of whatever a user gave."""
    K, L = _checked(K, L, PEARSON.least)
    if method == "spearman":
        K, L = ranks(K), ranks(L)
    value = _alignment(PEARSON, *_prepared(PEARSON, K, L))  # raises where constant
    return _kendall(K, L) if method == "kendall" else value


def _kendall(K: Matrix, L: Matrix) -> float:
    """Return Kendall's tau-b of two RSMs' off-diagonal entries."""
    from scipy.stats import kendalltau  # here: it takes a third of a second, which most sessions never need

    upper = np.triu_indices(len(K), 1)
    return float(kendalltau(K[upper], L[upper]).statistic)


def _checked(K: Any, L: Any, least: int) -> tuple[Matrix, Matrix]:
    """Return two RSMs of the same number of images."""
    left, right = check_rsm("K", K, least=least), check_rsm("L", L, least=least)
    if left.shape != right.shape:
        todo = "Both must be RSMs of the same images in the same order."
        raise ValueError(message("L", f"of the shape of K, {left.shape}", str(right.shape), todo))
    return left, right


def _prepared(product: Centred, K: Matrix, L: Matrix) -> tuple[Matrix, Matrix]:
    left, right = (mean_free(_to_unit_scale(each), diagonal=product.diagonal) for each in (K, L))
    return left, right


def _to_unit_scale(K: Matrix) -> Matrix:
    """Return a matrix divided by a power of two, so that squares of its entries neither overflow nor vanish."""
    return np.ldexp(K, -int(np.frexp(np.abs(K).max())[1]))


def _alignment(product: Centred, K: Matrix, L: Matrix) -> float:
    """Return <K, L> / (‖K‖‖L‖) in a centred inner product."""
    for name, matrix in (("K", K), ("L", L)):
        if not product.varies(matrix):
            raise UndefinedStatisticError(message(name, "an RSM that varies", "a constant one", CONSTANT_TODO))
    value = product.of(K, L) / np.sqrt(product.of(K, K) * product.of(L, L))
    return float(np.clip(value, -1, 1))


def _alignments_without_one(product: Centred, K: Matrix, L: Matrix) -> NDArray[np.float64]:
    """Return (N,) the alignments without image i; NaN where one is undefined."""
    cross, left, right = product.without_one(K, L), product.without_one(K, K), product.without_one(L, L)
    varies = (left > product.floor(K)) & (right > product.floor(L))
    values: NDArray[np.float64] = np.full(len(K), nan)
    np.divide(cross, np.sqrt(np.maximum(left * right, 0)), out=values, where=varies)
    return values


def _is_spearman(statistic: RSMStatistic) -> bool:
    function, options = _options(statistic)
    return function is rsa and options.get("method", "spearman") == "spearman"


def _streamed_jackknife(statistic: RSMStatistic, rsms: tuple[Any, ...], level: float) -> Statistic:
    """Return a statistic of RSMs that are read in blocks, with its interval."""
    function, options = _options(statistic)
    if function is rsa:
        _check_sum(options.get("method", "spearman"))
    product = _product_of(statistic)
    if product is None or len(rsms) != 2:
        got, todo = repr(statistic), "Compare a part of the images: analysis.select(images)."
        expected = 'cka, or rsa by "pearson", of two RSMs that are read in blocks'
        raise ValueError(message("statistic", expected, got, todo))
    value, replicates = streamed_alignment(product, *rsms, intervals=True)
    n = rsms[0].shape[0]
    if replicates is None or n - 1 < product.least:
        return Statistic(value=value, n=n, reason=f"no interval: needs more than {n} images")
    return from_replicates(value, replicates, bounds=(-1, 1), level=level)


def _check_sum(method: str) -> Centred:
    """Return Pearson's inner product, or raise for a method that needs the ranks of all pairs."""
    if method != "pearson":
        todo = "Ranks need all pairs at once: compare a part of the images, analysis.select(images)."
        raise ValueError(message("method", '"pearson", of RSMs that are read in blocks', f'"{method}"', todo))
    return PEARSON


def _or_nan(statistic: RSMStatistic, matrices: list[Matrix]) -> float:
    """Return the statistic, NaN where it is undefined."""
    try:
        return statistic(*matrices)
    except UndefinedStatisticError:
        return nan


def _options(statistic: RSMStatistic) -> tuple[RSMStatistic, dict[str, Any]]:
    """Return a function and what a `partial` fixed of it."""
    return (statistic.func, statistic.keywords) if isinstance(statistic, partial) else (statistic, {})


def _product_of(statistic: RSMStatistic) -> Centred | None:
    """Return the centred inner product whose cosine a statistic is, or None: these need no loop over images."""
    function, options = _options(statistic)
    if function is cka:
        return UNBIASED if options.get("unbiased", True) else BIASED
    return PEARSON if function is rsa and options.get("method") == "pearson" else None
