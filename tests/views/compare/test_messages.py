"""What the map sends of an opened cell."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import N
from helpers.views import DEADLINE, Sent, header

import semrsm_widgets as srsm
from semrsm_widgets.figures.palettes import MISSING


def test_a_cell_opens_both_rsms_their_difference_and_what_changed(view, both):
    sent = Sent(header(view))
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    ((detail, buffers),) = sent.of("detail")
    K, L = both[0].rsm("a1"), both[1].rsm("b2")
    difference = srsm.rsm_difference(K, L)
    matrix = lambda k, kind: np.frombuffer(buffers[k], kind).reshape(N, N)  # noqa: E731
    for k, expected in enumerate((K, L, difference.a, difference.b)):
        np.testing.assert_allclose(matrix(5 + k, np.float32), expected, atol=1e-5)
    np.testing.assert_array_equal(matrix(9, np.int32), difference.rank_a)
    np.testing.assert_array_equal(matrix(10, np.int32), difference.rank_b)
    colours = matrix(4, np.uint8)
    assert (colours.diagonal() == MISSING).all()
    limit = detail["limit"]
    off = ~np.eye(N, dtype=bool)
    expected = np.rint((difference.difference + limit) / (2 * limit) * (MISSING - 1))
    np.testing.assert_array_equal(colours[off], expected[off])
    assert detail["cka"] == pytest.approx(srsm.cka(K, L))
    assert [tuple(change["pair"]) for change in detail["more_a"]] == [c.pair for c in difference.more_alike(True, 6)]
    assert detail["more_b"][0]["rank_b"] == difference.more_alike(False, 1)[0].rank_b
    assert detail["nulls"] == pytest.approx([both[0].null("a1").mean, both[1].null("b2").mean])


@pytest.mark.parametrize("similarity", ["aligned", "pooled"])
def test_a_cell_follows_the_similarity(view, both, similarity):
    view.cell = ("a2", "b1")
    assert view.wait(DEADLINE)
    sent = Sent(header(view))
    view.similarity = similarity
    assert view.wait(DEADLINE)
    detail, buffers = sent.of("detail")[-1]
    expected = getattr(both[0].similarities("a2"), similarity)
    np.testing.assert_allclose(np.frombuffer(buffers[5], np.float32).reshape(N, N), expected, atol=1e-6)
    assert detail["similarity"] == similarity
    assert detail["nulls"] is None  # the level of unrelated tokens is that of the best match
