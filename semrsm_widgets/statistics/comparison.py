"""Comparing two RSMs of the same images: CKA, RSA, whether they are related at all, and how sure that is.

Images are the independent units, not pairs: tests permute images, intervals leave out one image at a time. (A bootstrap
that draws images with replacement puts an image's similarity to itself off the diagonal: its 95 % interval covered
0 % in a simulation, `benchmarks/intervals.py`.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import nan
from typing import Any, Literal

import numpy as np

from semrsm_widgets.common import (
    Matrix,
    Meter,
    ProgressOption,
    check_choice,
    check_flag,
    check_function,
    large_heard,
    message,
)

from .centred import BIASED, PEARSON, UNBIASED, Centred, MeanFree, alignment, alignments, u_centred
from .spearman import Ranked, spearman, spearman_without_one
from .statistic import LEVEL, Statistic, UndefinedStatisticError, check_rsm, from_replicates
from .streamed import CONSTANT_TODO, is_streamed, streamed_alignment
from .streamed_ranks import streamed_spearman

Method = Literal["pearson", "spearman", "kendall"]
RSMStatistic = Callable[..., float]

METHODS = ("pearson", "spearman", "kendall")
_KENDALL_BYTES = 90
"""That Kendall's tau takes for each of N² entries, as measured: two RSMs, their pairs, and these sorted."""


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
        return large_heard(lambda: alignment(product, *_prepared(product, *check_pair(K, L, product.least))), K, L)


