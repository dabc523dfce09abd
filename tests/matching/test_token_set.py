"""Token sets as matchers read them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.matchers import tokens

from semrsm_widgets.matching import token_set
from semrsm_widgets.matching.solvers.multiplier import multiplier
from semrsm_widgets.matching.token_set import TokenSet, check_comparable
from semrsm_widgets.rsm.rsm import matched_gram


def test_tokens_of_two_devices_and_of_none_are_refused():
    x = TokenSet.read("x", tokens(0))
    with pytest.raises(ValueError, match=r"`y` must be on the device of x, cpu; got meta. Move one of them"):
        check_comparable(x, replace(x, values=x.values.to("meta")))
    with pytest.raises(ValueError, match=r"`x` must be tokens that hold numbers"):
        matched_gram(torch.empty(2, 3, 4, device="meta"))


@pytest.mark.parametrize(
    ("made", "tolerance"),
    [
        (lambda x: x.half(), 2e-3),
        (lambda x: x.bfloat16(), 2e-2),
        (lambda x: x.to(torch.float8_e4m3fn), 0.2),
        (lambda x: x.double(), 1e-6),
        (lambda x: x.to_sparse(), 1e-6),
        (lambda x: x.clone().requires_grad_(), 1e-6),
        (lambda x: x.numpy(), 1e-6),
        (lambda x: x.numpy().astype(">f8"), 1e-6),
        (lambda x: x.half().numpy(), 2e-3),
        (lambda x: x.numpy()[:, ::-1][:, ::-1], 1e-6),
        (lambda x: x.tolist(), 1e-6),
        (lambda x: Wrapped(x.numpy()), 1e-6),
    ],
)
def test_tokens_come_in_every_floating_type(made, tolerance):
    x = torch.randn(4, 7, 6, generator=torch.Generator().manual_seed(0))
    expected = TokenSet.read("x", x)
    found = TokenSet.read("x", made(x))
    assert found.sq_norms == pytest.approx(expected.sq_norms, rel=tolerance)
    assert found.means == pytest.approx(expected.means, abs=tolerance)


def test_tokens_of_inference_mode_and_masked_ones():
    with torch.inference_mode():
        x = torch.ones(2, 3, 4)
    assert TokenSet.read("x", x).sq_norms.tolist() == [12, 12]
    with pytest.raises(ValueError, match="1 of 24 masked"):
        TokenSet.read("x", np.ma.masked_equal(np.arange(24.0).reshape(2, 3, 4), 3))
    with pytest.raises(TypeError, match=r"dtype complex64.*x\.astype"):
        TokenSet.read("x", np.ones((2, 3, 4), np.complex64))


class Wrapped:
    """An array of another package."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def test_images_of_different_sizes_in_one_tensor_are_refused():
    with pytest.raises(ValueError, match=r"`x` must be tokens .*; got a nested tensor"):
        matched_gram(torch.nested.nested_tensor([torch.ones(3, 2), torch.ones(2, 2)]))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (40, 49, 33), (2, 300, 64)])
def test_compiled_norms_and_means_are_those_of_float64(shape):
    multiplier()
    x = np.random.default_rng(0).normal(size=shape).astype("f4") * 3
    read = TokenSet.read("x", x)
    assert read.numbers is not None
    assert np.allclose(read.sq_norms, np.square(x.astype("f8")).sum((1, 2)), rtol=1e-14)
    assert np.allclose(read.means, x.astype("f8").mean(1), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
def test_compiled_norms_let_nothing_pass_that_is_not_finite(bad):
    multiplier()
    x = np.ones((5, 6, 7), "f4")
    x[3, 2, 1] = bad
    if np.isfinite(bad):
        assert TokenSet.read("x", x).exponents[3] > 0
        return
    with pytest.raises(ValueError, match="image 3"):
        TokenSet.read("x", x)


@pytest.mark.parametrize(("size", "channels"), [(1, 1), (70, 1), (3, 5), (16, 4), (49, 33), (12, 320)])
def test_norms_and_means_are_the_same_bits_by_compiled_code_and_without(monkeypatch, size, channels):
    multiplier()
    x = np.random.default_rng(size).normal(size=(5, size, channels)).astype(np.float32)
    compiled = TokenSet.read("x", x)
    norms, means = compiled.sq_norms, compiled.means
    assert compiled.numbers is not None
    monkeypatch.setattr(token_set, "_compiled", [])
    plain = TokenSet.read("x", x)
    assert plain.numbers is None
    assert np.array_equal(plain.sq_norms, norms)
    assert np.array_equal(plain.means, means)
