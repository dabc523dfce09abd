"""Every matcher: what each must be and do, on one table of matchers."""

import numpy as np
import pytest
import torch
from helpers.matchers import (
    FLOAT32_PRODUCT,
    adversaries,
    brute_force,
    certified,
    every,
    few,
    kinds,
    norms,
    optima,
    recomputed,
    tokens,
)
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets import matching
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.exact import Identity


@every
@few
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 20), channels=st.integers(1, 8), kind=kinds)
def test_permutation_is_one_to_one_and_worth_its_value(row, seed, size, channels, kind):
    x, y = tokens(seed, 2, size, channels, kind), tokens(seed + 1, 2, size, channels, kind)
    answer = row.matcher(x, y)
    assert answer.permutation.dtype == np.int64
    assert answer.value.dtype == answer.upper_bound.dtype == np.float64
    assert np.all(np.abs(recomputed(x, y, answer.permutation) - answer.value) <= FLOAT32_PRODUCT * norms(x, y) + 1e-300)


@every
@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 12), st.integers(1, 12)), kind=kinds)
def test_no_matcher_claims_more_than_the_optimum(row, seed, sizes, kind):
    sizes = sizes if row.rectangular else (sizes[0], sizes[0])
    x, y = tokens(seed, 2, sizes[0], 6, kind), tokens(seed + 1, 2, sizes[1], 6, kind)
    answer, slack = row.matcher(x, y), FLOAT32_PRODUCT * norms(x, y) + 1e-300
    assert np.all(np.abs(recomputed(x, y, answer.permutation) - answer.value) <= slack)
    assert np.all(answer.value <= optima(x, y) + slack)
    assert np.all(np.isinf(answer.upper_bound)) == (row.gap is None)


@certified
@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)), kind=kinds)
def test_optimum_lies_between_value_and_upper_bound(row, seed, sizes, kind):
    x, y = tokens(seed, 2, sizes[0], 6, kind), tokens(seed + 1, 2, sizes[1], 6, kind)
    answer, best, scale = row.matcher(x, y), optima(x, y), norms(x, y)
    slack = FLOAT32_PRODUCT * scale + 1e-300
    recomputed(x, y, answer.permutation)
    assert np.all(answer.value <= best + slack)
    assert np.all(best <= answer.upper_bound + 1e-14 * scale)  # rounding is part of the certificate
    assert np.all(answer.upper_bound - answer.value <= row.gap * scale)


@certified
@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)), kind=kinds)
def test_brute_force_agrees(row, seed, sizes, kind):
    x, y = tokens(seed, 1, sizes[0], 3, kind), tokens(seed + 1, 1, sizes[1], 3, kind)
    answer, best = row.matcher(x, y), brute_force(x[0] @ y[0].T)
    slack = (row.gap + FLOAT32_PRODUCT) * norms(x, y)[0] + 1e-12
    assert best - slack <= answer.value[0] <= best + slack


@certified
@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 16), st.integers(1, 16)))
def test_moving_tokens_about_changes_nothing(row, seed, sizes):
    x, y = tokens(seed, 2, sizes[0]), tokens(seed + 1, 2, sizes[1])
    rng = np.random.default_rng(seed)
    moved = row.matcher(x[:, rng.permutation(sizes[0])], y[:, rng.permutation(sizes[1])])
    slack = (row.gap + FLOAT32_PRODUCT) * norms(x, y)
    assert np.all(np.abs(moved.value - row.matcher(x, y).value) <= slack)


@certified
@few
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 16), fewer=st.integers(0, 5))
def test_a_constant_added_to_the_larger_set_keeps_the_matching_optimal(row, seed, size, fewer):
    x, y = tokens(seed, 1, size), tokens(seed + 1, 1, max(1, size - fewer))
    shift = np.random.default_rng(seed).normal(size=x.shape[2])
    moved = row.matcher(x + shift, y)
    loss = optima(x, y) - recomputed(x, y, moved.permutation)
    assert np.all(loss <= (row.gap + 2 * FLOAT32_PRODUCT) * norms(x + shift, y) + 1e-12)


@certified
@pytest.mark.parametrize("name", adversaries())
def test_adversaries_are_certified(row, name):
    x, y = (side[None] for side in adversaries()[name])
    answer, best, scale = row.matcher(x, y), optima(x, y), norms(x, y)
    slack = FLOAT32_PRODUCT * scale
    recomputed(x, y, answer.permutation)
    assert answer.upper_bound - answer.value <= row.gap * scale
    assert answer.value <= best + slack
    assert best <= answer.upper_bound + 1e-14 * scale
    assert answer.fallbacks.exact == 0


