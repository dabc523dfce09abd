"""F1 and average precision against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from semrsm_widgets.retrieval import metrics
from semrsm_widgets.retrieval.metrics import (
    average_precision,
    chance_average_precision,
    f1_at_k,
    label_f1,
    score_ranking,
)
from semrsm_widgets.retrieval.ranking import nearest

LABELS = [{"a"}, {"a", "b"}, {"b"}, {"c"}, {"a"}, {"b", "c"}, set()]
N = len(LABELS)


def similarities(seed, n=N):
    K = np.random.default_rng(seed).normal(size=(n, n))
    return K + K.T


def test_label_f1_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    one_hot = np.array([[name in labels for name in "abc"] for labels in LABELS], int)
    expected = [[metrics.f1_score(a, b, zero_division=0) for b in one_hot] for a in one_hot]
    assert np.allclose(label_f1(LABELS), expected, atol=1e-12)
    assert np.allclose(label_f1(LABELS[:2], LABELS), np.array(expected)[:2], atol=1e-12)


def test_average_precision_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    K, relevant = similarities(1), label_f1(LABELS) > 0
    values = average_precision(nearest(K), relevant)
    for i in range(N - 1):
        others = np.arange(N) != i
        assert values[i] == pytest.approx(metrics.average_precision_score(relevant[i, others], K[i, others]), abs=1e-12)
    assert np.isnan(values[N - 1])  # nothing is relevant to an image without labels


def test_chance_is_the_mean_over_random_orders():
    rng = np.random.default_rng(2)
    relevant = np.arange(9) < 3
    orders = np.array([rng.permutation(9) for _ in range(20000)])
    mean = average_precision(orders, np.tile(relevant, (20000, 1))).mean()
    assert chance_average_precision(3, 9) == pytest.approx(mean, abs=0.005)
    assert chance_average_precision(9, 9) == pytest.approx(1)
    assert chance_average_precision(1, 1) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_come_from_leaving_an_image_out_as_query_and_as_answer(seed):
    K, f1 = similarities(seed), label_f1(LABELS)
    answer = score_ranking(nearest(K), f1, 2, complete=True, queries=False)
    f1_without, ap_without = [], []
    for i in range(N):
        keep = np.delete(np.arange(N), i)
        order, gains = nearest(K[np.ix_(keep, keep)]), f1[np.ix_(keep, keep)]
        f1_without.append(f1_at_k(order, gains, 2).mean())
        ap_without.append(np.nanmean(average_precision(order, gains > 0)))
    order = nearest(K)
    assert np.allclose(metrics._f1_without_one(order, f1, 2), f1_without, atol=1e-12)
    assert np.allclose(metrics._precision_without_one(order, f1, 2), ap_without, atol=1e-12)
    assert answer.f1.value == pytest.approx(f1_at_k(order, f1, 2).mean())
    assert answer.f1.low < answer.f1.value < answer.f1.high
    assert answer.average_precision.value == pytest.approx(np.nanmean(average_precision(order, f1 > 0)))


def test_queries_from_outside_are_averaged():
    K, f1 = similarities(4), label_f1(LABELS)
    answer = score_ranking(nearest(K[:4], queries=True), f1[:4], 3, complete=True, queries=True)
    values = f1_at_k(nearest(K[:4], queries=True), f1[:4], 3)
    half = 3.182446305284263 * values.std(ddof=1) / 2
    assert answer.f1.value == pytest.approx(values.mean())
    mean = values.mean()
    assert answer.f1.high == pytest.approx(1 / (1 + (1 - mean) / mean * np.exp(-half / (mean * (1 - mean)))))
    assert answer.f1.n == 4


def test_what_is_undefined_says_why():
    apart = label_f1([{"a"}, {"b"}, {"c"}])
    answer = score_ranking(nearest(similarities(5, 3)), apart, 1, complete=True, queries=False)
    assert np.isnan(answer.average_precision.value)
    assert "shares a label" in answer.average_precision.reason
    partial = score_ranking(nearest(similarities(5, 3), 1), apart, 1, complete=False, queries=False)
    assert "does not list all" in partial.average_precision.reason
    assert partial.f1.value == 0


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        (["cat", "dog"], TypeError, "a set of labels"),
        ([set(), set()], ValueError, "at least one is not empty"),
        (None, ValueError, "got None"),
    ],
)
def test_bad_labels_are_refused(labels, error, text):
    with pytest.raises(error, match=text):
        label_f1(labels)


@pytest.mark.parametrize(
    "ranking", [[[-1, 0]], [[0, 2]], [[0, 0]], [[0.0, 1.0]], [0, 1], [[0, 1], [1, 0]], [["a", "b"]]]
)
def test_what_is_no_ranking_is_refused(ranking):
    with pytest.raises(ValueError, match="`ranking` must be column indices"):
        average_precision(ranking, [[True, False]])
    with pytest.raises(ValueError, match="`ranking` must be column indices"):
        f1_at_k(ranking, [[1.0, 0.5]], k=1)


@pytest.mark.parametrize("relevant", [[[2, 0]], [[0.5, 1]], [True, False], [["a", "b"]], 3])
def test_what_is_no_matrix_of_answers_is_refused(relevant):
    with pytest.raises(ValueError, match="`relevant` must be a matrix"):
        average_precision([[0, 1]], relevant)


@pytest.mark.parametrize(("relevant", "total"), [(5, 2), (-1, 2), (np.nan, 2), ("a", 2), (1, 0), (1, -3)])
def test_more_answers_than_images_are_refused(relevant, total):
    with pytest.raises(ValueError, match=r"`(relevant|total)` must be"):
        chance_average_precision(relevant, total)


@pytest.mark.parametrize("labels", [3, None, 2.5, "cat", [3]])
def test_what_are_no_label_sets_is_refused(labels):
    with pytest.raises((TypeError, ValueError), match=r"`labels` must be a (label set|set of labels)"):
        label_f1(labels)
