"""The auction told bid by bid: that it ends where it must, and that what it tells is so."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from helpers.matchers import many
from hypothesis import given
from hypothesis import strategies as st

from semrsm_widgets.matching.assignment import dual_bound
from semrsm_widgets.matching.exact import Exact
from semrsm_widgets.matching.trace import MOST_BIDS, auction_plan, auction_trace

WAR = [[10.0, 9.9, 0.0]] * 3
COFFEE = [
    [0.182, 0.027, 0.216, 0.073],
    [0.174, 0.109, 0.148, 0.176],
    [0.105, 0.013, 0.165, 0.059],
    [0.13, 0.099, 0.175, 0.136],
]


@st.composite
def affinities(draw):
    """Affinities of any size that can be followed, with ties, zeros and negative entries among them."""
    n = draw(st.integers(1, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "relu", "integers", "constant"]))
    matrix = rng.normal(size=(n, n))
    if kind == "relu":
        matrix = np.maximum(matrix, 0)
    if kind == "integers":
        matrix = np.rint(2 * matrix)
    if kind == "constant":
        matrix = np.full((n, n), rng.normal())
    return matrix * 10.0 ** draw(st.integers(-3, 3))


@many
@given(affinities(), st.randoms(use_true_random=False))
def test_it_ends_within_n_eps_of_the_optimum_and_its_bound_says_so(matrix, random):
    n = len(matrix)
    order = random.sample(range(n), n)
    trace = auction_trace(matrix, order=order)
    optimum = float(Exact().solve(matrix).value[0])
    tiny = 1e-12 * n * max(1e-300, np.abs(matrix).max())
    assert trace.finished
    assert sorted(trace.permutation) == list(range(n))
    assert trace.value == pytest.approx(matrix[np.arange(n), trace.permutation].sum(), abs=tiny)
    assert optimum - n * trace.plan[-1] - tiny <= trace.value <= optimum + tiny
    assert optimum - tiny <= trace.upper_bound <= trace.value + n * trace.plan[-1] + tiny
    assert trace.steps[-1].bound == dual_bound(matrix, trace.steps[-1].prices)
    assert all(step.bound >= optimum - tiny for step in trace.steps)


@many
@given(affinities())
def test_each_step_follows_from_the_one_before(matrix):
    trace = auction_trace(matrix)
    for before, step in pairwise(trace.steps):
        assert step.bound == dual_bound(matrix, step.prices)
        assert step.best_bound == min(before.best_bound, step.bound)
        assert step.held + len(step.queue) == len(matrix)
        assert set(step.queue).isdisjoint(step.owners)
        assert step.value == pytest.approx(sum(matrix[row, k] for k, row in enumerate(step.owners) if row >= 0))
        if step.kind in ("phase", "prove"):
            assert step.prices == before.prices
            assert (step.row, step.column, step.owner_before) == (-1, -1, -1)
            assert step.held == (0 if step.kind == "phase" else len(matrix))
            continue
        profits = matrix[step.row] - before.prices
        assert step.row == before.queue[0]
        assert step.column == np.argmax(profits)
        assert step.best == profits[step.column]
        assert step.second == (np.delete(profits, step.column).max() if len(matrix) > 1 else step.best)
        assert step.price_before == before.prices[step.column]
        assert step.price_after == step.prices[step.column] == step.price_before + (step.best - step.second) + step.eps
        assert step.owner_before == before.owners[step.column]
        assert step.kind == ("bid" if step.owner_before < 0 else "evict")
        assert step.queue == before.queue[1:] + ((step.owner_before,) if step.kind == "evict" else ())
    proofs = [step for step in trace.steps if step.kind == "prove"]
    assert [step.phase for step in proofs] == list(range(1, len(trace.plan) + 1))
    assert trace.steps[-1].best_value == max(step.value for step in proofs)


def test_the_first_bound_is_the_sum_of_first_choices():
    first = auction_trace(COFFEE).steps[0]
    assert (first.kind, first.queue, first.value, first.best_value) == ("phase", (0, 1, 2, 3), 0, -math.inf)
    assert first.bound == pytest.approx(np.max(COFFEE, axis=1).sum())


def test_smaller_eps_bring_value_and_bound_together():
    matrix = np.array(COFFEE)
    trace = auction_trace(matrix, eps=[0.05, 0.0125, 0.003, 0.0008])
    optimum = max(matrix[np.arange(4), list(each)].sum() for each in permutations(range(4)))
    proofs = [step for step in trace.steps if step.kind == "prove"]
    gaps = [step.best_bound - step.value for step in proofs]
    assert gaps == sorted(gaps, reverse=True)
    assert all(gap <= 4 * step.eps for gap, step in zip(gaps, proofs, strict=True))
    assert trace.value == pytest.approx(optimum)
    assert auction_trace(matrix, eps=0.05).value < optimum - 0.02  # an ε so large ends elsewhere


@pytest.mark.parametrize(("eps", "bids"), [(1.0, 12), (0.1, 102), (0.01, 993)])
def test_a_price_war_lasts_as_long_as_eps_is_small(eps, bids):
    trace = auction_trace(WAR, eps=eps)
    assert (trace.bids, trace.finished) == (bids, True)
    assert trace.value == pytest.approx(19.9)


def test_an_endless_price_war_is_broken_off():
    trace = auction_trace(WAR, eps=1e-6)
    assert (trace.bids, trace.finished) == (MOST_BIDS, False)
    assert trace.steps[-1].held == 2
    assert sorted(trace.permutation) == [-1, 0, 1]
    assert trace.upper_bound >= 19.9
    assert "broken off" in repr(trace)


def test_phases_end_a_price_war_early():
    assert auction_trace(WAR).bids < auction_trace(WAR, eps=auction_plan(WAR)[-1]).bids


def test_another_order_gives_another_story_and_the_same_value():
    one, other = auction_trace(COFFEE, order=[0, 1, 2, 3]), auction_trace(COFFEE, order=[3, 1, 0, 2])
    assert [step.row for step in other.steps[1:3]] == [3, 1]
    assert [step.row for step in one.steps] != [step.row for step in other.steps]
    assert one.value == pytest.approx(other.value)


@pytest.mark.parametrize("matrix", [[[0.0]], [[-3.0]], np.zeros((5, 5)), np.full((3, 3), -2.5)])
def test_nothing_to_choose_is_no_trouble(matrix):
    trace = auction_trace(matrix)
    assert trace.finished
    assert trace.value == pytest.approx(np.trace(np.asarray(matrix)))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"affinity": np.zeros((17, 17))}, ValueError, r"`affinity` must be \(n, n\) with n from 1 to 16"),
        ({"affinity": np.zeros((2, 3))}, ValueError, "pad one that is not square"),
        ({"affinity": np.zeros((0, 0))}, ValueError, "`affinity` must be"),
        ({"affinity": [[np.nan]]}, ValueError, "`affinity` must be finite"),
        ({"affinity": [[1e308, 0], [0, 1]]}, ValueError, "sum of its entries is finite"),
        ({"affinity": [["a"]]}, TypeError, "`affinity`"),
        ({"eps": 0}, ValueError, "`eps` must be a finite number and > 0"),
        ({"eps": [0.1, 0.1]}, ValueError, "several that fall"),
        ({"eps": []}, ValueError, "`eps` must be one number above 0"),
        ({"eps": "small"}, TypeError, "`eps` must be a finite number"),
        ({"order": [0, 0]}, ValueError, "`order` must be each row once, 0 to 1"),
        ({"order": 3}, ValueError, "`order` must be each row once"),
    ],
)
def test_what_cannot_be_right_is_refused(given, error, words):
    arguments = {"affinity": [[1.0, 0.0], [0.0, 1.0]], **given}
    with pytest.raises(error, match=words):
        auction_trace(arguments.pop("affinity"), **arguments)
