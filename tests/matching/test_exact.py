"""The identity and SciPy's optimum."""

import signal
import threading

import numpy as np
import pytest
import scipy.optimize
from helpers.matchers import optima, tokens

from semrsm_widgets.matching.affinities import Affinities
from semrsm_widgets.matching.assignment import affinity
from semrsm_widgets.matching.exact import Exact, Identity
from semrsm_widgets.matching.threads import Pool


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


@pytest.mark.skipif(scipy.__version__.startswith("1.11."), reason="it does not let go of the interpreter within a pair")
@pytest.mark.parametrize("pool", [Pool(1), Pool(2), Pool.here()], ids=["one thread", "two threads", "the calling one"])
def test_ctrl_c_is_heard_within_a_pair_and_waits_for_no_end_of_it(pool, monkeypatch):
    of_scipy, ended = scipy.optimize.linear_sum_assignment, threading.Event()

    def pressed_within(*given, **how):
        threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()
        answer = of_scipy(*given, **how)
        ended.set()
        return answer

    monkeypatch.setattr(scipy.optimize, "linear_sum_assignment", pressed_within)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1, 3500, 64)), rng.normal(size=(1, 3500, 64))  # seconds
    with pytest.raises(KeyboardInterrupt), pool:
        Exact().solve_pairs(Affinities.read(affinity(x, y)), np.ones(1), pool)
    assert not ended.is_set()
    assert ended.wait(120)  # it runs out behind the call


def test_a_large_pair_is_solved_as_a_small_one_and_its_error_is_scipys(monkeypatch):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(1, 720, 750))
    rows, columns = scipy.optimize.linear_sum_assignment(a[0], maximize=True)
    answer = Exact().solve(a)
    assert np.array_equal(answer.permutation[0, rows], columns)

    def fails(*_given, **_how):
        raise MemoryError("as SciPy says it")

    monkeypatch.setattr(scipy.optimize, "linear_sum_assignment", fails)
    with pytest.raises(MemoryError, match="as SciPy says it"):
        Exact().solve(a)
