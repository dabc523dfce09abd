"""A few pairs in one call: bit for bit what the longer way answers, and whatever is not plain goes that way."""

import numpy as np
import pytest
import torch
from helpers.matchers import many, norms, optima, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.blocks import match_batch
from semrsm_widgets.matching.direct_call import match_few
from semrsm_widgets.matching.solvers.multiplier import multiplier
from semrsm_widgets.tokens import Tokens


@pytest.fixture(autouse=True)
def _compiled():
    multiplier()


def same(one, other):
    return (
        np.array_equal(one.permutation, other.permutation)
        and np.array_equal(one.value, other.value)
        and np.array_equal(one.upper_bound, other.upper_bound)
        and one.fallbacks == other.fallbacks
    )


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(0, 40), st.integers(1, 40))


@many
@given(shape=SHAPES, seed=st.integers(0, 9), gap=st.sampled_from([1e-2, 1e-4, 1e-6]))
def test_no_bit_differs_from_the_longer_way(shape, seed, gap):
    count, rows, more, depth = shape
    x, y = (tokens(seed + k, count, size, depth).astype("f4") for k, size in enumerate((rows, rows + more)))
    matcher = Auction(gap=gap)
    few = match_few(matcher, x, y)
    if few is None:  # products in float32 are off by more than such a gap bears
        assert gap == 1e-6
        return
    assert same(few, match_batch(matcher, x, y))
    assert np.all(optima(x, y) <= few.upper_bound + 1e-12 * norms(x, y))


def test_the_next_call_of_other_sizes_is_not_disturbed():
    sets = [tokens(k, 2, size, 8).astype("f4") for k, size in enumerate((9, 30, 9, 17))]
    for _ in range(2):
        for x in sets:
            for y in sets:
                if x.shape[1] <= y.shape[1]:
                    assert same(match_few(Auction(), x, y), match_batch(Auction(), x, y))


def test_tensors_and_tokens_go_the_short_way():
    x, y = (torch.from_numpy(tokens(k, 2, 9, 8).astype("f4")) for k in range(2))
    made = [
        Tokens(values=each, grid=(3, 3), native_grid=(3, 3), layer="a", note="", prefix=None, has_class_token=False)
        for each in (x, y)
    ]
    expected = match_batch(Auction(), x, y)
    assert same(match_few(Auction(), x, y), expected)
    assert same(match_few(Auction(), *made), expected)
    assert same(match_few(Auction(), x.clone().requires_grad_(), y), expected)


def left_alone(x, y, matcher=None):
    return match_few(matcher or Auction(), x, y) is None


def test_what_is_not_plain_goes_the_longer_way():
    x = tokens(0, 2, 9, 8).astype("f4")
    tensor = torch.from_numpy(x)
    assert not left_alone(x, x)
    assert left_alone(x, x, Auction(gap=1e-8))
    assert left_alone(x.astype("f8"), x)
    assert left_alone(x[:, :, ::-1], x)
    assert left_alone(x, x[:, :5])
    assert left_alone(x, x[:1])
    assert left_alone(x, x[:, :, :3].copy())
    assert left_alone(x[0], x)
    assert left_alone(x[:0], x[:0])
    assert left_alone(tensor.half(), tensor)
    assert left_alone(tensor.to_sparse(), tensor)
    assert left_alone(tensor[:, :, ::2], tensor[:, :, ::2])
    assert left_alone(tokens(0, 60, 196, 8).astype("f4"), tokens(1, 60, 196, 8).astype("f4"))
    assert left_alone(x * 1e-30, x)
    assert left_alone(x * 1e12, x)
    assert left_alone(np.zeros_like(x), x)


def test_nan_is_named_as_ever():
    x = tokens(0, 2, 9, 8).astype("f4")
    bad = x.copy()
    bad[1, 3, 2] = np.nan
    with pytest.raises(ValueError, match=r"^`y` .*NaN in image 1"):
        Auction()(x, bad)


def test_pairs_that_are_not_certified_are_solved_again():
    images = tokens(0, 30, 60, 4).astype("f4")
    images[:, 5] *= 1e4  # a token so large that some pairs meet bids which float32 cannot tell from prices
    x, y = images[[0, 1, 2, 3]], images[[1, 29, 24, 4]]
    matcher = Auction(gap=1e-6)
    few = match_few(matcher, x, y)
    assert few.fallbacks.float64 == 2
    assert same(few, match_batch(matcher, x, y))
    assert np.all(np.abs(few.value - optima(x, y)) <= 1.5e-6 * norms(x, y))
    assert np.all(optima(x, y) <= few.upper_bound + 1e-12 * norms(x, y))
