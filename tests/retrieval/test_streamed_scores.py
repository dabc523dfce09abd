"""What is retrieved by similarities that are read some rows at a time is what matrices in memory retrieve."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from semrsm_widgets.experiments import retrieval_scores
from semrsm_widgets.retrieval import streamed_scores

RNG = np.random.default_rng(4)


class Blocks:
    """Similarities of random points, made some rows at a time."""

    def __init__(self, count, step):
        self.points, self.step, self.shape = RNG.normal(size=(count, 5)), step, (count, count)

    def blocks(self):
        for first in range(0, len(self.points), self.step):
            rows = slice(first, min(first + self.step, len(self.points)))
            yield rows, np.round(self.points[rows] @ self.points.T, 1)  # with ties

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
    found = retrieval_scores({"a": rsm}, labels, k=k)
    expected = retrieval_scores({"a": rsm.whole}, labels, k=k)
    assert found.note == expected.note
    for one, other in zip(found.rows, expected.rows, strict=True):
        assert (one.measure, one.n, one.reason) == (other.measure, other.n, other.reason)
        for name in ("value", "low", "high", "chance"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9, nan_ok=True)


def test_memory_does_not_grow_with_the_square_of_the_images():
    rsm, labels = Blocks(3000, 100), labels_of(3000)
    tracemalloc.start()
    retrieval_scores({"a": rsm}, labels, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 * 2  # the least of it in memory is ten such matrices


def test_what_cannot_be_read_in_rows_is_refused():
    rsm, labels = Blocks(20, 5), labels_of(20)
    with pytest.raises(ValueError, match="`source` must be StreamedRSM of a set with itself alone"):
        retrieval_scores({"a": rsm, "b": rsm.whole}, labels)
    with pytest.raises(ValueError, match="got queries"):
        retrieval_scores({"a": rsm}, labels, query_labels=labels)
    with pytest.raises(ValueError, match="`labels` must be of at least two kinds"):
        retrieval_scores({"a": rsm}, [{"x"}] * 20)
    with pytest.raises(ValueError, match=r"similarities of shape \(21, 21\), as the labels say; got \(20, 20\)"):
        retrieval_scores({"a": rsm}, [*labels, {"a"}])