def rsa(K: Any, L: Any, *, method: Method = "spearman") -> float:
    """Return the correlation of two RSMs' off-diagonal entries, in [-1, 1].

    Args:
        K: (N, N) symmetric RSM, N at least 3; or, with L and by "pearson" or "spearman", a `StreamedRSM`.
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
        _check_streamed(method, K, L)
        return (streamed_spearman(K, L) if method == "spearman" else streamed_alignment(PEARSON, K, L))[0]
    with Meter("Comparing the pairs"):
        return large_heard(lambda: _correlation(method, K, L), K, L)


def rsa_of_ranks(one: Ranked, other: Ranked, *, level: float = LEVEL) -> Statistic:
    """Return `jackknife(rsa, K, L)` of two RSMs of the same images that were ranked before, as for many comparisons.

    Raises:
        UndefinedStatisticError: an RSM is constant off its diagonal.
    """
    for name, side in (("K", one), ("L", other)):
        if not side.every:
            raise _constant(name)
    value = spearman(one, other)
    if one.images - 1 < PEARSON.least:
        return _without_interval(value, one.images)
    return from_replicates(value, spearman_without_one(one, other), bounds=(-1, 1), level=level)


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
        rsms: the (N, N) RSMs that it takes; of `cka` and `rsa` (not by "kendall") also two `StreamedRSM`.
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
    product = product_of(statistic)
    with Meter("Leaving out one image at a time", progress, unit="images") as meter:
        if is_streamed(*rsms):
            meter.costs = [1.0]  # all at once, in a few passes over the rows
            meter(0, 1)
            found = _streamed_jackknife(statistic, rsms, level)
            meter(1, 1)
            return found
        matrices = large_heard(lambda: [check_rsm(f"rsms[{k}]", rsm, least=2) for k, rsm in enumerate(rsms)], *rsms)
        n = len(matrices[0])
        if len(matrices) == 2 and not exact and (product or is_spearman(statistic)):
            check_pair(matrices[0], matrices[1], (product or PEARSON).least)
            return large_heard(
                lambda: jackknife_ready(statistic, *(make_ready(statistic, each) for each in matrices), level=level),
                *matrices,
            )
        value = statistic(*matrices)
        if n - 1 < (product.least if product else 2):
            return _without_interval(value, n)
        replicates = np.full(n, nan)
        for i in range(n):
            meter(i, n)
            rest = [np.delete(np.delete(matrix, i, 0), i, 1) for matrix in matrices]
            replicates[i] = _or_nan(statistic, rest)
        meter(n, n)
    return from_replicates(value, replicates, bounds=(-1, 1), level=level)


def make_ready(statistic: RSMStatistic, K: Any) -> Any:
    """Return an RSM (N, N) as a statistic takes it: what many comparisons with it have in common is done once."""
    product = product_of(statistic)
    if is_streamed(K) or (product is None and not is_spearman(statistic)):
        return K
    return Ranked.of(K) if product is None else MeanFree.of(K, diagonal=product.diagonal)


def jackknife_ready(statistic: RSMStatistic, one: Any, other: Any, *, level: float = LEVEL) -> Statistic:
    """Return `jackknife(statistic, K, L)` of two RSMs of the same images that `make_ready` gave.

    Raises:
        UndefinedStatisticError: an RSM is constant.
    """
    if isinstance(one, MeanFree):
        product = product_of(statistic)
        assert product is not None, "what make_ready gave for this statistic"
        (answer,) = aligned([product], one, other, level=level)
        if isinstance(answer, UndefinedStatisticError):
            raise answer
        return answer
    if isinstance(one, Ranked):
        return rsa_of_ranks(one, other, level=level)
    return jackknife(statistic, one, other, level=level)


def aligned(
    products: Sequence[Centred], one: MeanFree, other: MeanFree, *, level: float = LEVEL
) -> list[Statistic | UndefinedStatisticError]:
    """Return the cosine of two RSMs in each of some centred inner products, with its interval; an error where none."""
    found: list[Statistic | UndefinedStatisticError] = []
    for product, (value, replicates) in zip(products, alignments(products, one, other), strict=True):
        constant = [name for name, side in (("K", one), ("L", other)) if not side.varies(product)]
        if constant:
            found.append(_constant(constant[0]))
        elif len(replicates) - 1 < product.least:
            found.append(_without_interval(value, len(replicates)))
        else:
            found.append(from_replicates(value, replicates, bounds=(-1, 1), level=level))
    return found


def _without_interval(value: float, n: int) -> Statistic:
    return Statistic(value=value, n=n, reason=f"no interval: needs more than {n} images")


def check_statistic(value: Any) -> RSMStatistic:
    """Return the statistic, or raise before anything is computed."""
    return check_function("statistic", value, "a function of RSMs, such as srsm.cka or srsm.rsa")


def doubly_centred(K: Any) -> Matrix:
    """Return an RSM without row and column effects: off-diagonal entries centred as unbiased CKA does, diagonal 0.

    Some images are similar to all others (hubs, large norms); what is left says which pairs are more alike than
    their two images' levels explain. The Pearson correlation of two such matrices is their unbiased CKA.

    Args:
        K: (N, N) symmetric RSM, N at least 4.

    References:
        Székely & Rizzo, Annals of Statistics 42 (2014), definition 2 (U-centring).
    """
    mean_free = MeanFree.of(check_rsm("K", K, least=4), diagonal=False)
    return np.ldexp(u_centred(mean_free), mean_free.exponent)


def _correlation(method: Method, K: Any, L: Any) -> float:
    """Return the correlation of off-diagonal entries, of whatever a user gave."""
    K, L = check_pair(K, L, PEARSON.least)
    if method == "spearman":
        return spearman(*_ranked(K, L))
    sides = _prepared(PEARSON, K, L)  # raises where constant
    return _kendall(K, L) if method == "kendall" else alignment(PEARSON, *sides)


def _kendall(K: Matrix, L: Matrix) -> float:
    """Return Kendall's tau-b of two RSMs' off-diagonal entries."""
    from scipy.stats import kendalltau  # here: it takes a third of a second, which most sessions never need

    upper = np.triu_indices(len(K), 1)
    return float(kendalltau(K[upper], L[upper]).statistic)


def check_pair(K: Any, L: Any, least: int) -> tuple[Matrix, Matrix]:
    """Return two RSMs of the same number of images."""
    left, right = check_rsm("K", K, least=least), check_rsm("L", L, least=least)
    if left.shape != right.shape:
        todo = "Both must be RSMs of the same images in the same order."
        raise ValueError(message("L", f"of the shape of K, {left.shape}", str(right.shape), todo))
    return left, right


def _prepared(product: Centred, K: Matrix, L: Matrix) -> tuple[MeanFree, MeanFree]:
    """Return two RSMs without their means; raise where one is constant."""
    sides = MeanFree.of(K, diagonal=product.diagonal), MeanFree.of(L, diagonal=product.diagonal)
    for name, side in zip("KL", sides, strict=True):
        if not side.varies(product):
            raise _constant(name)
    return sides


def _ranked(K: Matrix, L: Matrix) -> tuple[Ranked, Ranked]:
    """Return the ranks of two RSMs; raise where one is constant."""
    sides = Ranked.of(K), Ranked.of(L)
    for name, side in zip("KL", sides, strict=True):
        if not side.every:
            raise _constant(name)
    return sides


def _constant(name: str) -> UndefinedStatisticError:
    return UndefinedStatisticError(message(name, "an RSM that varies", "a constant one", CONSTANT_TODO))


def is_spearman(statistic: RSMStatistic) -> bool:
    """Return whether a statistic is Spearman's correlation."""
    function, options = _options(statistic)
    return function is rsa and options.get("method", "spearman") == "spearman"


