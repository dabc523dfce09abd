"""Are two RSMs related beyond chance? A test that permutes the images, not the pairs, of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import Matrix, Meter, ProgressOption, check_int, large_heard

from .centred import PEARSON, MeanFree
from .comparison import RSMStatistic, check_pair, check_statistic, is_spearman, product_of
from .spearman import ranks
from .streamed import is_streamed
from .streamed_null import permuted_products, streamed_null

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_PERMUTATIONS, MOST_PERMUTATIONS = 19, 10_000_000


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
    statistic: RSMStatistic,
    K: Any,
    L: Any,
    *,
    n: int = 999,
    seed: int = 0,
    memory: int = 2**30,
    progress: ProgressOption = None,
) -> PermutationTest:
    """Return whether two RSMs are related beyond chance, from permuting the images (not the pairs) of one of them.

    Args:
        statistic: `cka`, `rsa`, a `partial` of them, or any function of two (N, N) RSMs; large where they agree.
        K: (N, N) RSM; or, with L and for `cka` and `rsa` by "pearson" or "spearman", a `StreamedRSM`.
        L: (N, N) RSM of the same images in the same order. A streamed one is the one that is permuted, in memory.
        n: number of random permutations.
        seed: of the permutations.
        memory: bytes that a streamed L may take, 8 N². K is read some rows at a time.
        progress: as for `jackknife`, with (permutations done, permutations in all).

    Raises:
        ValueError: what the statistic raises, n < 19 (no p-value below 5 % could come out), or an L beyond `memory`.

    Example:
        >>> K = np.cov(np.random.default_rng(0).normal(size=(20, 50)))
        >>> permutation_test(cka, K, K, n=99).p_value
        0.01
    """
    check_statistic(statistic)
    check_permutations("n", n)
    check_int("memory", memory, minimum=1)
    rng = np.random.default_rng(check_int("seed", seed, minimum=0))
    with Meter("Permuting the images", progress, unit="permutations") as meter:
        meter(0, n)
        if is_streamed(K, L):
            value, null = streamed_null(statistic, K, L, n, rng, memory, meter)
        else:
            K, L = large_heard(lambda: check_pair(K, L, 2), K, L)
            value = statistic(K, L)
            null = _null(statistic, K, L, n, rng, meter)
        meter(n, n)
    reached = int(np.sum(null >= value - 1e-12))
    return PermutationTest(
        value=value,
        p_value=(1 + reached) / (n + 1),
        null_mean=float(null.mean()),
        null_quantile95=float(np.quantile(null, 0.95)),
        n=n,
    )


def _null(
    statistic: RSMStatistic, K: Matrix, L: Matrix, n: int, rng: np.random.Generator, meter: Meter
) -> NDArray[np.float64]:
    """Return (n,) the statistic of K and of L with its images permuted."""
    null = np.zeros(n)
    product, is_ranked = product_of(statistic), is_spearman(statistic)
    if product is None and not is_ranked:
        for k in range(n):
            meter(k, n)
            order = rng.permutation(len(K))
            null[k] = statistic(K, L[np.ix_(order, order)])
        return null
    if is_ranked:  # ranks are permuted with the images
        product, one, other = PEARSON, MeanFree(ranks(K)), MeanFree(ranks(L))
    else:
        assert product is not None
        one, other = (MeanFree.of(each, diagonal=product.diagonal) for each in (K, L))
    for k in range(n):
        meter(k, n)
        order = rng.permutation(len(K))
        null[k] = permuted_products(one.matrix, slice(0, len(K)), other.matrix, order)
        null[k] -= product.rows(len(K)) * (one.rows @ other.rows[order])
    null += product.total(len(K)) * one.rows.sum() * other.rows.sum()
    null /= np.sqrt(product.of(one, one, one.squares) * product.of(other, other, other.squares))
    return null


def check_permutations(name: str, n: Any) -> int:
    """Return a number of permutations of which a p-value can be read."""
    todo = "Fewer permutations cannot reach p = 0.05."
    return check_int(name, n, minimum=LEAST_PERMUTATIONS, maximum=MOST_PERMUTATIONS, todo=todo)
