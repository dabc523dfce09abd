"""Matchers without a certificate, against their definitions."""

import numpy as np
import pytest
from helpers.matchers import few, kinds, optima, tokens
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.approximate import BatchOptimal, Greedy, TopKGreedy, _greedy


def greedy(affinity):
    """Return the greedy permutation by the definition: the largest entry left, again and again."""
    a, permutation = affinity.astype(float), np.full(len(affinity), -1)
    for _ in range(min(a.shape)):
        s, t = np.unravel_index(a.argmax(), a.shape)
        permutation[s] = t
        a[s], a[:, t] = -np.inf, -np.inf
    return permutation


@few
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)), kind=kinds)
def test_greedy_takes_the_largest_entry_left(seed, sizes, kind):
    x, y = tokens(seed, 1, sizes[0], 4, kind), tokens(seed + 1, 1, sizes[1], 4, kind)
    assert np.array_equal(Greedy()(x, y).permutation[0], greedy(x[0] @ y[0].T))


@few
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 12))
def test_top_k_matches_the_longest_tokens_optimally_and_the_others_greedily(seed, k):
    x, y = tokens(seed, 1, 10), tokens(seed + 1, 1, 8)
    permutation = TopKGreedy(k)(x, y).permutation[0]
    s, t = (np.argsort(-np.linalg.norm(side[0], axis=1), kind="stable") for side in (x, y))
    top = [(i, permutation[i]) for i in s[:k] if permutation[i] in t[:k]]
    assert len(top) == min(k, 8)
    value = sum(x[0, i] @ y[0, j] for i, j in top)
    assert value == pytest.approx(optima(x[:, s[:k]], y[:, t[:k]])[0])
    rows = [i for i in range(10) if i not in dict(top)]
    columns = [j for j in range(8) if j not in [j for _, j in top]]
    if columns:
        rest = greedy(x[0, rows] @ y[0, columns].T)
        assert [permutation[i] for i in rows] == [columns[j] if j >= 0 else -1 for j in rest]


def test_approximations_are_exact_when_one_part_holds_all():
    x, y = tokens(0), tokens(1)
    for matcher in (TopKGreedy(12), TopKGreedy(99), BatchOptimal(12), BatchOptimal(99)):
        assert np.allclose(matcher(x, y).value, optima(x, y))


def test_windows_hold_tokens_of_like_norm():
    x, y = tokens(0, 1), tokens(1, 1)
    s, t = (np.argsort(-np.linalg.norm(side[0], axis=1), kind="stable") for side in (x, y))
    permutation = BatchOptimal(5)(x, y).permutation[0]
    for first in (0, 5, 10):
        here = slice(first, first + 5)
        assert set(permutation[s[here]]) == set(t[here])
        value = sum(x[0, i] @ y[0, permutation[i]] for i in s[here])
        assert value == pytest.approx(optima(x[:, s[here]], y[:, t[here]])[0])


@pytest.mark.parametrize(("matcher", "name"), [(TopKGreedy, "k"), (BatchOptimal, "window")])
def test_bad_sizes_of_parts_are_refused(matcher, name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer >= 1; got 0"):
        matcher(0)
    with pytest.raises(TypeError, match=f"`{name}` must be an integer"):
        matcher(2.5)


@few
@given(shape=st.tuples(st.integers(1, 60), st.integers(1, 60)), kind=st.sampled_from(["ties", "equal", "rank one"]))
def test_the_greedy_matching_sorts_some_entries_at_a_time_and_keeps_their_order(shape, kind):
    rng = np.random.default_rng(shape)
    affinity = {
        "ties": lambda: rng.integers(-2, 3, size=shape).astype(float),
        "equal": lambda: np.ones(shape),
        "rank one": lambda: np.multiply.outer(rng.random(shape[0]), rng.random(shape[1])),
    }[kind]()
    assert np.array_equal(_greedy(affinity), greedy(affinity))
