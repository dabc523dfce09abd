"""The auction's own machinery: compiled code against its readable twins, fallbacks, and what happens without numba."""

import threading
from importlib import import_module

import numpy as np
import pytest
from helpers.matchers import norms, optima, tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from semrsm_widgets.matching import auction
from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.assignment import Fallbacks, affinity, dual_bound
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers import engine, numba_auction
from semrsm_widgets.matching.solvers.simd import top2, top2_listed
from semrsm_widgets.matching.threads import Pool

few = settings(deadline=None, max_examples=40)
dtypes = st.sampled_from([np.float32, np.float64])
FLOAT32 = engine.Kind(np.dtype(np.float32), np.dtype(np.float32), False)


@njit
def scan(row, start, price, simd):
    return top2(row, start, price, simd)


@few
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


@njit
def bound(affinity, stride, rows, price, n, simd):
    return numba_auction._upper_bound(affinity, 0, stride, rows, price, n, simd)


@few
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40), fewer=st.integers(0, 5), entry=dtypes, dtype=dtypes)
def test_compiled_bound_is_the_dual_bound(seed, size, fewer, entry, dtype):
    rng = np.random.default_rng(seed)
    given = Affinities.read(rng.normal(size=(1, max(1, size - fewer), size)).astype(entry))
    price = np.full(given.stride, numba_auction.PADDING_PRICE, dtype)
    price[:size] = rng.random(size)
    expected = float(dual_bound(given[0], price[:size]))
    for simd in (True, None):
        assert bound(given.flat, given.stride, given.rows, price, size, simd) == pytest.approx(expected, rel=1e-12)


@njit
def listed(affinity, begin, price, entries, columns, at):
    return numba_auction.relist(affinity, begin, price, entries, columns, at)


@njit
def best_listed(entries, columns, at, price):
    return top2_listed(entries, columns, at, price)


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


@pytest.mark.parametrize("sizes", [(31, 31), (17, 40), (40, 17)])
def test_plain_kernel_solves_like_the_vector_kernel(sizes, monkeypatch):
    x, y = tokens(0, 4, sizes[0]), tokens(1, 4, sizes[1])
    vector = Auction(gap=1e-6)(x.astype(np.float32), y.astype(np.float32))
    loader = engine._Loader()
    loader.get(FLOAT32)
    loader.simd = "plain"
    monkeypatch.setattr(engine, "_loader", loader)
    monkeypatch.setattr(auction, "LISTS_FROM", 10)  # there are none without vectors
    plain = Auction(gap=1e-6)(x.astype(np.float32), y.astype(np.float32))
    assert np.allclose(plain.value, vector.value, rtol=0, atol=1e-6 * norms(x, y).max())
    assert np.all(plain.upper_bound >= vector.value)


@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)), dtype=dtypes)
def test_solve_certifies_given_affinities(seed, sizes, dtype):
    x, y = tokens(seed, 3, sizes[0]).astype(dtype), tokens(seed + 1, 3, sizes[1]).astype(dtype)
    a, scale = affinity(x, y), norms(x, y)
    answer = Auction(gap=1e-5).solve(a, scale)
    best = optima(np.eye(sizes[0])[None], np.swapaxes(a.astype(float), 1, 2))  # of the affinity as it was given
    assert np.all(answer.value <= best + 1e-9)
    assert np.all(best <= answer.upper_bound + 1e-9)
    assert np.all(answer.upper_bound - answer.value <= 1e-5 * scale)
    for k in range(3):
        s = np.flatnonzero(answer.permutation[k] >= 0)
        assert a[k].astype(float)[s, answer.permutation[k, s]].sum() == pytest.approx(
            answer.value[k], rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e30])
def test_solve_takes_any_scale(scale):
    a, size = affinity(tokens(0), tokens(1)).astype(np.float32), norms(tokens(0), tokens(1))
    answer = Auction(gap=1e-5).solve(a * np.float32(scale), size * scale)
    assert np.allclose(answer.value / scale, Auction(gap=1e-5).solve(a, size).value, rtol=1e-5)


