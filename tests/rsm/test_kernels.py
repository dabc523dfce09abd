"""Kernels of a matched Gram, against loops written out."""

import numpy as np
import pytest
from helpers.matchers import few, optima, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.exact import Exact
from semrsm_widgets.rsm.kernels import cosine, inner_product, rbf, rbf_sigma
from semrsm_widgets.rsm.rsm import matched_gram


@few
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(2, 6), m=st.integers(2, 6), s=st.integers(1, 9), t=st.integers(1, 9)
)
def test_kernels_equal_the_textbook_loops(seed, n, m, s, t):
    x, y = tokens(seed, n, s), tokens(seed + 1, m, t)
    gram = matched_gram(x, y, matcher=Exact())
    best = np.array([[optima(a[None], b[None])[0] for b in y] for a in x])
    sq = np.array([[(a**2).sum() + (b**2).sum() for b in y] for a in x]) - 2 * best
    length = np.array([[np.linalg.norm(a) * np.linalg.norm(b) for b in y] for a in x])
    assert np.allclose(inner_product(gram), best)
    assert np.allclose(cosine(gram), best / length)
    assert rbf_sigma(gram) == pytest.approx(np.sqrt(np.median(sq)))
    assert np.allclose(rbf(gram), np.exp(-sq / (2 * np.median(sq))))
    assert np.allclose(rbf(gram, 0.7), np.exp(-sq / (2 * 0.7**2)))
    assert gram.products.shape == gram.gap.shape == gram.shape == (n, m)


@pytest.mark.parametrize("kernel", [inner_product, cosine, rbf])
def test_the_true_entry_lies_in_the_certified_interval(kernel):
    x, y = tokens(0, 8, 20), tokens(1, 9, 20)
    gram, truth = matched_gram(x, y, matcher=Auction(gap=0.05)), matched_gram(x, y, matcher=Exact())
    if kernel is rbf:
        assert rbf_sigma(gram.at_upper_bound()) == rbf_sigma(gram)
        exact = rbf(truth, rbf_sigma(gram))
    else:
        exact = kernel(truth)
    low, high = kernel(gram), kernel(gram.at_upper_bound())
    assert np.all(low <= exact + 1e-6 * np.abs(exact))
    assert np.all(exact <= high + 1e-6 * np.abs(exact))
    assert np.any(high > low)
    assert np.allclose(cosine(gram.at_upper_bound()), np.minimum(1, cosine(gram) + gram.gap))


def test_rbf_width_that_cannot_be_derived_is_refused():
    with pytest.raises(ValueError, match="two images"):
        rbf(matched_gram(tokens(0, 1)))
    with pytest.raises(ValueError, match="Most images have the same tokens"):
        rbf(matched_gram(np.ones((3, 4, 2))))
    with pytest.raises(ValueError, match="`sigma` must be"):
        rbf(matched_gram(tokens(0)), 0)


@pytest.mark.parametrize("sigma", [5e-324, 1e-320, 1e-160, 1e-3, 1.0, 1e154, 1e300])
def test_an_rbf_of_any_width_is_a_similarity(sigma):
    values = rbf(matched_gram(tokens(0, 4)), sigma)
    assert np.all(np.diag(values) == 1)
    assert np.all((values >= 0) & (values <= 1))
    off = values[np.triu_indices(4, 1)]
    assert np.all(off == 0) if sigma < 1e-2 else sigma == 1 or np.all(off == 1)


@pytest.mark.parametrize("kernel", [cosine, inner_product, rbf, rbf_sigma])
@pytest.mark.parametrize("value", [np.eye(3), None, "x"])
def test_a_kernel_of_what_is_no_gram_says_how_to_make_one(kernel, value):
    with pytest.raises(TypeError, match=r"`gram` must be a MatchedGram; got .*matched_gram\(tokens\)"):
        kernel(value)
