"""Which images may still be among the best."""

import numpy as np
import pytest
from helpers.matchers import few
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.bounds import undecided


@few
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12), k=st.integers(1, 12))
def test_the_undecided_hold_the_best_whatever_the_truth(seed, count, k):
    rng = np.random.default_rng(seed)
    low = rng.normal(size=(3, count))
    high = low + rng.exponential(0.2, size=low.shape)
    stay = undecided(low, high, k)
    truth = rng.uniform(low, high)
    best = np.argsort(-truth, axis=1)[:, :k]
    assert np.take_along_axis(stay, best, 1).all()
    assert np.array_equal(undecided(truth, truth, k).sum(1), np.full(3, min(k, count)))


def test_bounds_refuse_what_they_cannot_read():
    with pytest.raises(ValueError, match="`upper` must be at least"):
        undecided([0.5, 0.2], [0.4, 0.3], 1)
    with pytest.raises(ValueError, match="`upper` must be of the shape"):
        undecided([0.5, 0.2], [0.6], 1)
