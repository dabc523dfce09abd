"""CKA, RSA, permutation tests and intervals against textbook formulas, SciPy, ckatorch and simulations."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats

import semrsm_widgets as srsm
from semrsm_widgets.statistics import (
    cka,
    doubly_centred,
    jackknife,
    permutation_test,
    rsa,
    smallest_eigenvalue,
)

STATISTICS = [
    cka,
    partial(cka, unbiased=False),
    partial(rsa, method="pearson"),
    partial(rsa, method="spearman"),
    partial(rsa, method="kendall"),
]
every = pytest.mark.parametrize(
    "statistic", STATISTICS, ids=lambda s: f"{s.keywords}" if isinstance(s, partial) else "cka"
)


def related(rng, n=12, channels=6, share=0.5):
    """Return the RSMs of two sets of features that are correlated channel by channel."""
    x = rng.normal(size=(n, channels))
    y = share * x + np.sqrt(1 - share**2) * rng.normal(size=x.shape)
    return x @ x.T, y @ y.T


def textbook_cka(K, L, unbiased):
    """Song et al. (2012), eq. 5, and Gretton's biased HSIC, written out with loops."""
    n = len(K)

    def hsic(K, L):
        if not unbiased:
            H = np.eye(n) - 1 / n
            return np.trace(K @ H @ L @ H) / (n - 1) ** 2
        K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
        trace = sum(K[i, j] * L[j, i] for i in range(n) for j in range(n))
        sums = sum(K[i, j] for i in range(n) for j in range(n)) * sum(L[i, j] for i in range(n) for j in range(n))
        middle = sum(K[i, j] * L[j, k] for i in range(n) for j in range(n) for k in range(n))
        return (trace + sums / ((n - 1) * (n - 2)) - 2 * middle / (n - 2)) / (n * (n - 3))

    return hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("n", [4, 5, 11])
def test_cka_is_the_textbook_one_whatever_the_level(n, unbiased):
    K, L = related(np.random.default_rng(n), n)
    expected = textbook_cka(K, L, unbiased)
    assert cka(K, L, unbiased=unbiased) == pytest.approx(expected, abs=1e-10)
    assert cka(1e3 * K + 1e6, 1e-3 * L + 7, unbiased=unbiased) == pytest.approx(expected, abs=1e-8)
    assert cka(K, K, unbiased=unbiased) == 1


@pytest.mark.parametrize("unbiased", [True, False])
def test_cka_is_that_of_ckatorch(unbiased):
    core = pytest.importorskip("ckatorch.core")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(15, 7)), rng.normal(size=(15, 4))
    theirs = core.cka_base(torch.from_numpy(x), torch.from_numpy(y), unbiased=unbiased).item()
    assert cka(x @ x.T, y @ y.T, unbiased=unbiased) == pytest.approx(theirs, abs=1e-8)


def test_rsa_is_the_correlation_of_scipy_and_rsatoolbox():
    rng = np.random.default_rng(2)
    K, L = related(rng, 10)
    K, L = np.round(K), np.round(L)  # ties
    upper = np.triu_indices(10, 1)
    for method, reference in (
        ("pearson", stats.pearsonr),
        ("spearman", stats.spearmanr),
        ("kendall", stats.kendalltau),
    ):
        assert rsa(K, L, method=method) == pytest.approx(reference(K[upper], L[upper]).statistic, abs=1e-10)
    rdm = pytest.importorskip("rsatoolbox.rdm")
    a, b = (rdm.RDMs(-M[upper][None]) for M in (K, L))
    for method, theirs in (("pearson", "corr"), ("spearman", "spearman"), ("kendall", "tau-b")):
        assert rsa(K, L, method=method) == pytest.approx(rdm.compare(a, b, method=theirs).item(), abs=1e-8)


@every
def test_the_jackknife_is_the_loop_over_deleted_images(statistic):
    K, L = related(np.random.default_rng(3), 9)
    answer = jackknife(statistic, K, L)
    without = []
    for i in range(9):
        keep = [k for k in range(9) if k != i]
        without.append(statistic(K[np.ix_(keep, keep)], L[np.ix_(keep, keep)]))
    error = np.sqrt(8 / 9 * np.sum((np.array(without) - np.mean(without)) ** 2))
    half = stats.t.ppf(0.975, 8) * error
    assert answer.value == pytest.approx(statistic(K, L))
    assert (answer.low, answer.high) == pytest.approx(
        (max(-1, answer.value - half), min(1, answer.value + half)), abs=1e-9
    )
    assert answer.n == 9
    assert answer.reason == ""
    narrow = jackknife(statistic, K, L, level=0.5)
    assert narrow.high - narrow.low < answer.high - answer.low


@every
def test_the_permutation_test_permutes_images(statistic):
    K, L = related(np.random.default_rng(4), 8, share=0.9)
    answer = permutation_test(statistic, K, L, n=50, seed=7)
    rng = np.random.default_rng(7)
    null = []
    for _ in range(50):
        order = rng.permutation(8)
        null.append(statistic(K, L[order][:, order]))
    assert answer.value == pytest.approx(statistic(K, L))
    assert answer.p_value == (1 + sum(v >= answer.value - 1e-12 for v in null)) / 51
    assert answer.null_mean == pytest.approx(np.mean(null), abs=1e-10)
    assert answer.null_quantile95 == pytest.approx(np.quantile(null, 0.95), abs=1e-10)


def test_unbiased_cka_of_noise_is_zero_on_average_and_the_biased_one_is_not():
    rng = np.random.default_rng(5)
    draws = [related(rng, 20, 40, share=0) for _ in range(400)]
    unbiased = np.array([cka(K, L) for K, L in draws])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / 20
    assert np.mean([cka(K, L, unbiased=False) for K, L in draws]) > 0.5