def test_solve_flattens_batch_axes_and_refuses_what_does_not_fit():
    a, size = affinity(tokens(0, 6), tokens(1, 6)), norms(tokens(0, 6), tokens(1, 6))
    nested = Auction().solve(a.reshape(2, 3, 12, 12), size.reshape(2, 3))
    assert np.array_equal(nested.value, Auction().solve(a, size).value)
    assert Auction().solve(a[0], size[0]).permutation.shape == (1, 12)
    assert len(Auction().solve(a[:0], size[:0])) == 0
    with pytest.raises(ValueError, match="`norms` must be"):
        Auction().solve(a, size[:2])
    with pytest.raises(ValueError, match="`norms` must be"):
        Auction().solve(a, -size)
    a[3, 1, 1] = np.nan
    with pytest.raises(ValueError, match="`affinity` must be finite"):
        Auction().solve(a, size)


def test_a_bid_cap_falls_back_to_float64_then_to_scipy(monkeypatch):
    # tokens enough that the cap, which is looked at every few thousand bids, is met
    x, y = tokens(0, 1, 700, 4).astype(np.float32), tokens(1, 1, 700, 4).astype(np.float32)
    plain = Auction()(x, y)
    assert plain.fallbacks == Fallbacks()
    monkeypatch.setattr(auction, "BIDS_PER_ROW", 1)
    capped = Auction()(x, y)
    assert capped.fallbacks == Fallbacks(exact=1)
    assert capped.value == pytest.approx(optima(x, y), rel=1e-6)
    assert capped.upper_bound == capped.value
    monkeypatch.setattr(auction, "LARGEST_EXACT", 100)
    with pytest.raises(RuntimeError, match="larger gap, or pool the tokens"):
        Auction()(x, y)


def test_a_stall_in_float32_is_solved_in_float64(monkeypatch):
    x, y = tokens(0, 2), tokens(1, 2)
    loader = engine.kernel_for(np.float32)
    compiled = loader.kernel

    def stalling(flat, *arguments):
        compiled(flat, *arguments)
        if arguments[8].dtype == np.float32:  # the prices
            arguments[-3][:] = numba_auction.STALLED

    monkeypatch.setattr(loader, "kernel", stalling)
    answer = Auction()(x, y)
    assert answer.fallbacks == Fallbacks(float64=2)
    assert np.all(np.abs(answer.value - optima(x, y)) <= 1.1e-4 * norms(x, y))


def test_the_kernel_stops_at_the_cancel_flag():
    loader = engine.kernel_for(np.float32)
    size = 700  # enough bids that the flag, which is looked at every few thousand, is met
    pair = Affinities.read(affinity(tokens(0, 1, size, 4), tokens(1, 1, size, 4)).astype(np.float32))
    for flag, expected in ((1, numba_auction.CANCELLED), (0, numba_auction.SOLVED)):
        *_, status, bids = loader.solve(
            pair, np.full(1, 2800.0), 1e-4, 10**9, np.full(1, flag), np.dtype(np.float32), slice(0, 1), False
        )
        assert status[0] == expected
        assert (bids[0] == numba_auction.POLL) == bool(flag)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_interrupts_the_watch_reaches_the_kernels_and_the_caller(interruption):
    seen = []

    def endless(part):
        while not pool.cancel[0]:
            pass
        seen.append(part)

    def interrupt(done):
        raise interruption

    with pytest.raises(interruption), Pool(2, interrupt) as pool:
        pool.run(endless, 2, 1.0)
    assert len(seen) == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("semrsm-match")]


