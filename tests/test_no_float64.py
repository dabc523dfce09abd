"""On a device without float64, as Apple's MPS is, everything that takes tokens gives what it gives on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.analyses import make_analysis
from helpers.no_float64 import REFUSAL, There, device_without_float64

import semrsm_widgets as srsm
from semrsm_widgets.common import float64_home
from semrsm_widgets.rsm.null import null_grams

MATCHERS = (
    srsm.Auction(), srsm.Auction(gap=1e-8), srsm.Auction(gap=2e-6),
    srsm.Auction(device="same"), srsm.Auction(gap=1e-8, device="same"),
    srsm.Exact(), srsm.Identity(), srsm.Greedy(), srsm.TopKGreedy(3), srsm.BatchOptimal(4),
)  # fmt: skip
TOKENS = {
    "plain": (torch.float32, 1.0, 6),
    "half": (torch.float16, 1.0, 6),
    "too small for float32": (torch.float32, 1e-38, 6),
    "too large": (torch.float32, 1e36, 6),
    "of many channels": (torch.float32, 1.0, 3000),  # whose products are float64 at a gap of 2e-6
}


@pytest.fixture(params=TOKENS)
def tokens(request):
    dtype, scale, channels = TOKENS[request.param]
    values = torch.randn(6, 9, channels, generator=torch.Generator().manual_seed(0))
    return (values * scale).to(dtype)


@pytest.fixture
def device(monkeypatch):
    with device_without_float64(monkeypatch) as given:
        yield given


def test_the_device_is_what_it_plays(device):
    x = torch.ones(2, 3).to(device)
    assert (x + x).device == device
    assert isinstance(x[torch.tensor([0])], There)
    wide = torch.ones(2, dtype=torch.float64)
    for refused in (
        lambda: x.double(), lambda: x.to("cpu", torch.float64), lambda: wide.to(device),
        lambda: torch.zeros(2, dtype=torch.float64, device=device), lambda: wide.copy_(x[0, :2]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=REFUSAL):
            refused()
    with pytest.raises(RuntimeError, match="two devices"):
        x + torch.ones(2, 3)
    with pytest.raises(TypeError, match="numpy"):
        x.numpy()
    assert float64_home(device) == torch.device("cpu") == float64_home(torch.device("cpu"))


@pytest.mark.parametrize("matcher", MATCHERS, ids=repr)
def test_pairs_and_grams(matcher, tokens, device):
    there = tokens.to(device)
    expected, answer = matcher(tokens[:3], tokens[3:]), matcher(there[:3], there[3:])
    assert np.array_equal(answer.permutation, expected.permutation)
    assert np.allclose(answer.value, expected.value, rtol=1e-6, atol=0)
    expected, gram = srsm.matched_gram(tokens, matcher=matcher), srsm.matched_gram(there, matcher=matcher)
    assert np.allclose(gram.products, expected.products, rtol=1e-6, atol=0)
    assert np.array_equal(gram.x_sq_norms, expected.x_sq_norms)
    assert np.array_equal(gram.pooled_products, expected.pooled_products)


@pytest.mark.parametrize("matcher", MATCHERS[:2], ids=repr)
def test_levels_of_unrelated_tokens(matcher, tokens, device):
    def levels(values):
        return [g.products.item() for g in null_grams(values, matcher, n=5, seed=0, progress=lambda *_: None)]

    assert np.allclose(levels(tokens.to(device)), levels(tokens), rtol=1e-3)


def test_searches(tokens, device):
    there = tokens.to(device)
    expected, found = srsm.search(tokens[0], tokens, k=3), srsm.search(there[0], there, k=3)
    assert np.array_equal(found.indices, expected.indices)
    assert np.allclose(found.values, expected.values)


def test_an_analysis(device):
    plain = make_analysis()
    moved = {
        name: srsm.Tokens(values=each.values.to(device), grid=each.grid, layer=name, native_grid=each.native_grid)
        for name, each in plain.tokens.items()
    }
    analysis = srsm.Analysis(plain.images, moved, matcher=plain.matcher)
    for layer in analysis.layers:
        assert np.allclose(analysis.rsm(layer), plain.rsm(layer))
        assert np.allclose(analysis.matches(layer, 0, 1).token_cosine, plain.matches(layer, 0, 1).token_cosine)
        assert analysis.null(layer) == plain.null(layer)
