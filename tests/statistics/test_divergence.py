"""The Jensen-Shannon divergence against SciPy, and what counts as probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from semrsm_widgets.statistics import divergence
from semrsm_widgets.statistics.divergence import check_probabilities, js_divergence


def probabilities(seed, n=6, classes=11):
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), size=n)


def test_it_is_the_square_of_scipys_distance(monkeypatch):
    P = probabilities(0)
    P[0] = np.eye(11)[3]  # zeros
    expected = np.array([[jensenshannon(p, q) ** 2 for q in P] for p in P])
    assert np.allclose(js_divergence(P), expected, atol=1e-8)
    monkeypatch.setattr(divergence, "_BLOCK", 1)  # one row at a time
    assert np.allclose(js_divergence(P), expected, atol=1e-8)
    assert not np.diag(js_divergence(P)).any()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones((3, 4)), "rows that sum to 1; got 4 in row 0.*predict"),
        (np.array([[1.5, -0.5]] * 3), "not negative; got -0.5"),
        (np.full((2, 4), 0.25), r"of shape \(3, classes\)"),
        (np.full((3, 4), np.nan), "finite"),
    ],
)
def test_what_is_no_probability_is_refused(value, text):
    with pytest.raises(ValueError, match=text):
        check_probabilities(value, 3)


def test_half_precision_rows_are_accepted_and_sum_to_1_where_it_counts():
    P = probabilities(1)
    rows = check_probabilities(torch.from_numpy(P).half(), 6)
    assert rows.dtype == np.float64
    assert not rows.flags.writeable
    half = P.astype(np.float16).astype(np.float64)
    assert np.array_equal(rows, half)
    exact = half / half.sum(1, keepdims=True)
    assert np.allclose(js_divergence(rows), [[jensenshannon(p, q) ** 2 for q in exact] for p in exact], atol=1e-12)
