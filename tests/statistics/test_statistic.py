"""Matrices of other tools: of every floating type, symmetric within its rounding, or refused with a way out."""

import decimal
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from semrsm_widgets.experiments import rsm_difference
from semrsm_widgets.retrieval import hub_counts, nearest
from semrsm_widgets.statistics import (
    Statistic,
    cka,
    doubly_centred,
    jackknife,
    js_divergence,
    permutation_test,
    rsa,
    smallest_eigenvalue,
)

N = 40
X = np.random.default_rng(0).normal(size=(N, 64))
Y = X + np.random.default_rng(1).normal(size=(N, 64))
UPPER = np.triu_indices(N, 1)


def in_type(x, dtype):
    """Return what a tool gives that computes in a type: symmetric in exact arithmetic, not in this one."""
    values = torch.from_numpy(x).to(dtype)
    norms = values.norm(dim=1)
    return (values @ values.T) / norms[:, None] / norms[None]


def skewed(K, by, dtype):
    """Return a matrix whose two triangles differ by a part of its largest entry."""
    K = np.array(K, np.float64)
    K[np.tril_indices(len(K), -1)] += by * np.abs(K).max()
    return K.astype(dtype)


TOOLS = {
    "cdist": lambda x: -torch.cdist(x, x),
    "corrcoef": torch.corrcoef,
    "divided by norms": lambda x: (x @ x.T) / x.norm(dim=1)[:, None] / x.norm(dim=1)[None],
    "centred": lambda x: (torch.eye(N) - 1 / N) @ (x @ x.T) @ (torch.eye(N) - 1 / N),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_float32_rsms_of_other_tools_give_the_values_of_float64(tool):
    K, L = (TOOLS[tool](torch.from_numpy(x).float()).numpy() for x in (X, Y))
    exact = [(M + M.T) / 2 for M in (K.astype(np.float64), L.astype(np.float64))]
    assert rsa(K, L) == pytest.approx(spearmanr(exact[0][UPPER], exact[1][UPPER]).statistic, abs=1e-12)
    assert rsa(K, L, method="pearson") == pytest.approx(pearsonr(exact[0][UPPER], exact[1][UPPER]).statistic, abs=1e-12)
    assert cka(K, K) == pytest.approx(1, abs=1e-12)
    assert cka(K, L) == pytest.approx(cka(*exact), abs=1e-12)
    assert jackknife(cka, K, L) == jackknife(cka, *exact)
    assert permutation_test(rsa, K, L, n=19) == permutation_test(rsa, *exact, n=19)
    assert jackknife(partial(rsa, method="kendall"), K[:8, :8], L[:8, :8]).n == 8
    assert doubly_centred(K) == pytest.approx(doubly_centred(exact[0]))
    assert smallest_eigenvalue(K) == pytest.approx(smallest_eigenvalue(exact[0]))
    assert rsm_difference(K, L).cka == pytest.approx(cka(*exact))
    assert nearest(K, 3).shape == (N, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("as_array", [False, True])
def test_every_floating_type_is_accepted(dtype, as_array):
    K, L = (in_type(x, dtype) for x in (X, Y))
    expected = rsa(K.double().numpy() / 2 + K.double().numpy().T / 2, L.double().numpy() / 2 + L.double().numpy().T / 2)
    if as_array and dtype != torch.bfloat16:  # which NumPy has not
        K, L = K.numpy(), L.numpy()
    assert rsa(K, L) == pytest.approx(expected, abs=1e-12)
    assert rsa(K, L) == pytest.approx(rsa(in_type(X, torch.float64), in_type(Y, torch.float64)), abs=0.05)
    assert hub_counts(K, 2).sum() == 2 * N


def test_what_float32_computed_is_known_in_float64():
    K = TOOLS["divided by norms"](torch.from_numpy(X).float()).double().numpy()
    assert np.abs(K - K.T).max() > 0
    for M in (K, pd.DataFrame(K), xr.DataArray(K), torch.from_numpy(K), np.asfortranarray(K), K.tolist()):
        assert cka(M, K) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("dtype", "accepted", "refused"),
    [(np.float16, 0.02, 0.1), (np.float32, 2e-4, 2e-3), (np.float64, 1e-9, 1e-6), (np.longdouble, 1e-9, 1e-6)],
)
def test_the_tolerance_is_that_of_the_type(dtype, accepted, refused):
    K = np.corrcoef(X)
    assert cka(skewed(K, accepted, dtype), K) > 0.99
    with pytest.raises(ValueError, match=r"`K` must be symmetric; got .* at \(\d+, \d+\) and .*\(K \+ K\.T\) / 2"):
        cka(skewed(K, refused, dtype), K)
    assert cka((M := skewed(K, refused, dtype).astype(float)) / 2 + M.T / 2, K) > 0.99  # the way out


def test_the_statistic_sees_a_matrix_that_is_exactly_symmetric():
    seen = []
    K = TOOLS["divided by norms"](torch.from_numpy(X).float())
    jackknife(lambda M: seen.append(M) or 0.5, K)
    assert all(np.array_equal(M, M.T) for M in seen)


def test_whole_numbers_are_exact():
    K = np.arange(16).reshape(4, 4) ** 2
    assert cka(K + K.T, K + K.T) == pytest.approx(1)
    wrong = K + K.T
    wrong[0, 1] += 1
    with pytest.raises(ValueError, match="symmetric"):
        cka(wrong, K + K.T)


def test_tensors_that_numpy_does_not_take():
    K = torch.from_numpy(np.corrcoef(X))
    for M in (K.clone().requires_grad_(), K.to_sparse(), K.conj(), K.float().requires_grad_()):
        assert cka(M, K) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("K", "error", "text"),
    [
        (pdist(X), ValueError, rf"got \({N * (N - 1) // 2},\)\. The {N} x {N} matrix .*squareform\(x\)"),
        (np.stack([np.eye(5)] * 2), ValueError, r"such as x\[0\]"),
        (np.fill_diagonal(holed := np.corrcoef(X), np.nan) or holed, ValueError, "Only the diagonal is missing"),
        (np.ma.masked_greater(np.corrcoef(X), 0.9), ValueError, f"{N} of {N * N} masked"),
        (np.eye(5, dtype=complex), TypeError, "real numbers; got dtype complex128"),
        (np.eye(5).astype(object), TypeError, r"x\.astype\(float\)"),
        ([[1.0, 0.0], [0.0]], ValueError, "`K` must be an array of numbers"),
        (object(), TypeError, "`K` must be an array of numbers"),
        ("K.npy", TypeError, "`K` must be"),
        (torch.empty(5, 5, device="meta"), ValueError, "meta device"),
        (decimal.Decimal(1), TypeError, "`K` must be"),
    ],
)
def test_what_is_no_rsm_is_refused_with_a_way_out(K, error, text):
    with pytest.raises(error, match=text):
        cka(K, np.eye(5))


