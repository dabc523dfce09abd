"""What is retrieved by similarities that are read some rows at a time is what matrices in memory retrieve."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from semrsm_widgets.experiments import retrieval_scores
from semrsm_widgets.retrieval import nearest, streamed_scores

RNG = np.random.default_rng(4)


class Blocks:
    """Similarities of random points, made some rows at a time."""

    def __init__(self, count, step, queries=0):
        self.points, self.step = RNG.normal(size=(count, 5)), step
        self.rows = RNG.normal(size=(queries, 5)) if queries else self.points
        self.shape = (len(self.rows), count)

    def blocks(self):
        for first in range(0, len(self.rows), self.step):
            rows = slice(first, min(first + self.step, len(self.rows)))
            yield rows, np.round(self.rows[rows] @ self.points.T, 1)  # with ties

    @property
    def whole(self):
        return np.concatenate([block for _, block in self.blocks()])


def labels_of(count, *, unlabelled=0):
    sets = [frozenset(RNG.choice(list("abcdef"), RNG.integers(1, 3), replace=False).tolist()) for _ in range(count)]
    return [frozenset() if i < unlabelled else each for i, each in enumerate(sets)]


@pytest.mark.parametrize(("count", "step", "unlabelled", "k"), [(40, 7, 0, 3), (40, 40, 13, 5), (30, 1, 9, 20)])
def test_scores_and_intervals_are_those_of_memory(count, step, unlabelled, k, monkeypatch):
    monkeypatch.setattr(streamed_scores, "_NUMBERS_AT_ONCE", 4 * count)
    rsm, labels = Blocks(count, step), labels_of(count, unlabelled=unlabelled)
    assert_alike(retrieval_scores({"a": rsm}, labels, k=k), retrieval_scores({"a": rsm.whole}, labels, k=k))


def assert_alike(found, expected):
    assert found.note == expected.note
    for one, other in zip(found.rows, expected.rows, strict=True):
        assert (one.measure, one.n, one.reason) == (other.measure, other.n, other.reason)
        for name in ("value", "low", "high", "chance"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("unlabelled", "k"), [(0, 3), (9, 20)])
def test_queries_are_scored_by_rows(unlabelled, k, monkeypatch):
    monkeypatch.setattr(streamed_scores, "_NUMBERS_AT_ONCE", 100)
    rsm, labels, asked = Blocks(30, 4, queries=17), labels_of(30, unlabelled=unlabelled), labels_of(17, unlabelled=2)
    found, expected = (retrieval_scores({"a": each}, labels, query_labels=asked, k=k) for each in (rsm, rsm.whole))
    assert {row.n for row in found.rows} == {15, 17}
    assert_alike(found, expected)


@pytest.mark.parametrize("queries", [0, 12])
@pytest.mark.parametrize("unlabelled", [0, 6])
def test_what_is_in_memory_is_ranked_beside_what_is_read(queries, unlabelled):
    rsm, labels = Blocks(25, 5, queries=queries), labels_of(25, unlabelled=unlabelled)
    other = RNG.normal(size=rsm.shape)
    order = nearest(other, queries=queries > 0)
    own = {"similarities": other.astype(np.float32), "all": order, "some": order[:, :14], "few": order[:, :4]}
    options = {"query_labels": labels_of(queries) if queries else None, "own": own, "k": 4}
    found, expected = (retrieval_scores({"a": each, "b": other}, labels, **options) for each in (rsm, rsm.whole))
    assert_alike(found, expected)
    reasons = {row.similarity: row.reason for row in found.of("mAP")}
    assert (reasons["all"], reasons["some"]) == ("", "the ranking does not list all images")


def test_memory_does_not_grow_with_the_square_of_the_images():
    rsm, labels = Blocks(3000, 100), labels_of(3000)
    tracemalloc.start()
    retrieval_scores({"a": rsm}, labels, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 * 2  # the least of it in memory is ten such matrices


def test_what_cannot_be_read_in_rows_is_refused():
    rsm, labels = Blocks(20, 5), labels_of(20)
    with pytest.raises(ValueError, match=r"`source\['b'\]` must be similarities of shape \(20, 20\)"):
        retrieval_scores({"a": rsm, "b": rsm.whole[:9]}, labels)
    with pytest.raises(ValueError, match=r"`own\['c'\]` must be a ranking of at least 5 different other images a row"):
        retrieval_scores({"a": rsm}, labels, own={"c": nearest(rsm.whole, 3)})
    with pytest.raises(ValueError, match="`labels` must be of at least two kinds"):
        retrieval_scores({"a": rsm}, [{"x"}] * 20)
    with pytest.raises(ValueError, match=r"similarities of shape \(21, 21\), as the labels say; got \(20, 20\)"):
        retrieval_scores({"a": rsm}, [*labels, {"a"}])
