"""RetrievalView as a figure for a paper."""

from __future__ import annotations

import numpy as np
from helpers.analyses import N, make_analysis
from helpers.views import DEADLINE, drawn, opened_page, rows_of, settled, texts_of

import semrsm_widgets as srsm
from semrsm_widgets.figures import number


def test_a_figure_says_what_is_on_screen(view, analysis, tmp_path):
    words = view.save_figure(tmp_path / "whole.svg").read_text(encoding="utf-8")
    f1 = srsm.label_f1(analysis.images.labels)
    order = srsm.nearest(analysis.rsm("b"))
    relevant = (f1 > 0) & ~np.eye(N, dtype=bool)
    scores = srsm.f1_at_k(order, f1, 5)[2], srsm.average_precision(order, relevant)[2]
    assert f"F1@5 {scores[0]:.2f}, AP {scores[1]:.2f}" in words
    assert f"unrelated {analysis.null('b').mean:.2f}" in words
    assert "as 3 of 7 do" in words
    view.box = (0, 0, 1, 2)
    words = view.save_figure(tmp_path / "part.svg").read_text(encoding="utf-8")
    assert "2 of 12 patches" in words
    assert "same position" in words


def test_an_answer_without_a_right_one_has_a_dash(tmp_path):
    analysis = make_analysis(layers=("a",))
    images = srsm.load_images(analysis.images, labels=["alone", *["other"] * (N - 1)])
    view = settled(srsm.RetrievalView(srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact())))
    sent = opened_page(view)
    assert rows_of(*sent.of("results")[-1])[0]["semantic"][0]["ap"] is None
    assert view.picture() is not None
    assert "AP –" in view.save_figure(tmp_path / "f.svg").read_text(encoding="utf-8")
    view.close()


def test_rows_of_answers_are_those_of_the_core(opened, tmp_path):
    analysis = make_analysis()
    view = opened(srsm.RetrievalView(analysis, layer="b", query=2, k=3))
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    for name in ("aligned", "semantic", "pooled"):
        assert name in words
        values = np.delete(getattr(analysis.similarities("b"), name)[2], 2)
        for value in np.sort(values)[::-1][:3]:
            assert number(value) in words
    view.box = (0, 0, 2, 3)
    assert view.wait(DEADLINE)
    assert "Searched with 6 of 12 patches" in drawn(view).caption


def test_answers_too_small_to_read_are_left_out_and_that_is_said(opened):
    view = opened(srsm.RetrievalView(make_analysis(n=18), layer="b", k=17))
    assert "the first 6 of the 17 nearest images" in drawn(view).caption
    assert "the first" not in drawn(view, 400).caption
