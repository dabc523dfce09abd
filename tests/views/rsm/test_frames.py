"""What RSMView sends of a layer under a kernel, and the orders of its rows."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import N, make_analysis
from helpers.views import state, unpacked_frame

import semrsm_widgets as srsm
from semrsm_widgets.views.rsm.frames import cluster_order, full_frame, label_order, partial_frame


@pytest.mark.parametrize("exact", [True, False])
def test_a_frame_carries_every_similarity_its_certificate_null_and_label_separation(analysis, monkeypatch, exact):
    from semrsm_widgets.views.base import wire as module

    monkeypatch.setattr(module, "EXACT_IMAGES", N if exact else N - 1)
    similarities = analysis.similarities("b")
    frame = full_frame(similarities, "cosine", analysis.images)
    found = unpacked_frame(frame.content, frame.buffers)
    assert set(found) == {"aligned", "semantic", "pooled"} | ({"upper"} if exact else set())
    for name, matrix in found.items():
        values = getattr(similarities, name)
        np.testing.assert_allclose(matrix, values, atol=1e-6 if exact else np.ptp(values) / 65534)
    off = similarities.semantic[np.triu_indices(N, 1)]
    row = next(row for row in frame.content["matrices"] if row["name"] == "semantic")
    assert row["off_diagonal"] == [off.min(), off.max()]
    assert frame.content["complete"] is True
    assert frame.content["null"]["mean"] == pytest.approx(analysis.null("b").mean)
    labels = [next(iter(each)) for each in analysis.images.labels]
    same = [similarities.semantic[i, j] for i in range(N) for j in range(i) if labels[i] == labels[j]]
    other = [similarities.semantic[i, j] for i in range(N) for j in range(i) if labels[i] != labels[j]]
    assert frame.content["auc"]["semantic"] == pytest.approx(np.mean([a > b for a in same for b in other]))


def test_a_16_bit_frame_marks_what_is_not_finite(monkeypatch):
    from semrsm_widgets.views.base import wire as module

    monkeypatch.setattr(module, "EXACT_IMAGES", 1)
    matrix = np.array([[1.0, np.nan], [np.nan, -3.0]])
    frame = partial_frame("a", "cosine", matrix, np.zeros((2, 2)))
    np.testing.assert_allclose(unpacked_frame(frame.content, frame.buffers, 2)["aligned"], matrix)


def test_images_are_ordered_by_label_and_by_cluster():
    images = srsm.load_images([(np.zeros((8, 8, 3), np.uint8), label) for label in ("b", "a", "b", "a")])
    assert label_order(images) == [1, 3, 0, 2]
    block = np.array([0, 1, 0, 1, 0])
    semantic = np.where(block[:, None] == block, 0.9, 0.1) + np.eye(5) * 0.1
    groups = block[cluster_order(semantic)]
    assert (np.diff(groups) != 0).sum() == 1
    assert sorted(cluster_order(np.eye(2))) == [0, 1]


def test_labels_that_are_numbers_are_ordered_and_shown_as_numbers_sort():
    analysis = make_analysis(12)
    numbers = [11, 3, 10, 0, 2, 9, 1, 8, 4, 7, 5, 6]
    images = srsm.load_images(analysis.images, labels=numbers)
    assert [numbers[k] for k in label_order(images)] == sorted(numbers)
    several = srsm.load_images(analysis.images, labels=[{10, 9}] + [None] * 10 + [{9}])
    assert label_order(several)[:2] == [11, 0]  # 9 before 9 and 10; the unlabelled last
    view = srsm.RSMView(srsm.Analysis(several, analysis.tokens, matcher=srsm.Exact()))
    assert state(view)["_images"][0]["labels"] == ["9", "10"]
    view.close()
