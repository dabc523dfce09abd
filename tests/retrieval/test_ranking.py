"""Neighbours and hubs, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from semrsm_widgets.retrieval import ranking
from semrsm_widgets.retrieval.ranking import hub_counts, nearest

N = 7


def similarities(seed):
    K = np.random.default_rng(seed).normal(size=(N, N))
    return K + K.T


def test_nearest_leaves_the_image_itself_out_and_keeps_the_order_of_ties():
    K = np.array([[0.0, 3.0, 3.0, 9.0], [1.0, 9.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0], [5.0, 4.0, 3.0, 2.0]])
    assert nearest(K, 2).tolist() == [[3, 1], [3, 0], [0, 1], [0, 1]]
    assert nearest(K, 2, queries=True).tolist() == [[3, 1], [1, 3], [0, 1], [0, 1]]
    assert nearest(K[:2], 4).tolist() == [[3, 1, 2, 0], [1, 3, 0, 2]]
    assert nearest(K).shape == (4, 3)
    assert K[0, 0] == 0  # not written to
    with pytest.raises(ValueError, match=r"from 1 to 3.*no more other images"):
        nearest(K, 4)
    with pytest.raises(ValueError, match="finite"):
        nearest(np.full((3, 3), np.nan), 1)


def test_ranking_goes_through_some_rows_at_a_time_says_how_far_it_is_and_may_be_stopped(monkeypatch):
    K = similarities(3)
    K[np.median(K) < K] = 1.0  # ties, in the order of the images
    whole, hubs = nearest(K, 2), hub_counts(K, 2)
    monkeypatch.setattr(ranking, "_ENTRIES", 2 * N + 1)
    told = []
    assert np.array_equal(nearest(K, 2, progress=lambda *counts: told.append(counts)), whole)
    assert np.array_equal(hub_counts(K, 2), hubs)
    assert told == [*((k, N) for k in range(0, N, 2)), (N, N)]

    def refuse(done, total):
        if done:
            raise StopIteration

    with pytest.raises(StopIteration):
        hub_counts(K, 2, progress=refuse)


def test_hub_counts_are_k_occurrences():
    K = similarities(3)
    order = nearest(K, 2)
    assert hub_counts(K, 2).tolist() == [sum(j in row for row in order.tolist()) for j in range(N)]
    assert hub_counts(K[:3], 2).sum() == 6
