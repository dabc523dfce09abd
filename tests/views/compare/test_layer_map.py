"""The map of layers against layers: its numbers, how it grows, and what it says of a cell without one."""

from __future__ import annotations

import pytest
from helpers.analyses import N, make_analysis, make_images
from helpers.views import DEADLINE, Sent, ask, header, opened_page, state, wait_for

import semrsm_widgets as srsm
from semrsm_widgets.rsm import PATCH_SIMILARITIES as SIMILARITIES
from semrsm_widgets.views.base.wire import EXACT_IMAGES
from semrsm_widgets.views.compare.layer_map import LayerMap


def cells_of(view, content):
    """Return the cells of a message: (layer of A, layer of B, similarity) -> value, low, high, eigenvalues, reason."""
    a, b = view.analysis_a.layers, view.analysis_b.layers
    return {(a[i], b[j], SIMILARITIES[k]): facts for i, j, k, *facts in content["cells"]}


def test_the_map_holds_the_table_of_compare(view, both):
    sent = opened_page(header(view))
    setup, thumbnails = sent.of("setup")[0]
    ((content, _),) = sent.of("cells")
    assert len(thumbnails) == N
    assert set(setup["palettes"]) == {"map", "values", "difference"}
    expected = srsm.compare(*both)
    assert content["complete"] is True
    assert len(content["cells"]) == len(expected.rows) == 2 * 3 * 3
    assert (content["fresh"], content["n"]) == (True, N)
    found = cells_of(view, content)
    for row in expected.rows:
        value, low, high, lowest_a, lowest_b, reason = found[row.layer_a, row.layer_b, row.similarity]
        assert (value, low, high) == pytest.approx((row.value, row.low, row.high), abs=1e-6)
        assert (lowest_a, lowest_b) == pytest.approx((row.smallest_eigenvalue_a, row.smallest_eigenvalue_b), abs=1e-6)
        assert reason == ""
    assert view.comparison == expected
    sides = state(header(view))["_sides"]
    assert [side["name"] for side in sides] == ["before", "after"]
    assert [row["name"] for row in sides[1]["layers"]] == ["b1", "b2", "b3"]


def test_the_map_grows_layer_by_layer(monkeypatch, open_compare, both):
    sent = Sent.by_any(LayerMap, monkeypatch)
    view = open_compare(*both)
    assert view.wait(DEADLINE)
    frames = [content for content, _ in sent.of("cells")]
    assert [len(content["cells"]) // 3 for content in frames] == [0, 1, 1, 2, 2]  # each is sent once
    assert frames[-1]["complete"] is True


def test_another_kernel_is_another_table(view, both):
    sent = Sent(header(view))
    view.kernel = "RBF"
    assert view.wait(DEADLINE)
    content, _ = sent.of("cells")[-1]
    assert content["kernel"] == "RBF"
    assert view.comparison == srsm.compare(*both, kernel=srsm.rbf)
    sent.clear()
    view.kernel = "cosine"
    assert view.wait(DEADLINE)
    assert sent.of("cells") == []  # the page has them already


def test_an_undefined_cell_is_sent_with_its_reason(open_compare):
    images = make_images()
    a = make_analysis(images=images, layers={"flat": (2, 2), "fine": (2, 2)}, seed=1)
    a.tokens["flat"].values[:] = 1.0
    b = make_analysis(images=images, layers={"b": (2, 2)}, seed=2)
    view = open_compare(a, b, cell=("flat", "b"))
    assert view.wait(DEADLINE)
    sent = opened_page(header(view))
    assert view.last_error == ""
    cells = cells_of(view, sent.of("cells")[-1][0])
    assert cells["flat", "b", "semantic"][0] is None
    assert "an RSM that varies" in cells["flat", "b", "semantic"][-1]
    assert cells["fine", "b", "semantic"][0] is not None
    detail, buffers = sent.of("detail")[-1]
    assert "an RSM that varies" in detail["reason"]
    assert "limit" not in detail
    assert len(buffers) == 4  # both RSMs, as colours and as values
    view.kernel = "RBF"
    assert view.wait(DEADLINE)
    detail, buffers = sent.of("detail")[-1]
    assert "images that differ" in detail["reason"]
    assert buffers == []
    assert view.picture() is not None


def test_many_images_send_colours_only_and_answer_hovers(open_compare):
    images = make_images(EXACT_IMAGES + 1)
    a, b = (make_analysis(images=images, layers={"x": (1, 2)}, seed=seed) for seed in (1, 2))
    view = open_compare(a, b, cell=("x", "x"))
    assert view.wait(DEADLINE)
    sent = opened_page(header(view))
    assert sent.of("setup")[0][1] == []
    detail, buffers = sent.of("detail")[-1]
    assert len(buffers) == 5 + len(detail["thumbnails"])
    assert {k for change in detail["more_a"] for k in change["pair"]} <= set(detail["thumbnails"])
    ask(header(view), kind="value", i=3, j=300)
    ((value, _),) = sent.of("value")
    difference = srsm.rsm_difference(a.rsm("x"), b.rsm("x"))
    assert value["values"][0] == pytest.approx(a.rsm("x")[3, 300])
    assert value["standard"] == pytest.approx([difference.a[3, 300], difference.b[3, 300]])


def test_a_long_comparison_waits_for_start(open_compare, both):
    view = open_compare(*both, patience=1e-9)
    wait_for(lambda: view.status.state == "waiting")
    assert f"{5 * (96 + N * (N - 1) // 2)} pairs to match" in view.status.text
    assert view.comparison is None
    assert header(view).picture() is None
    view.start()
    assert view.wait(DEADLINE)
    assert view.comparison is not None
