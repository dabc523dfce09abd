"""The compiled auction against its readable twins."""

import numpy as np
import pytest
from helpers.matchers import dtypes, many
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.assignment import dual_bound
from semrsm_widgets.matching.solvers import engine, numba_auction
from semrsm_widgets.matching.solvers.simd import top2_listed


@njit
def bound(affinity, stride, rows, price, n, lists, simd):
    return numba_auction._upper_bound(affinity, 0, stride, rows, price, n, lists, simd)


@many
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40), fewer=st.integers(0, 5), entry=dtypes, dtype=dtypes)
def test_compiled_bound_is_the_dual_bound(seed, size, fewer, entry, dtype):
    rng = np.random.default_rng(seed)
    given = Affinities.read(rng.normal(size=(1, max(1, size - fewer), size)).astype(entry))
    price = np.full(given.stride, numba_auction.PADDING_PRICE, dtype)
    price[:size] = rng.random(size)
    expected = float(dual_bound(given[0], price[:size]))
    for simd in (True, None):
        assert bound(given.flat, given.stride, given.rows, price, size, None, simd) == pytest.approx(
            expected, rel=1e-12
        )


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("norm", [1e36, 1e41, 1e45, 1e300, np.inf, np.nan])
def test_prices_out_of_all_bounds_end_a_pair_and_write_nowhere_else(norm, dtype, lists):
    columns, count = 4, 3
    loader = engine.kernel_for(dtype, lists=lists)
    given = Affinities.read(np.stack([np.eye(columns, dtype=dtype)] * count))
    price, _, chosen, *rest = numba_auction.workspace(columns, dtype, lists)
    guarded = np.full((40, columns), 77, np.int32)  # what is written past the owners lands in here
    answer = [np.zeros((count, columns), np.int64), np.zeros(count), np.zeros(count)]
    status, bids = np.zeros(count, np.int64), np.zeros(count, np.int64)
    loader.kernel(
        given.flat, given.starts, given.stride, columns, columns, np.full(count, norm), 1e-4, 10**6,
        np.zeros(1, np.int64), price, guarded[:2], chosen, *rest, *answer, status, bids,
        *loader.ending(engine.Kind(np.dtype(dtype), np.dtype(dtype), lists)),
    )  # fmt: skip
    places = 1 if lists else 2  # pairs that are solved at a time
    assert np.all(guarded[places:] == 77)
    assert np.all(guarded[:places] < columns)
    assert np.all((status == numba_auction.STALLED) | (answer[1] <= columns) & (answer[2] >= columns))


@njit
def listed(affinity, begin, price, entries, columns, at):
    return numba_auction.relist(affinity, begin, price, entries, columns, at)


@njit
def best_listed(entries, columns, at, price):
    return top2_listed(entries, columns, at, price)


@many
@given(
    seed=st.integers(0, 2**32 - 1), size=st.integers(1, 90), fewer=st.integers(0, 5), entry=dtypes, dtype=dtypes,
    ties=st.booleans(), scale=st.sampled_from([1e-3, 1.0, 1e3]),
)  # fmt: skip
def test_the_bound_of_lists_is_the_dual_bound_however_old_they_are(seed, size, fewer, entry, dtype, ties, scale):
    if entry == np.float64 and dtype == np.float32:
        return  # prices are never narrower than affinities
    rng = np.random.default_rng(seed)
    rows = max(1, size - fewer)
    values = rng.integers(-3, 3, (1, rows, size)) if ties else rng.normal(size=(1, rows, size))
    given = Affinities.read((scale * values).astype(entry))
    price = np.full(given.stride, numba_auction.PADDING_PRICE, dtype)
    price[:size] = scale * rng.random(size)
    entries, columns, limit = numba_auction.empty_lists(rows, dtype)
    limit[:] = np.inf  # no list is good yet
    for i in range(rows):  # some rows have no list; each is older than the next, as prices have risen since
        if i % 4:
            at = i * numba_auction.CANDIDATES
            limit[i] = listed(given.flat, i * given.stride, price, entries, columns, at)
        price[rng.integers(0, size, 2)] += scale * rng.choice([1e-7, 0.01, 0.5])
    expected = float(dual_bound(given[0], price[:size]))
    found = bound(given.flat, given.stride, rows, price, size, (entries, columns, limit), True)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12 * scale * size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("entry", [np.float32, np.float64])
@pytest.mark.parametrize("ties", [False, True])
def test_a_candidate_list_knows_the_best_column_while_prices_rise(entry, dtype, ties):
    if entry == np.float64 and dtype == np.float32:
        return  # prices are never narrower than affinities
    rng = np.random.default_rng(0)
    for columns in (40, 500, 2000):
        width = -(-columns // 16) * 16
        row = (rng.integers(-3, 3, 2 * width) if ties else rng.normal(size=2 * width)).astype(entry)
        price = np.full(width, 1e37, dtype)
        price[:columns] = 0
        entries, listed_columns, _ = numba_auction.empty_lists(2, dtype)
        at, limit, made = numba_auction.CANDIDATES, np.inf, 0
        for _ in range(300):
            best, second, column = best_listed(entries, listed_columns, at, price)
            if best < limit:
                limit = listed(row, width, price, entries, listed_columns, at)
                best, second, column = best_listed(entries, listed_columns, at, price)
                made += 1
            profit = row[width:].astype(dtype) - price
            assert best == profit.max() == profit[column]
            assert max(second, limit) >= np.sort(profit)[-2]
            assert second <= np.sort(profit)[-2]
            price[column] += max(best - max(second, limit), 0) + 0.01
            price[rng.integers(0, columns, 3)] += 0.5
        assert made < 150 or ties
