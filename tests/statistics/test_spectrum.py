"""The smallest eigenvalue of many images, in products with some vectors, beside all of them."""

from __future__ import annotations

import numpy as np
import pytest

from semrsm_widgets.statistics import smallest_eigenvalue, spectrum

N = 600


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(spectrum, "SMALL", N - 1)


def expected(K):
    values = np.linalg.eigvalsh(K)
    return values[0] / np.abs(values).max()


def rsm(kind):
    x = np.random.default_rng(0).normal(size=(N, 40))
    return {
        "full": x @ x.T + np.eye(N),
        "low rank": x @ x.T,
        "indefinite": np.sqrt(np.abs(x @ x.T)),
        "negative": -(x @ x.T),
        "identity": np.eye(N),
    }[kind]


@pytest.mark.parametrize("kind", ["full", "low rank", "indefinite", "negative", "identity"])
def test_it_is_that_of_all_eigenvalues(kind):
    K = rsm(kind)
    ends = spectrum._ends(K)
    assert ends is not None
    found = smallest_eigenvalue(K)
    assert found == ends[0] / ends[1]
    assert found == pytest.approx(expected(K), abs=1e-6)
    assert smallest_eigenvalue(1e-3 * K) == pytest.approx(found, abs=1e-9)


def test_what_it_does_not_reach_is_computed_in_full(monkeypatch):
    K = rsm("full")
    monkeypatch.setattr(spectrum, "_MOST_RESTARTS", 1)
    monkeypatch.setattr(spectrum, "TOLERANCE", 1e-15)
    assert spectrum._ends(K) is None
    assert smallest_eigenvalue(K) == pytest.approx(expected(K), rel=1e-12)
    assert smallest_eigenvalue(np.zeros((N, N))) == 0
