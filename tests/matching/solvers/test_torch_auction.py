"""The auction in plain torch: against the compiled one, its certificate, and what it falls back to."""

import numpy as np
import pytest
import torch
from helpers.matchers import GOLDEN, adversaries, few, norms, optima, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching import auction
from semrsm_widgets.matching.assignment import Fallbacks, affinity, dual_bound
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers import torch_auction
from semrsm_widgets.rsm.kernels import cosine
from semrsm_widgets.rsm.rsm import matched_gram


@pytest.mark.parametrize(("layer", "gap"), [("blocks.6", 1e-5), ("blocks.4", 1e-4)])
def test_real_features_are_matched_as_by_the_compiled_auction(layer, gap):
    x = GOLDEN[f"{layer}/tokens"][:5]
    there, here = (matched_gram(x, matcher=Auction(gap=gap, device=device)) for device in ("same", "cpu"))
    assert np.abs(cosine(there) - cosine(here)).max() <= gap
    assert there.gap.max() <= gap
    assert there.fallbacks == Fallbacks()


@few
@given(seed=st.integers(0, 2**32 - 1), columns=st.integers(2, 20), fewer=st.integers(0, 5))
def test_the_certificate_is_the_dual_bound(seed, columns, fewer):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(3, max(1, columns - fewer), columns)).astype(np.float32)
    state = torch_auction._Auction(torch.from_numpy(a), np.ones(3), 1e-4, 10**6)
    state.prices = torch.from_numpy(rng.normal(size=(3, columns)).astype(np.float32))
    state.column = torch.from_numpy(np.stack([rng.permutation(columns) for _ in range(3)]))
    permutation, value, bound = state._certificate()
    assert np.allclose(bound, dual_bound(a, state.prices.numpy()), rtol=1e-12)
    assert np.allclose(value, np.take_along_axis(a.astype(float), permutation[:, :, None], 2).sum((1, 2)), rtol=1e-12)


@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_given_affinities_are_solved_where_they_are(seed, sizes):
    x, y = tokens(seed, 3, sizes[0]), tokens(seed + 1, 3, sizes[1])
    a, scale = affinity(x, y).astype(np.float32), norms(x, y)
    answer = Auction(device="same").solve(torch.from_numpy(a), scale)
    assert np.all(np.abs(answer.value - optima(x, y)) <= 1.01e-4 * scale)
    assert np.all(answer.upper_bound - answer.value <= 1e-4 * scale)


@pytest.mark.parametrize("name", ["duplicates", "zero tokens", "zero-padded", "identical", "giant token"])
def test_rows_that_bid_in_turns_come_to_the_same_end(name, monkeypatch):
    monkeypatch.setattr(torch_auction, "_ENTRIES", 100)  # two rows of 49 at a time
    x, y = (side[None] for side in adversaries()[name])
    answer = Auction(device="same")(x, y)
    assert np.abs(answer.value - optima(x, y)) <= 1.01e-4 * norms(x, y)


def test_what_is_given_up_is_solved_by_the_compiled_auction(monkeypatch):
    x, y = tokens(0, 3, 40).astype(np.float32), tokens(1, 3, 40).astype(np.float32)
    monkeypatch.setattr(auction, "BIDS_PER_ROW", 1)
    answer = Auction(device="same")(x, y)
    assert answer.fallbacks == Fallbacks(float64=3)
    assert np.all(np.abs(answer.value - optima(x, y)) <= 1.01e-4 * norms(x, y))


def test_a_bid_that_raises_no_price_gives_the_pair_up():
    a = torch.full((1, 4, 4), 1e6)  # ε is far below what float32 can add to prices of this size
    found = torch_auction.solve(a, np.full(1, 1e-3), 1e-4, 10**6)
    assert not found.certified[0]


def test_a_budget_too_small_for_one_pair_is_refused():
    with pytest.raises(ValueError, match=r"one pair of 200 x 200 tokens.*Pass memory=\d+, or pool"):
        matched_gram(tokens(0, 2, 200), matcher=Auction(device="same"), memory=10_000)
