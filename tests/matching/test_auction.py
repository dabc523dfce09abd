"""The auction: its certificate for given affinities, fallbacks, and pairs side by side."""

import numpy as np
import pytest
from helpers.matchers import FLOAT32, FLOAT32_PRODUCT, dtypes, many, norms, optima, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching import auction
from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.assignment import Assignment, Fallbacks, affinity
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers import engine, numba_auction
from semrsm_widgets.matching.threads import Pool


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


@pytest.mark.parametrize("kinds", [3, 20, 1000])
def test_rows_that_bid_in_turns_for_the_same_columns_are_certified(kinds, monkeypatch):
    monkeypatch.setattr(auction, "LISTS_FROM", 1)  # two rows of a pair bid in turns where they keep lists
    some = np.random.default_rng(kinds).integers(kinds, size=(2, 20, 1, 40))
    x, y = (np.take_along_axis(tokens(k, 20, 1000, 4), some[k].reshape(20, 40, 1), 1) for k in (0, 1))
    answer = Auction(gap=1e-5)(x[:, :37].astype(np.float32), y.astype(np.float32))
    best, scale = optima(x[:, :37], y), norms(x[:, :37], y)
    assert all(len(set(row)) == 37 for row in answer.permutation)
    assert np.all(np.abs(answer.value - best) <= 1e-5 * scale)
    assert np.all(best <= answer.upper_bound + FLOAT32_PRODUCT * scale)


@many
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


@pytest.mark.parametrize("device", ["cpu", "same"])
@many
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    dtype=dtypes,
    scale=st.sampled_from([0.0, 5e-324, 1e-300, 1e-46, 1e-30, 1.0, 1e30, 1e38, 1e300]),
    norm=st.sampled_from([0.0, 5e-324, 1e-300, 1e-40, 1.0, 1e30, 1e36, 1e38, 1e41, 1e45, 1e300, 1.7e308]),
    gap=st.sampled_from([0.9, 1e-2, 1e-5, 1e-9]),
)
def test_solve_is_right_for_norms_out_of_all_proportion(device, seed, sizes, dtype, scale, norm, gap):
    with np.errstate(over="ignore", under="ignore"):
        a = (np.random.default_rng(seed).uniform(-1, 1, (3, *sizes)) * scale).astype(dtype)
    a = np.nan_to_num(a, posinf=3e38, neginf=-3e38)
    answer = Auction(gap=gap, device=device).solve(a, np.full(3, norm))
    best = optima(np.eye(sizes[0])[None], np.swapaxes(a.astype(float), 1, 2))
    rounding = 1e-13 * np.abs(best)
    assert np.all(answer.value <= best + rounding)
    assert np.all(best <= answer.upper_bound + rounding)
    assert np.all(answer.upper_bound - answer.value <= gap * norm + rounding)
    for k in range(3):
        s = np.flatnonzero(answer.permutation[k] >= 0)
        assert len(set(answer.permutation[k, s])) == min(sizes)
        chosen = a[k].astype(float)[s, answer.permutation[k, s]].sum()
        assert chosen == pytest.approx(answer.value[k], rel=1e-9, abs=1e-15 * float(np.abs(a[k]).max()))


@many
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    scales=st.tuples(*[st.sampled_from([0.0, 1e-80, 1e-60, 1e-38, 1.0, 1e38, 1e74])] * 2),
    spread=st.sampled_from([0, 5, 40]),
)
def test_tokens_of_any_scale_are_certified(seed, sizes, scales, spread):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(2, size, 3)) * 10.0 ** -rng.uniform(0, spread, (2, size, 1)) for size in sizes)
    answer = Auction()(x * scales[0], y * scales[1])
    best, scale = optima(x, y) * scales[0] * scales[1], norms(x, y) * scales[0] * scales[1]
    if scales[0] * scales[1] > 0 and min(scales) > 1e-75 * 10.0**spread:  # what is smaller counts as zero
        assert np.all(best <= answer.upper_bound * (1 + 1e-12))
    assert np.all(answer.value <= best + FLOAT32_PRODUCT * scale + 1e-70)
    assert np.all(answer.upper_bound - answer.value <= 1e-4 * scale + 1e-70)
    assert np.all(np.isfinite(answer.value))


def test_norms_and_affinities_that_no_sum_can_hold_are_refused():
    with pytest.raises(ValueError, match="`affinity` must be such that a sum of its entries is finite"):
        Auction().solve(np.full((4, 4), 1.7e308), 1.0)
    with pytest.raises(TypeError, match="`norms` must be of shape"):
        Auction().solve(np.eye(4), "large")
    with pytest.raises(ValueError, match="`norms` must be"):
        Auction().solve(np.eye(4), np.inf)


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
    assert capped.upper_bound - capped.value < 1e-6 * norms(x, y)  # the rounding of the products
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
            arguments[-6][:] = numba_auction.STALLED

    monkeypatch.setattr(loader, "kernel", stalling)
    monkeypatch.setattr(loader, "makes_products", False)  # which the kernel would say by what it returns
    answer = Auction()(x, y)
    assert answer.fallbacks == Fallbacks(float64=2)
    assert np.all(np.abs(answer.value - optima(x, y)) <= 1.1e-4 * norms(x, y))


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


@pytest.mark.parametrize("options", [{"gap": 0}, {"gap": 1}, {"gap": float("nan")}, {"threads": 0}, {"device": "cuda"}])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        Auction(**options)


def test_a_pair_that_was_cancelled_is_not_solved_again():
    affinity = np.random.default_rng(0).normal(size=(1, 5, 5))
    affinities, pool, norm = Affinities.read(affinity), Pool.here(), np.full(1, np.linalg.norm(affinity))
    nothing = np.zeros(1)
    uncertified = Assignment(np.zeros((1, 5), np.int64), nothing, nothing)
    given = (affinities, norm, pool, np.dtype(np.float64))
    pool.cancel[0] = 1
    assert Auction()._answer(*given, uncertified, np.ones(1, np.int64)) is uncertified
    pool.cancel[0] = 0
    assert Auction()._answer(*given, uncertified, np.ones(1, np.int64)).fallbacks.exact == 1
