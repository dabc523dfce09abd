"""Affinities and the dual bound."""

import numpy as np
import pytest
from helpers.matchers import brute_force, few, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.assignment import affinity, dual_bound


def test_affinity_is_the_matrix_of_inner_products():
    x, y = tokens(0), tokens(1, size=4)
    assert np.allclose(affinity(x, y)[1, 2, 3], x[1, 2] @ y[1, 3])
    assert affinity(x[0].astype(np.float16), y[0].astype(np.float16)).dtype == np.float32
    with pytest.raises(ValueError, match=r"\(3, 4, 5\)"):
        affinity(x[:2], y)


@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)), spread=st.floats(0, 10))
def test_dual_bound_holds_for_any_prices(seed, sizes, spread):
    rng = np.random.default_rng(seed)
    a, prices = rng.normal(size=sizes), spread * rng.normal(size=max(sizes))
    square = np.zeros((max(sizes), max(sizes)))
    square[: sizes[0], : sizes[1]] = a
    bound = float(dual_bound(a, prices))
    assert bound >= brute_force(a) - 1e-12
    assert bound == pytest.approx((square - prices).max(1).sum() + prices.sum(), abs=1e-9)


def test_dual_bound_is_tight_at_the_right_prices_and_reads_batches():
    a = np.array([[1.0, 5.0], [0.0, 3.0]])
    assert np.array_equal(dual_bound(np.stack([a, a]), [[0.0, 3.0], [0.0, 0.0]]), [5.0, 8.0])
    with pytest.raises(ValueError, match="`prices` must be one price for each column"):
        dual_bound(a, [0.0])


@pytest.mark.parametrize("prices", [[np.nan, 0.0], [np.inf, 0.0], [-np.inf, 0.0]])
def test_prices_that_are_not_finite_are_refused(prices):
    with pytest.raises(ValueError, match="`prices` must be finite"):
        dual_bound(np.eye(2), prices)
