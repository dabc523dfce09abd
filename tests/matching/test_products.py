"""Products of tokens: their rounding stays below what is said of it, and certificates hold for every D."""

import numpy as np
import pytest
import torch
from helpers.matchers import many, norms, optima
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching import Auction, products
from semrsm_widgets.matching.products import multiplication
from semrsm_widgets.rsm import matched_gram

# Constants whose sums round the same way at every step, and tokens as models give them.
KINDS = ["constant", "stagnant", "relu", "normal", "one sign"]


def wide_tokens(kind, seed, count, size, channels):
    """Return (B, S, D) float32 tokens."""
    rng = np.random.default_rng(seed)
    shape = (count, size, channels)
    if kind == "constant":
        return np.full(shape, 0.1, "f4")
    if kind == "stagnant":
        return np.full(shape, np.sqrt(1 + (2.0**-1 - 2.0**-12) * 2.0 ** (rng.integers(1, 12) - 23)), "f4")
    if kind == "one sign":
        return (1 + rng.random(shape) * 1e-3).astype("f4")
    values = rng.normal(size=shape).astype("f4")
    return np.maximum(values, 0) if kind == "relu" else values


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 31, 257, 768, 2048, 5000, 50_000, 300_000])
@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-5, 1e-6, 1e-7])
def test_the_optimum_lies_below_the_bound_and_within_the_gap_whatever_d_is(kind, channels, gap):
    size = 3 if channels < 10_000 else 2
    x, y = (wide_tokens(kind, seed, 2, size, channels) for seed in (0, 1))
    best, scale = optima(x, y), norms(x, y)
    gram = matched_gram(x, y, matcher=Auction(gap=gap))
    batch = Auction(gap=gap)(x, y)
    slack = channels * 2.0**-53 * scale  # of the optimum, which is summed in float64
    for value, bound in (
        (np.diag(gram.products), np.diag(gram.upper_bound)),
        (batch.value, batch.upper_bound),
    ):
        assert np.all(best <= bound + slack)
        assert np.all(np.abs(value - best) <= gap * scale + slack)
        assert np.all(bound - value <= gap * scale)


@many
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    channels=st.integers(1, 3000),
    size=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    bearable=st.sampled_from([5e-3, 5e-5, 5e-6, 5e-7]),
)
def test_products_are_off_by_no_more_than_is_said(seed, kind, channels, size, dtype, bearable):
    x, y = (torch.from_numpy(wide_tokens(kind, seed + k, 1, size, channels))[0] for k in range(2))
    how = multiplication(channels, size, dtype, bearable)
    out = torch.full((size, size), torch.nan, dtype=dtype)
    how.into(out, x.to(how.dtype), y.to(how.dtype).T)
    wide = x.double() @ y.double().T
    lengths = x.double().norm(dim=1)[:, None] * y.double().norm(dim=1)
    assert torch.all((out.double() - wide).abs() <= how.rounding * lengths)
    assert how.rounding <= bearable


def test_chunks_are_used_where_one_product_would_be_off_too_far():
    assert multiplication(2048, 49, torch.float32, 5e-5).chunk == 256
    assert multiplication(200, 49, torch.float32, 5e-5).chunk == 200
    assert multiplication(768, 49, torch.float32, 5e-6).chunk == 64
    for gap, last in ((1e-4, 148_736), (1e-5, 1600), (1e-6, 6)):  # as docs/matching.md has it
        assert multiplication(last, 49, torch.float32, gap / 2).dtype == torch.float32
        assert multiplication(last + 1, 49, torch.float32, gap / 2).dtype == torch.float64
    assert multiplication(1, 49, torch.float32, 1e-7 / 2).dtype == torch.float64


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_products_are_float64_where_torch_was_told_that_less_than_float32_will_do(precision):
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        assert multiplication(64, 49, torch.float32, 5e-5).dtype == torch.float64
    finally:
        torch.set_float32_matmul_precision(before)
    assert multiplication(64, 49, torch.float32, 5e-5).dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_of_one_token_the_bound_has_the_rounding_of_its_product_and_nothing_else(kind):
    for channels in (*range(2, 260, 9), 300, 768, 2048):
        x, y = (wide_tokens(kind, seed, 8, 1, channels) for seed in (0, 1))
        best, scale = optima(x, y), norms(x, y)
        found = Auction()(x, y)
        assert np.all(best <= found.upper_bound + channels * 2.0**-53 * scale)
        assert np.all(found.upper_bound - found.value <= 1e-4 * scale)


def test_an_interval_of_the_search_holds_the_exact_value_however_products_round():
    from semrsm_widgets.retrieval import candidates
    from semrsm_widgets.rsm import inner_product

    coarse = Auction(gap=0.01)
    for channels in range(1800, 2100, 7):
        x, y = (wide_tokens(kind, channels + k, 4, 1, channels) for k, kind in enumerate(("stagnant", "constant")))
        for left, right in ((x, x), (x, y), (y, y)):
            exact = (left[:, 0].astype(float) @ right[:, 0].T.astype(float)).astype(float)
            gram = matched_gram(left, right, matcher=coarse)
            rounding = products.multiplication(channels, 1, torch.float32, coarse.bearable).rounding
            low, high = candidates.interval(gram, inner_product, rounding)
            assert np.all(low <= exact * (1 + 1e-12))
            assert np.all(exact <= high * (1 + 1e-12))


def test_search_keeps_what_the_rounding_of_a_coarse_look_leaves_open(monkeypatch):
    from semrsm_widgets.retrieval import candidates, exact_search

    seen = []
    interval = candidates.interval
    monkeypatch.setattr(
        candidates,
        "interval",
        lambda gram, kernel, rounding: seen.append(rounding) or interval(gram, kernel, rounding),
    )
    x = wide_tokens("relu", 0, 6, 2, 2048)
    exact_search.search(x[0], x, k=2)
    assert seen == [products.multiplication(2048, 2, torch.float32, 0.005).rounding]
    assert seen[0] > 1e-5