def test_the_ways_out_lead_out():
    distances = squareform(pdist(X))
    assert cka(-distances, -distances) == pytest.approx(1)
    K = np.corrcoef(X)
    np.fill_diagonal(K, np.nan)
    np.fill_diagonal(K, 1)
    assert rsa(K, np.corrcoef(X)) == pytest.approx(1)


# ---- probabilities


def test_probabilities_below_zero_by_rounding_are_zero():
    P = np.array([[1.0, 0.0], [0.25, 0.75]])
    rounding = np.array([[1e-9, -1e-9], [0, 0]])
    assert js_divergence(P + rounding) == pytest.approx(js_divergence(P), abs=1e-7)
    with pytest.raises(ValueError, match=r"not negative; got -0\.001"):
        js_divergence(P + 1e6 * rounding)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_probabilities_of_every_type(dtype):
    logits = torch.randn(6, 1000, generator=torch.Generator().manual_seed(0)).double()
    exact = js_divergence(torch.softmax(logits, 1))
    found = js_divergence(torch.softmax(logits, 1).to(dtype).requires_grad_())
    assert found == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("place", [(5, 290), (290, 5), (140, 200)])
def test_an_entry_that_is_off_is_found_wherever_it_is(place):
    K = np.zeros((300, 300))
    K[place] = 1
    i, j = sorted(place)
    with pytest.raises(ValueError, match=rf"at \({i}, {j}\) and .* at \({j}, {i}\)"):
        cka(K, K)


def test_two_answers_of_the_same_values_are_equal_where_they_have_nan_too():
    one, two = (Statistic(value=float("nan"), n=3, reason="constant") for _ in range(2))
    assert (one, hash(one)) == (two, hash(two))
    assert one != Statistic(value=0.5, n=3, reason="constant")
    assert one != Statistic(value=float("nan"), n=4, reason="constant")
