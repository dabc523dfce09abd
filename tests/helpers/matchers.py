"""The one table of matchers that every property is tested over, and the instances they are tested on."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from semrsm_widgets.matching.approximate import BatchOptimal, Greedy, TopKGreedy
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.exact import Exact, Identity
from semrsm_widgets.matching.solvers import engine

from . import DATA


@dataclass(frozen=True)
class Row:
    """A matcher and what it promises; adding a matcher means adding a row."""

    matcher: Any
    gap: float | None  # the certified gap in units of cosine, None: no certificate
    rectangular: bool = True

    @property
    def name(self):
        return repr(self.matcher)


TABLE = [
    Row(Exact(), gap=0.0),
    Row(Auction(), gap=1e-4),
    Row(Auction(gap=1e-6), gap=1e-6),
    Row(Auction(gap=1e-8), gap=1e-8),
    Row(Auction(device="same"), gap=1e-4),
    Row(Auction(gap=1e-7, device="same"), gap=1e-7),
    Row(Identity(), gap=None, rectangular=False),
    Row(Greedy(), gap=None),
    Row(TopKGreedy(4), gap=None),
    Row(BatchOptimal(5), gap=None, rectangular=False),
]
CERTIFIED = [row for row in TABLE if row.gap is not None]
FLOAT32_PRODUCT = 2e-7  # rounding of float32 products, in units of cosine: no certificate covers it


def names(rows):
    return [row.name for row in rows]


every = pytest.mark.parametrize("row", TABLE, ids=names(TABLE))
certified = pytest.mark.parametrize("row", CERTIFIED, ids=names(CERTIFIED))
few, many = (settings(deadline=None, max_examples=count) for count in (25, 40))
kinds = st.sampled_from(["normal", "relu", "integers"])
dtypes = st.sampled_from([np.float32, np.float64])
FLOAT32 = engine.Kind(np.dtype(np.float32), np.dtype(np.float32), False)
GOLDEN = np.load(DATA / "reference_rsms.npz")
"""Tokens of two layers of real photographs, and the RSMs that another program made of them."""


def tokens(seed, batch=3, size=12, channels=5, kind="normal"):
    """Return (B, S, D) float64 tokens; "integers" has many ties, "relu" many zeros."""
    rng = np.random.default_rng(seed)
    if kind == "integers":
        return rng.integers(-2, 3, (batch, size, channels)).astype(float)
    values = rng.normal(size=(batch, size, channels))
    return np.maximum(values, 0) if kind == "relu" else values


def optima(x, y):
    """Return SciPy's optimum of each pair in float64."""
    found = []
    for a in np.matmul(np.asarray(x, float), np.swapaxes(np.asarray(y, float), 1, 2)):
        rows, columns = linear_sum_assignment(a, maximize=True)
        found.append(a[rows, columns].sum())
    return np.array(found)


def brute_force(affinity):
    """Return the best value over every one-to-one matching of min(S, T) pairs."""
    a = affinity if affinity.shape[0] <= affinity.shape[1] else affinity.T
    return max(sum(a[s, t] for s, t in enumerate(chosen)) for chosen in permutations(range(a.shape[1]), len(a)))


def norms(x, y):
    """Return ‖X‖‖Y‖ of each pair."""
    return np.linalg.norm(np.asarray(x, float), axis=(1, 2)) * np.linalg.norm(np.asarray(y, float), axis=(1, 2))


def recomputed(x, y, permutation):
    """Return Σ_s <x_s, y_P(s)> of each pair, and check that P is one-to-one on min(S, T) pairs."""
    values = []
    for a, b, p in zip(np.asarray(x, float), np.asarray(y, float), permutation, strict=True):
        matched = np.flatnonzero(p >= 0)
        assert len(matched) == min(len(a), len(b))
        assert len(set(p[matched])) == len(matched)
        assert p.max() < len(b)
        values.append((a[matched] * b[p[matched]]).sum())
    return np.array(values)


def adversaries(size=49, channels=24, seed=0):
    """Return the hard instances: name -> (x, y), one pair each. Every row is known to hurt some solver."""
    rng = np.random.default_rng(seed)
    x, y = np.abs(rng.normal(size=(2, size, channels)))
    signed = rng.normal(size=(2, size, channels))
    ramp = np.linspace(0, 1, size)[:, None]
    dead = rng.random((2, size, 1)) < 0.9
    rank_one = rng.lognormal(size=(2, size, 1)) * rng.random((2, 1, channels))
    giant = x.copy()
    giant[3] *= 1e4
    one_hot = np.eye(channels)[rng.integers(0, channels, (2, size))]
    rows = 10.0 ** rng.uniform(-3, 3, (2, size, 1))
    index = np.arange(1.0, size + 1)[:, None]
    padded = y.copy()
    padded[size // 2 :] = 0
    return {
        "zero tokens": (np.where(dead[0], 0, x), np.where(dead[1], 0, y)),
        "duplicates": (x[rng.integers(0, 4, size)], y[rng.integers(0, 4, size)]),
        "identical": (x, x.copy()),
        "constant": (np.ones_like(x), np.ones_like(y)),
        "rank one": (rank_one[0], rank_one[1]),
        "signed": (signed[0], signed[1]),
        "negated": (x, -y),
        "integers": (np.round(3 * x), np.round(3 * y)),
        "one-hot": (one_hot[0], one_hot[1]),
        "quantised": (np.round(x * 4) / 4, np.round(y * 4) / 4),
        "float16": (x.astype(np.float16).astype(float), y.astype(np.float16).astype(float)),
        "tiny": (x * 1e-20, y * 1e-20),
        "huge": (x * 1e20, y * 1e20),
        "tiny against huge": (x * 1e-20, y * 1e20),
        "row scales": (x * rows[0], y * rows[1]),
        "giant token": (giant, y),
        "Machol-Wien": (index * np.ones(channels), index[::-1] * np.ones(channels)),
        "smooth ramp": (ramp * x[:1], ramp * y[:1]),
        "zero-padded": (x, padded),
    }