@pytest.mark.parametrize("matcher", [Auction(), Auction(gap=1e-6)], ids=repr)
@pytest.mark.parametrize(("name", "size"), [(name, size) for size in (196, 784) for name in adversaries()])
def test_large_adversaries_are_certified(matcher, name, size):
    x, y = (side[None] for side in adversaries(size=size)[name])
    answer, scale = matcher(x, y), norms(x, y)
    recomputed(x, y, answer.permutation)
    assert answer.upper_bound - answer.value <= matcher.gap * scale
    assert answer.fallbacks.exact == 0
    if size == 196:
        assert answer.value <= optima(x, y) + FLOAT32_PRODUCT * scale
        assert optima(x, y) <= answer.upper_bound + 1e-14 * scale


@certified
def test_shifted_copies_are_matched_perfectly(row):
    x = tokens(0, 2, 49, 16)
    order = np.random.default_rng(1).permutation(49)
    answer = row.matcher(x, x[:, order])
    assert np.array_equal(
        np.take_along_axis(np.tile(order, (2, 1)), answer.permutation, 1), np.tile(np.arange(49), (2, 1))
    )
    assert np.all(answer.value > 2 * Identity()(x, x[:, order]).value)


@every
@pytest.mark.parametrize("name", adversaries())
def test_adversaries_are_matched_one_to_one(row, name):
    x, y = (side[None] for side in adversaries(size=20)[name])
    answer = row.matcher(x, y)
    assert np.abs(recomputed(x, y, answer.permutation) - answer.value) <= FLOAT32_PRODUCT * norms(x, y) + 1e-300


@certified
def test_one_token_against_one_or_many(row):
    x, y = tokens(0, 3, 1), tokens(1, 3, 7)
    assert np.allclose(row.matcher(x, y[:, :1]).value, np.einsum("bsd,bsd->b", x, y[:, :1]))
    best = np.einsum("bsd,btd->bt", x, y)
    slack = (row.gap + FLOAT32_PRODUCT) * norms(x, y)
    assert np.all(np.abs(row.matcher(x, y).value - best.max(1)) <= slack)
    many = row.matcher(y, x)
    assert np.all(np.abs(many.value - best.max(1)) <= slack)
    assert np.array_equal((many.permutation >= 0).sum(1), [1, 1, 1])


@every
@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 1e6, 1e20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scale_does_not_matter(row, scale, dtype):
    x, y = (torch.from_numpy(tokens(seed)) for seed in (0, 1))
    plain, scaled = row.matcher(x, y), row.matcher((x * scale).to(dtype), (y * scale).to(dtype))
    assert np.allclose(scaled.value / scale / scale, plain.value, rtol=0, atol=1.1e-4 * norms(x, y).max())


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_is_read_exactly(row, dtype):
    x, y = (torch.from_numpy(tokens(seed)).to(dtype) for seed in (0, 1))
    answer = row.matcher(x, y)
    assert np.allclose(answer.value, recomputed(x.double(), y.double(), answer.permutation), rtol=1e-6)


@every
def test_all_zero_images_are_worth_nothing(row):
    answer = row.matcher(np.zeros((1, 5, 3)), tokens(0, 1, 5, 3))
    assert answer.value[0] == 0
    assert answer.upper_bound[0] == (np.inf if row.gap is None else 0)
    recomputed(np.zeros((1, 5, 3)), tokens(0, 1, 5, 3), answer.permutation)


@every
def test_an_empty_batch_is_answered(row):
    answer = row.matcher(np.zeros((0, 5, 3)), np.zeros((0, 5, 3)))
    assert answer.permutation.shape == (0, 5)
    assert len(answer) == len(answer.upper_bound) == 0


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_and_named(row, bad):
    x = tokens(0, 4)
    x[2, 3, 1] = bad
    with pytest.raises(ValueError, match=r"`x` must be finite; got (NaN|infinity) in image 2"):
        row.matcher(x, tokens(1, 4))


@every
def test_wrong_input_is_refused(row):
    x = tokens(0)
    with pytest.raises(ValueError, match=r"\(3, 12, 5\).*\(3, 12, 4\)"):
        row.matcher(x, x[:, :, :4])
    with pytest.raises(ValueError, match="3 token sets"):
        row.matcher(x, x[:2])
    with pytest.raises(TypeError, match=r"floating-point.*astype"):
        row.matcher(x.astype(int), x)
    with pytest.raises(ValueError, match=r"reshape\(3, 12, 5\)"):
        row.matcher(x.reshape(3, 3, 4, 5), x)
    if not row.rectangular:
        with pytest.raises(ValueError, match="as many tokens"):
            row.matcher(x, x[:, :4])


@every
def test_matchers_are_values(row):
    again = eval(row.name, vars(matching))
    assert again == row.matcher
    assert hash(again) == hash(row.matcher)
    with pytest.raises(AttributeError):
        row.matcher.gap = 1.0
