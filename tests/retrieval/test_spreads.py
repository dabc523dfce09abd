"""The bound that means and spreads give, against every matching there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import semrsm_widgets as srsm
from semrsm_widgets.retrieval.spreads import sketch_of, upper_products

DTYPES = {np.float16: 2.0**4, np.float32: 2.0**60, np.float64: 1e70}
"""Floating types, and the largest tokens that are tried in them."""


def best_by_brute_force(x, y):
    """Return the value of the best of all matchings of tokens (S, D) and (T, D), in extended precision."""
    n = max(len(x), len(y))
    x, y = (np.concatenate([z, np.zeros((n - len(z), z.shape[1]), z.dtype)]).astype(np.longdouble) for z in (x, y))
    affinity = (x[:, None] * y[None]).sum(-1)
    return max(affinity[np.arange(n), list(order)].sum() for order in permutations(range(n)))


def padded(x, size):
    return np.concatenate([x, np.zeros((len(x), size - x.shape[1], x.shape[2]), x.dtype)], 1)


def bound(x, y):
    """Return (Q, M) bounds of queries (Q, S, D) and images (M, T, D)."""
    size = max(x.shape[1], y.shape[1])
    queries = sketch_of(torch.from_numpy(padded(x, size)))
    return upper_products(queries, sketch_of(torch.from_numpy(y)), size, y.shape[1])


@st.composite
def pairs_of_images(draw):
    dtype = draw(st.sampled_from(list(DTYPES)))
    largest = DTYPES[dtype] * draw(st.sampled_from([1.0, 1e-3, 1e-12]))
    s, t, d = draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    width = np.dtype(dtype).itemsize * 8
    number = st.one_of(
        st.floats(-float(dtype(largest)), float(dtype(largest)), width=width, allow_subnormal=False),
        st.sampled_from([0.0, 1.0, -1.0, float(dtype(largest))]),
    )
    x, y = (draw(hnp.arrays(dtype, (1, size, d), elements=number)) for size in (s, t))
    if draw(st.booleans()) and s <= t:  # an image and a part of it
        x = y[:, ::-1][:, :s].copy()
    return x, y


@given(pairs_of_images())
def test_no_matching_is_worth_more(pair):
    x, y = pair
    assert bound(x, y)[0, 0] >= best_by_brute_force(x[0], y[0])


@pytest.mark.parametrize("small", [1.75743306e-274, 1e-200, 1e-163, 1e-160])
def test_squares_that_are_too_small_for_float64_make_no_bound_too_low(small):
    rng = np.random.default_rng(0)
    plain, other = (rng.integers(-3, 4, size=(1, 3, 2)).astype(np.float64) for _ in range(2))
    for x, y in ((plain, other * small), (plain * small, other * small), (plain[:, :1], other[:, :1] * small)):
        assert bound(x, y)[0, 0] >= best_by_brute_force(x[0], y[0])
    assert bound(plain, np.zeros_like(plain))[0, 0] == 0


@given(pairs_of_images())
def test_norms_alone_are_never_better(pair):
    x, y = (z.astype(np.longdouble) for z in pair)
    left, right = (np.sqrt(np.square(z).sum()) for z in (x, y))
    lost = 1e-160 * (left + right) + 1e-310  # squares that are too small for float64
    assert bound(*pair)[0, 0] <= left * right * (1 + 1e-12) + lost


@pytest.mark.parametrize(("s", "t"), [(49, 49), (9, 49), (49, 9)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_it_holds_for_larger_images_of_all_types(s, t, dtype):
    generator = torch.Generator().manual_seed(s)
    x, y = (torch.randn(6, size, 64, generator=generator) for size in (s, t))
    x, y = ((z + torch.randn(6, 1, 64, generator=generator)).to(dtype) for z in (x, y))
    size = max(s, t)
    filled = torch.nn.functional.pad(x, (0, 0, 0, size - s))
    upper = upper_products(sketch_of(filled), sketch_of(y), size, t)
    gram = srsm.matched_gram(x, y, matcher=srsm.Exact())
    assert np.all(upper >= gram.products * (1 - 1e-6))
    assert np.all(upper <= gram.norms * (1 + 1e-12))
    assert np.mean(upper / gram.norms) < 0.9  # and it says more than the norms


def test_it_is_reached_where_channels_go_together():
    # one channel: sorted against sorted is the best matching, and equal shapes meet the bound
    x = np.array([[[1.0], [2.0], [6.0]]])
    assert bound(x, x[:, ::-1] * 2 + 1)[0, 0] == pytest.approx(best_by_brute_force(x[0], x[0] * 2 + 1), rel=1e-6)


def test_an_image_against_itself_is_its_squared_norm():
    x = np.random.default_rng(0).normal(size=(4, 6, 5))
    assert np.diagonal(bound(x, x)) == pytest.approx(np.square(x).sum((1, 2)), rel=1e-6)


def test_what_overflows_rules_nothing_out():
    x = np.full((1, 2, 3), 3e38, np.float32)
    x[0, 0] *= -1
    assert bound(x, x)[0, 0] >= 6 * 9e76
    huge = np.full((1, 2, 3), 1e200)
    assert bound(huge, huge)[0, 0] == np.inf
    assert bound(huge, np.zeros((1, 2, 3)))[0, 0] == np.inf
