"""Spearman's correlation without each image, beside ranking anew without each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from semrsm_widgets.statistics.comparison import jackknife, rsa, rsa_of_ranks
from semrsm_widgets.statistics.spearman import Ranked, centred_ranks, ranks, spearman_without_one


def without_one(K, L):
    return spearman_without_one(Ranked.of(K), Ranked.of(L))


def anew(K, L):
    """Return the correlations without image i by SciPy."""
    values = []
    for i in range(len(K)):
        rest = [np.delete(np.delete(m, i, 0), i, 1) for m in (K, L)]
        upper = np.triu_indices(len(K) - 1, 1)
        values.append(spearmanr(rest[0][upper], rest[1][upper]).statistic)
    return np.array(values)


def drawn(seed, n, steps=None, share=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 20))
    y = share * x + (1 - share) * rng.normal(size=x.shape)
    K, L = x @ x.T, y @ y.T
    return (K, L) if steps is None else (np.round(K / steps), np.round(L / steps))


def spread(values):
    return np.sqrt((len(values) - 1) / len(values) * np.square(values - values.mean()).sum())


@pytest.mark.parametrize("n", [4, 5, 12, 22])
@pytest.mark.parametrize("steps", [None, 2.0, 10.0])
def test_few_images_are_exact(n, steps):
    K, L = drawn(n, n, steps)
    np.testing.assert_allclose(without_one(K, L), anew(K, L), atol=1e-12)


@pytest.mark.parametrize("n", [40, 90])
@pytest.mark.parametrize("steps", [None, 2.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_many_images_are_right_to_a_small_part_of_the_interval(n, steps, share):
    K, L = drawn(n, n, steps, share)
    found, expected = without_one(K, L), anew(K, L)
    width = spread(expected)
    np.testing.assert_allclose(found, expected, atol=max(3e-3 * width, 1e-3 / n))
    assert spread(found) == pytest.approx(width, rel=1e-3, abs=5e-5)


def test_the_interval_is_the_one_of_ranking_anew():
    K, L = drawn(3, 60)
    quick, exact = jackknife(rsa, K, L), jackknife(rsa, K, L, exact=True)
    assert quick.value == exact.value
    assert (quick.low, quick.high) == pytest.approx((exact.low, exact.high), rel=1e-3)
    assert exact.high - exact.low > 0.05
    ranked = rsa_of_ranks(Ranked.of(K), Ranked.of(L))
    assert (ranked.value, ranked.low, ranked.high) == pytest.approx((quick.value, quick.low, quick.high), rel=1e-12)
    with pytest.raises(ValueError, match="`L` must be an RSM that varies"):
        rsa_of_ranks(Ranked.of(K), Ranked.of(np.ones_like(K)))


def test_an_rsm_that_is_constant_without_one_image_has_no_correlation_then():
    K, L = np.ones((5, 5)), drawn(0, 5)[1]
    assert np.isnan(without_one(K, L)).all()
    K[0, 1] = K[1, 0] = 2
    np.testing.assert_array_equal(np.isnan(without_one(K, L)), [True, True, False, False, False])


def test_ranks_are_scipys():
    K = drawn(1, 7, 2.0)[0]
    upper = np.triu_indices(7, 1)
    np.testing.assert_array_equal(ranks(K)[upper], rankdata(K[upper]) - 11)  # less their mean
    np.testing.assert_array_equal(ranks(K), ranks(K).T)


@pytest.mark.parametrize("power", [1, 15])
@pytest.mark.parametrize("steps", [None, 1e-4, 0.5])
def test_many_numbers_are_ranked_as_scipy_does(power, steps):
    values = np.random.default_rng(0).normal(size=2**16 + 3) ** power
    values = values if steps is None else np.round(values / steps)
    middle = (len(values) + 1) / 2
    np.testing.assert_array_equal(centred_ranks(values), rankdata(values) - middle)
