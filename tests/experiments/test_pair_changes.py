"""The difference of two RSMs is what keeps their CKA from 1."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

import semrsm_widgets as srsm

N = 9
UPPER = np.triu_indices(N, 1)


def rsm(seed, n=N):
    return np.cov(np.random.default_rng(seed).normal(size=(n, 20)))


def test_cka_is_what_the_standardised_rsms_say():
    K, L = rsm(0), rsm(0) + rsm(1)
    found = srsm.rsm_difference(K, L)
    assert found.cka == pytest.approx(srsm.cka(K, L), abs=1e-12)
    for each in (found.a, found.b):
        assert each[UPPER].mean() == pytest.approx(0, abs=1e-12)
        assert each[UPPER].std() == pytest.approx(1, abs=1e-12)
        assert np.allclose(each.sum(0), 0)  # no image has a level of its own
        assert not each.diagonal().any()
    assert (found.a * found.b)[UPPER].mean() == pytest.approx(found.cka, abs=1e-12)
    assert 1 - np.square(found.difference[UPPER]).mean() / 2 == pytest.approx(found.cka, abs=1e-12)


def test_levels_and_scales_make_no_difference():
    K, effect = rsm(0), np.arange(N)
    found = srsm.rsm_difference(K, 3 * K + np.add.outer(effect, effect) + 5)
    assert np.abs(found.difference).max() < 1e-10
    assert found.changes(5) == ()


def test_a_pair_that_changed_is_found_with_its_side_ranks_and_share():
    K = rsm(0)
    L = K.copy()
    L[2, 6] = L[6, 2] = K.max() + 3
    found = srsm.rsm_difference(K, L)
    (first,) = found.changes(1)
    assert first.pair == (2, 6)
    assert found.more_alike(False, 1) == (first,)
    assert first.pair not in [change.pair for change in found.more_alike(True, 100)]
    assert (first.rank_b, found.pairs) == (1, 36)
    places = dict(zip(zip(*UPPER, strict=True), rankdata(-K[UPPER], "min"), strict=True))
    assert first.rank_a == places[2, 6] == found.rank_a[6, 2]
    assert sum(change.share for change in found.changes(100)) == pytest.approx(1)
    sizes = [abs(change.a - change.b) for change in found.changes(100)]
    assert sizes == sorted(sizes, reverse=True)


def test_what_has_no_cka_has_no_difference():
    with pytest.raises(srsm.UndefinedStatisticError, match="an RSM that varies"):
        srsm.rsm_difference(rsm(0), np.ones((N, N)))
    with pytest.raises(ValueError, match="shape of K"):
        srsm.rsm_difference(rsm(0), rsm(0, n=5))
    with pytest.raises(TypeError, match="`k`"):
        srsm.rsm_difference(rsm(0), rsm(1)).changes(1.5)
