"""Vectorised scans against sorting."""

import numpy as np
from helpers.matchers import dtypes, many
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from semrsm_widgets.matching.solvers.simd import top2


@njit
def scan(row, start, price, simd):
    return top2(row, start, price, simd)


@many
@given(
    seed=st.integers(0, 2**32 - 1),
    columns=st.integers(2, 100),
    start=st.integers(0, 7),
    dtype=dtypes,
    ties=st.booleans(),
)
def test_vector_and_plain_scan_agree_with_sorting(seed, columns, start, dtype, ties):
    rng = np.random.default_rng(seed)
    width = -(-columns // 16) * 16
    row = (rng.integers(-3, 3, start + width) if ties else rng.normal(size=start + width)).astype(dtype)
    price = np.full(width, 1e37, dtype)
    price[:columns] = rng.integers(0, 2, columns) if ties else rng.random(columns)
    profit = (row[start : start + width] - price)[:columns]
    for simd in (True, None):
        best, second, column = scan(row, start, price, simd)
        assert best == profit.max()
        assert second == np.sort(profit)[-2]
        assert profit[column] == best