def _streamed_jackknife(statistic: RSMStatistic, rsms: tuple[Any, ...], level: float) -> Statistic:
    """Return a statistic of RSMs that are read in blocks, with its interval."""
    function, options = _options(statistic)
    if function is rsa:
        _check_streamed(options.get("method", "spearman"), *rsms)
    product = product_of(statistic)
    if (product is None and not is_spearman(statistic)) or len(rsms) != 2:
        got, todo = repr(statistic), "Compare a part of the images: analysis.select(images)."
        expected = 'cka, or rsa by "pearson" or "spearman", of two RSMs that are read in blocks'
        raise ValueError(message("statistic", expected, got, todo))
    if product is None:
        value, replicates = streamed_spearman(*rsms, intervals=True)
    else:
        value, replicates = streamed_alignment(product, *rsms, intervals=True)
    n = rsms[0].shape[0]
    if replicates is None or n - 1 < (product or PEARSON).least:
        return _without_interval(value, n)
    return from_replicates(value, replicates, bounds=(-1, 1), level=level)


def _check_streamed(method: str, *rsms: Any) -> None:
    """Raise for a method that counts pairs of pairs."""
    if method == "kendall":
        n = max(rsm.shape[0] for rsm in rsms if is_streamed(rsm))
        needed = f"{_KENDALL_BYTES * n**2 / 1e9:.2g} GB"
        got = f'"{method}" of {n:,} images, which takes some {needed} of memory, as it compares all pairs of pairs'
        expected = '"pearson" or "spearman", of RSMs that are read in blocks'
        raise ValueError(message("method", expected, got, "Or take a part of the images: analysis.select(images)."))


def _or_nan(statistic: RSMStatistic, matrices: list[Matrix]) -> float:
    """Return the statistic, NaN where it is undefined."""
    try:
        return statistic(*matrices)
    except UndefinedStatisticError:
        return nan


def _options(statistic: RSMStatistic) -> tuple[RSMStatistic, dict[str, Any]]:
    """Return a function and what a `partial` fixed of it."""
    return (statistic.func, statistic.keywords) if isinstance(statistic, partial) else (statistic, {})


def product_of(statistic: RSMStatistic) -> Centred | None:
    """Return the centred inner product whose cosine a statistic is, or None: these need no loop over images."""
    function, options = _options(statistic)
    if function is cka:
        return UNBIASED if options.get("unbiased", True) else BIASED
    return PEARSON if function is rsa and options.get("method") == "pearson" else None
