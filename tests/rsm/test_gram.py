"""Parts of a matched Gram: pooled, matched, centred, and at its upper bound."""

import numpy as np
import pytest
from helpers.matchers import few, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.exact import Exact, Identity
from semrsm_widgets.rsm.kernels import cosine, inner_product, rbf
from semrsm_widgets.rsm.rsm import aligned_rsm, matched_gram, pooled_rsm


@few
@given(seed=st.integers(0, 2**32 - 1), s=st.integers(1, 9), t=st.integers(1, 9))
def test_any_matching_is_the_mean_of_all_matchings_and_the_best_matching_adds_is_what_is_left(seed, s, t):
    x, y = tokens(seed, 2, s), tokens(seed + 1, 3, t)
    gram = matched_gram(x, y, matcher=Exact())
    rng = np.random.default_rng(seed)
    k = min(s, t)
    assert np.allclose(gram.any_matching, k * np.einsum("nd,md->nm", x.mean(1), y.mean(1)))
    assert np.allclose(gram.any_matching + gram.best_matching_adds, gram.products)
    assert np.all(gram.best_matching_adds >= -1e-9)
    random = [(x[0, rng.permutation(s)[:k]] * y[0, rng.permutation(t)[:k]]).sum() for _ in range(20)]
    assert max(random) <= gram.products[0, 0] + 1e-9


def test_centred_grams_equal_matching_the_mean_free_tokens():
    x = tokens(3, 6, 25, 4, "relu")
    free = matched_gram(x - x.mean(1, keepdims=True), matcher=Exact())
    centred = matched_gram(x, matcher=Exact()).centred()
    assert np.allclose(centred.products, free.products)
    assert np.allclose(centred.x_sq_norms, free.x_sq_norms)
    assert np.allclose(cosine(centred), cosine(free))
    assert np.all(matched_gram(x).centred().gap >= 0)
    with pytest.raises(ValueError, match="equal S and T"):
        matched_gram(x, x[:, :4]).centred()


def test_pooled_gram_can_be_brought_to_the_level_of_all_tokens():
    x = tokens(0, 5, 9)
    gram = matched_gram(x)
    level = gram.pooled().scaled(9)
    assert np.allclose(inner_product(level), gram.any_matching)
    assert np.allclose(cosine(level), pooled_rsm(x))
    assert np.allclose(level.x_sq_norms, 9 * np.square(x.mean(1)).sum(1))
    repeated = np.repeat(x.mean(1, keepdims=True), 9, axis=1)
    assert np.allclose(rbf(level, 2.0), aligned_rsm(repeated, kernel=lambda g: rbf(g, 2.0)))


def test_uncertified_entries_say_so():
    gram = matched_gram(tokens(0), matcher=Identity())
    off = ~np.eye(3, dtype=bool)
    assert np.all(np.isinf(gram.gap[off]))
    assert np.all(cosine(gram.at_upper_bound())[off] == 1)
