"""What RetrievalView sends of a query: rows, their values and order, what is right, and why a row is empty."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import N, make_analysis
from helpers.views import Sent, opened_page, rows_of, settled
from scipy.optimize import linear_sum_assignment

import semrsm_widgets as srsm
from semrsm_widgets.views.base.traits import KERNELS


def test_a_page_gets_the_query_its_answers_and_their_thumbnails(view, analysis):
    sent = opened_page(settled(view))
    ((query, pictures),) = sent.of("query")
    assert (query["index"], query["id"], query["labels"]) == (2, "2", ["kind 0"])
    assert bytes(pictures[0]).startswith(b"\xff\xd8")
    content, buffers = sent.of("results")[-1]
    assert (content["layer"], content["kernel"], content["query"], content["box"]) == ("b", "cosine", 2, None)
    assert content["complete"] is True
    assert content["patches"] == [12, 12]
    assert content["null"]["mean"] == pytest.approx(analysis.null("b").mean)
    rows, right = rows_of(content, buffers)
    assert list(rows) == ["aligned", "semantic", "pooled", "mine"]
    similarities = analysis.similarities("b")
    others = np.arange(N) != 2
    for name in ("aligned", "semantic", "pooled"):
        facts, values, order = rows[name]
        expected = getattr(similarities, name)
        np.testing.assert_allclose(values[others], expected[2, others], atol=1e-6)
        assert order.tolist() == srsm.nearest(expected)[2].tolist()
        f1 = srsm.label_f1(analysis.images.labels)
        assert facts["f1"][4] == pytest.approx(srsm.f1_at_k(srsm.nearest(expected), f1, 5)[2])
    assert rows["mine"][2].tolist() == [7, 6, 5, 4, 3, 1, 0]
    assert right.tolist() == [1, 0] * 4
    assert content["answers"]["relevant"] == 3
    thumbnails = {k for message, _ in sent.of("thumbnails") for k in message["indices"]}
    assert thumbnails >= {k for _, _, order in rows.values() for k in order[:5].tolist()}


def test_a_class_token_has_a_row_of_its_own():
    view = settled(srsm.RetrievalView(make_analysis(prefix=1)))
    rows, _ = rows_of(*opened_page(view).of("results")[-1])
    assert list(rows) == ["aligned", "semantic", "pooled", "class token"]
    view.close()


def test_without_labels_nothing_is_marked():
    view = settled(srsm.RetrievalView(make_analysis(labels=None)))
    sent = opened_page(view)
    content, buffers = sent.of("results")[-1]
    assert content["answers"] is None
    rows, right = rows_of(content, buffers)
    assert right is None
    assert rows["semantic"][0]["f1"] == []
    view.close()


def test_every_kernel_is_shown_and_the_rbf_says_its_width(view, analysis):
    for kernel, function in KERNELS.items():
        view.kernel = kernel
        content, buffers = opened_page(settled(view)).of("results")[-1]
        assert content["kernel"] == kernel
        assert (content["sigma"] is not None) == (kernel == "RBF")
        expected = srsm.nearest(function(analysis.gram("b")))[2]
        assert rows_of(content, buffers)[0]["semantic"][2].tolist() == expected.tolist()


def test_images_that_are_all_alike_have_no_rbf_but_rankings_of_ones_own():
    analysis = make_analysis()
    for tokens in analysis.tokens.values():
        tokens.values[:] = 1.0
    view = settled(srsm.RetrievalView(analysis, kernel="RBF", rankings={"mine": np.eye(N)}))
    sent = opened_page(view)
    rows, _ = rows_of(*sent.of("results")[-1])
    assert "differ" in rows["semantic"][0]["reason"]
    assert rows["mine"][0]["state"] == "ready"
    view.kernel = "cosine"
    settled(view)
    assert rows_of(*sent.of("results")[-1])[0]["semantic"][2].tolist() == list(range(1, N))
    view.close()


def test_one_image_retrieves_nothing_and_says_nothing_wrong():
    view = settled(srsm.RetrievalView(make_analysis(1)))
    sent = opened_page(view)
    rows, _ = rows_of(*sent.of("results")[-1])
    assert len(rows["semantic"][2]) == 0
    assert view.picture() is None
    view.close()


def test_a_box_searches_with_its_patches(view, analysis):
    sent = Sent(view)
    view.box = (0, 1, 2, 3)
    settled(view)
    content, buffers = sent.of("results")[-1]
    assert content["box"] == [0, 1, 2, 3]
    assert content["patches"] == [4, 12]
    rows, _ = rows_of(content, buffers)
    part = analysis.tokens["b"].values[2][[1, 2, 5, 6]]
    found = srsm.search(part, analysis.tokens["b"].values, matcher=srsm.Exact(), candidates=[0, 1, 3, 4, 5, 6, 7], k=7)
    assert rows["semantic"][2].tolist() == found.indices[0].tolist()
    np.testing.assert_allclose(rows["semantic"][1][found.indices[0]], found.values[0], atol=1e-6)
    assert rows["pooled"][0]["state"] == "ready"
    assert "same position" in rows["aligned"][0]["reason"]
    assert "whole images" in rows["mine"][0]["reason"]
    assert 0 < content["null"]["mean"] < analysis.null("b").mean


def test_images_without_a_label_are_left_out_and_that_is_said():
    whole = make_analysis()
    names = ["1", "1", None, "10", None, "1", "9", None]
    images = srsm.load_images(whole.images, labels=names)
    view = srsm.RetrievalView(srsm.Analysis(images, whole.tokens, matcher=srsm.Exact()), layer="a")
    content, buffers = opened_page(settled(view)).of("results")[-1]
    answers = content["answers"]
    assert (answers["relevant"], answers["labelled"], answers["unlabelled"]) == (2, 4, 3)
    assert answers["chance_f1"] == pytest.approx(2 / 4)
    rows, right = rows_of(content, buffers)
    assert np.isnan(right[[2, 4, 7]]).all()
    assert right[[0, 1, 3, 5, 6]].tolist() == [1, 1, 0, 1, 0]
    facts, _, order = rows["semantic"]
    assert len(order) == N - 1  # they are shown all the same
    known = [k for k in order.tolist() if names[k]]
    assert facts["f1"] == pytest.approx([np.mean([names[k] == "1" for k in known[:n]]) for n in range(1, 5)])
    view.close()


def test_a_box_is_sent_with_the_place_where_each_answer_holds_it(view, analysis):
    sent = Sent(view)
    view.box = (0, 1, 2, 3)
    settled(view)
    content, arrays = sent.newest("where")
    answers = rows_of(*sent.of("results")[-1])[0]["semantic"][2]
    assert content["images"] == answers.tolist()
    looked_up = analysis.tokens["b"].values[2].reshape(3, 4, -1)[:2, 1:3].reshape(4, -1)
    for image, tokens in zip(content["images"], arrays["tokens"], strict=True):
        x, y = looked_up.double().numpy(), analysis.tokens["b"].values[image].double().numpy()
        rows, columns = linear_sum_assignment(x @ y.T, maximize=True)
        assert tokens.tolist() == columns[np.argsort(rows)].tolist()
    view.box = None
    settled(view)
    assert len(sent.of("where")) == 1
