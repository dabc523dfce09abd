"""The identity and SciPy's optimum."""

import numpy as np
from helpers.matchers import optima, tokens

from semrsm_widgets.matching.assignment import affinity
from semrsm_widgets.matching.exact import Exact, Identity


def test_identity_pairs_equal_places_and_certifies_nothing():
    x, y = tokens(0), tokens(1)
    answer = Identity()(x, y)
    assert np.array_equal(answer.permutation, np.tile(np.arange(12), (3, 1)))
    assert np.allclose(answer.value, np.einsum("bsd,bsd->b", x, y))
    assert np.all(np.isinf(answer.upper_bound))


def test_exact_solves_given_affinities():
    a = affinity(tokens(0), tokens(1, size=7))
    answer = Exact().solve(a)
    assert np.allclose(answer.value, optima(tokens(0), tokens(1, size=7)))
    assert (answer.permutation == -1).sum() == 3 * (12 - 7)