@pytest.mark.parametrize("statistic", [cka, rsa])
def test_p_values_of_unrelated_rsms_are_uniform(statistic):
    rng = np.random.default_rng(6)
    p = [permutation_test(statistic, *related(rng, 15, share=0), n=99, seed=s).p_value for s in range(300)]
    # p lies on a grid of 100 values, which a step of 1/100 below the uniform distribution allows for.
    assert stats.kstest(np.array(p) - 0.005, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) < 0.09
    related_p = [permutation_test(statistic, *related(rng, 15, share=0.9), n=99).p_value for _ in range(20)]
    assert np.mean(np.array(related_p) <= 0.05) > 0.9


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_intervals_cover_the_truth(share):
    # Features correlated by `share` in each of d equal channels: HSIC is ‖Σ_xy‖² and CKA share².
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(500):
        answer = jackknife(cka, *related(rng, 60, 20, share))
        hits += answer.low <= share**2 <= answer.high
    assert 0.92 <= hits / 500 <= 1.0


def test_doubly_centred_rsms_have_no_row_effects_and_correlate_as_cka():
    K, L = related(np.random.default_rng(8), 9)
    hub = np.arange(9.0)
    centred = doubly_centred(K + np.add.outer(hub, hub))
    assert np.allclose(centred, doubly_centred(K), atol=1e-10)
    assert np.allclose(centred.sum(1), 0, atol=1e-10)
    assert rsa(centred, doubly_centred(L), method="pearson") == pytest.approx(cka(K, L), abs=1e-10)


def test_the_smallest_eigenvalue_tells_what_is_no_gram_matrix():
    assert smallest_eigenvalue(np.eye(3)) == 1
    assert smallest_eigenvalue(np.array([[0.0, 2.0], [2.0, 0.0]])) == pytest.approx(-1)
    assert smallest_eigenvalue(np.zeros((2, 2))) == 0


@every
@pytest.mark.parametrize("level", [0.0, 0.1, 1e9])
def test_a_constant_rsm_is_undefined_and_never_0(statistic, level):
    K, _ = related(np.random.default_rng(9), 8)
    flat = np.full((8, 8), level)
    with pytest.raises(srsm.UndefinedStatisticError, match="must be an RSM that varies"):
        statistic(K, flat)
    with pytest.raises(srsm.UndefinedStatisticError):
        statistic(flat, K)


def test_an_rsm_of_row_effects_alone_has_no_unbiased_cka():
    K, _ = related(np.random.default_rng(9), 8)
    with pytest.raises(srsm.UndefinedStatisticError):
        cka(K, np.add.outer(np.arange(8.0), np.arange(8.0)))


def test_an_interval_that_is_undefined_says_why():
    K, L = related(np.random.default_rng(10), 4)
    few = jackknife(cka, K, L)
    assert np.isfinite(few.value)
    assert np.isnan([few.low, few.high]).all()
    assert "more than 4 images" in few.reason
    lonely = np.eye(6)
    lonely[0, 1] = lonely[1, 0] = 0.5  # constant without image 0
    answer = jackknife(rsa, lonely, related(np.random.default_rng(0), 6)[0])
    assert np.isnan(answer.low)
    assert "undefined without 2 of the 6" in answer.reason


@pytest.mark.parametrize(
    ("K", "L", "text"),
    [
        (np.eye(3), np.eye(3), "at least 4 images.*Use more images"),
        (np.eye(5), np.eye(6), r"of the shape of K, \(5, 5\).*same images"),
        (np.full((5, 5), np.nan), np.eye(5), r"finite; got 25 entries NaN or infinite, the first at \(0, 0\)"),
        (np.arange(25.0).reshape(5, 5), np.eye(5), "symmetric"),
        (np.ones((5, 6)), np.eye(5), r"\(N, N\)"),
        (np.ones(5), np.eye(5), r"a matrix \(N, M\)"),
    ],
)
def test_bad_rsms_are_refused(K, L, text):
    with pytest.raises(ValueError, match=text):
        cka(K, L)


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'spearman'"):
        rsa(np.eye(5), np.eye(5), method="spearmann")
    with pytest.raises(ValueError, match=r"p = 0\.05"):
        permutation_test(cka, *related(np.random.default_rng(0)), n=5)
    with pytest.raises(TypeError, match="real numbers"):
        cka(np.full((5, 5), "a"), np.eye(5))


@pytest.mark.parametrize("statistic", [cka, partial(cka, unbiased=False), rsa, partial(rsa, method="pearson")])
@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-160, 1e-20, 1e20, 1e160, 1e300])
def test_statistics_do_not_depend_on_the_scale(statistic, scale):
    rng = np.random.default_rng(0)
    K, L = (np.cov(rng.normal(size=(8, 30))) for _ in range(2))
    wanted = statistic(K, L)
    assert statistic(K * scale, L) == pytest.approx(wanted, rel=1e-9)
    assert statistic(K, L * scale) == pytest.approx(wanted, rel=1e-9)
    interval, plain = jackknife(statistic, K * scale, L), jackknife(statistic, K, L)
    assert interval.low == pytest.approx(plain.low, rel=1e-6)


def test_bad_doors_of_statistics_are_named():
    K = np.cov(np.random.default_rng(0).normal(size=(5, 30)))
    with pytest.raises(ValueError, match="`seed` must be an integer >= 0; got -1"):
        permutation_test(cka, K, K, seed=-1)
    with pytest.raises(ValueError, match="`K` must be an array of numbers, its rows of one length; got a nested"):
        cka(torch.nested.nested_tensor([torch.ones(3), torch.ones(2)]), K)
    assert cka(torch.from_numpy(K).requires_grad_(), K) == pytest.approx(1)
