"""Rank correlations and permutations of RSMs that are read block by block: those of matrices in memory."""

from __future__ import annotations

import tracemalloc
from functools import partial

import numpy as np
import pytest
from helpers.blocks import Blocks

from semrsm_widgets.statistics import (
    RowsInFile,
    UCentredRows,
    UndefinedStatisticError,
    cka,
    doubly_centred,
    jackknife,
    permutation_test,
    rsa,
    streamed_ranks,
)


class Products:
    """The products of some features, some rows at a time: nothing of N x N is there."""

    def __init__(self, x, step):
        self.x, self.step, self.shape = x, step, (len(x), len(x))

    def blocks(self):
        for first in range(0, len(self.x), self.step):
            rows = slice(first, min(first + self.step, len(self.x)))
            yield rows, self.x[rows] @ self.x.T


def related(n, steps=None, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 20))
    y = x + rng.normal(size=x.shape)
    K, L = x @ x.T, y @ y.T
    return (K, L) if steps is None else (np.round(K / steps), np.round(L / steps))


# In steps of 10 all pairs of three or four images are alike.
@pytest.mark.parametrize(
    ("n", "steps"), [(n, steps) for n in (3, 4, 23, 100) for steps in (None, 2.0, 10.0) if n > 4 or steps != 10.0]
)
@pytest.mark.parametrize("step", [1, 7, 100])
def test_blocks_give_what_matrices_give(n, steps, step):
    K, L = related(n, steps, seed=n)
    found, expected = jackknife(rsa, Blocks(K, step), Blocks(L, step)), jackknife(rsa, K, L)
    assert rsa(Blocks(K, step), Blocks(L, step)) == pytest.approx(rsa(K, L), abs=1e-14)
    assert (found.n, found.reason) == (expected.n, expected.reason)
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("power", [1, 9])
def test_more_pairs_than_are_sampled_are_ranked_closely(monkeypatch, power):
    K, L = related(120)
    monkeypatch.setattr(streamed_ranks, "SAMPLED", 700)  # of 7,140
    found = jackknife(rsa, Blocks(K**power), Blocks(L**power))  # the ninth power has very few large values
    expected = jackknife(rsa, K**power, L**power)
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-4)
    tied, other = (np.round(each / 10) for each in (K, L))  # a few values, all of which are sampled
    assert rsa(Blocks(tied), Blocks(other)) == pytest.approx(rsa(tied, other), abs=1e-13)


def test_what_is_in_memory_is_less_than_one_of_the_rsms(monkeypatch):
    monkeypatch.setattr(streamed_ranks, "SAMPLED", 2**12)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 6))
    tracemalloc.start()
    try:
        jackknife(rsa, Products(x, 64), Products(x + rng.normal(size=x.shape), 64))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(x) ** 2


@pytest.mark.parametrize("statistic", [cka, partial(cka, unbiased=False), partial(rsa, method="pearson"), rsa])
def test_permutations_are_those_of_matrices(statistic):
    K, L = related(30)
    found, expected = (
        permutation_test(statistic, one, other, n=49, seed=3) for one, other in ((Blocks(K), Blocks(L)), (K, L))
    )
    assert found.p_value == expected.p_value
    for name in ("value", "null_mean", "null_quantile95"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-12)
    product = [
        permutation_test(statistic, K, L, n=19, seed=1),
        permutation_test(lambda *rsms: statistic(*rsms), K, L, n=19, seed=1),
    ]
    assert product[0].null_mean == pytest.approx(product[1].null_mean, abs=1e-12)  # anew for each permutation


def test_a_permuted_rsm_beyond_memory_says_what_it_takes():
    K, L = (Blocks(each) for each in related(30))
    text = (
        r"`L` must be one that `memory`, 7.2e-06 GB, holds.*got one of 30 images, which takes 7.2e-06 GB.*memory=7200"
    )
    with pytest.raises(ValueError, match=text):
        permutation_test(cka, K, L, memory=7199)
    assert permutation_test(cka, K, L, memory=7200, n=19).p_value == 0.05
    for statistic in (partial(rsa, method="kendall"), lambda a, b: 0.5):
        with pytest.raises(ValueError, match="`statistic` must be cka, or rsa by"):
            permutation_test(statistic, K, L)


def test_a_constant_rsm_has_no_ranks_and_nan_is_named():
    K = Blocks(related(9)[0], 7)
    with pytest.raises(UndefinedStatisticError, match="`L` must be an RSM that varies"):
        rsa(K, Blocks(np.full((9, 9), 0.3), 7))
    broken = related(9)[0]
    broken[8, 8] = np.nan
    with pytest.raises(ValueError, match="`L` must be finite; got NaN or infinity in rows 7 to 8"):
        rsa(K, Blocks(broken, 7))


def test_rows_are_centred_and_kept_as_they_come():
    K = related(23)[0]
    centred = np.concatenate([block for _, block in UCentredRows("K", Blocks(K)).blocks()])
    expected = doubly_centred(K)
    scale = expected[0, 1] / centred[0, 1]  # a power of two
    np.testing.assert_allclose(centred * scale, expected, atol=1e-12 * np.abs(expected).max())
    parts = list(Blocks(K).blocks())
    kept = RowsInFile((block for _, block in parts), [rows for rows, _ in parts], 23)
    assert kept.shape == (23, 23)
    for _ in range(2):
        for (rows, block), (again, read) in zip(parts, kept.blocks(), strict=True):
            assert rows == again
            np.testing.assert_array_equal(block, read)


def test_an_entry_and_its_mirror_image_are_one_number():
    K, L = related(25)
    rounding = np.random.default_rng(1).uniform(-2e-15, 2e-15, K.shape)
    assert rsa(Blocks(K + np.tril(rounding)), Blocks(L)) == pytest.approx(rsa(K, L), abs=1e-13)