@pytest.mark.parametrize("seconds", [1e-6, 1.0])  # on the calling thread, and on others
def test_an_error_in_a_thread_is_the_callers_error(seconds):
    with pytest.raises(ZeroDivisionError), Pool(2) as pool:
        pool.run(lambda part: 1 // 0, 5, seconds)


def test_without_numba_scipy_serves_with_one_warning(monkeypatch):
    def no_numba(name):
        if name == "numba":
            raise ImportError("No module named 'numba'")
        return import_module(name)

    monkeypatch.setattr(engine, "import_module", no_numba)
    monkeypatch.setattr(engine, "_loader", engine._Loader())
    x, y = tokens(0), tokens(1)
    with pytest.warns(RuntimeWarning, match="SciPy solves the assignments"):
        answer = Auction()(x, y)
    Auction()(x, y)  # warns no more: a warning would be an error here
    assert np.allclose(answer.value, optima(x, y), rtol=1e-6)
    assert np.array_equal(answer.value, answer.upper_bound)
    assert engine.engine().simd == "none"
    assert "numba" in engine.engine().note


def test_vectors_that_do_not_compile_give_way_to_plain_code(monkeypatch):
    loader = engine._Loader()
    rehearse = loader._rehearse

    def broken(kind):
        if loader.simd == "vector":
            raise NotImplementedError("no such instruction")
        rehearse(kind)

    monkeypatch.setattr(loader, "_rehearse", broken)
    monkeypatch.setattr(engine, "_loader", loader)
    answer = Auction()(tokens(0).astype(np.float32), tokens(1).astype(np.float32))
    assert np.all(np.abs(answer.value - optima(tokens(0), tokens(1))) <= 1.1e-4 * norms(tokens(0), tokens(1)))
    assert engine.engine().simd == "plain"
    assert "no such instruction" in engine.engine().note


def test_a_kernel_that_answers_wrongly_is_not_used(monkeypatch):
    loader = engine._Loader()
    loader._load()
    loader.kernel = lambda *arguments: None
    with pytest.warns(RuntimeWarning, match="wrong answer"):
        assert loader.get(FLOAT32) is None


def test_no_writable_cache_folder_is_no_error(monkeypatch):
    def read_only(*arguments, **options):
        raise PermissionError("read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)  # how numba finds out whether it may write to a folder
    kernel, folder = numba_auction.build()
    assert folder is None
    assert callable(kernel)


def test_a_cache_folder_that_cannot_be_written_is_left_alone(monkeypatch):
    loader = engine._Loader()
    loader._load()
    attempts = []

    def full_disk(kind):
        attempts.append(loader.cache)
        if len(attempts) == 1:
            raise OSError("No space left on device")

    monkeypatch.setattr(loader, "_rehearse", full_disk)
    assert loader.get(FLOAT32) is loader
    assert attempts[1] is None
    assert "No space left" in loader.note


def test_engine_reports_what_runs():
    engine.warm_up()
    found = engine.engine()
    assert found.simd in ("vector", "plain")
    assert found.numba
    assert found.threads >= 1
    assert found.seconds > 0


@pytest.mark.parametrize(("columns", "lists"), [(49, False), (784, True)])
def test_prepared_is_ready_for_images_of_fewer_tokens_too(columns, lists, monkeypatch):
    monkeypatch.setattr(engine, "_loader", engine._Loader())
    assert not Auction().is_ready(1)
    Auction().prepare(columns)
    assert Auction().is_ready(columns)
    assert Auction().is_ready(1)
    assert Auction().is_ready(784) == lists


def test_pairs_side_by_side_are_solved_as_they_are_alone():
    x, y = tokens(0, 7, 60).astype(np.float32), tokens(1, 7, 60).astype(np.float32)
    x[3] = 0  # a pair with nothing to solve stands alone
    given, scale = affinity(x, y), norms(x, y)
    together = Auction(gap=1e-6).solve(given, scale)
    for k in range(7):
        alone = Auction(gap=1e-6).solve(given[k], scale[k])
        assert np.array_equal(alone.permutation[0], together.permutation[k])
        assert alone.value[0] == together.value[k]
        assert alone.upper_bound[0] == together.upper_bound[k]
