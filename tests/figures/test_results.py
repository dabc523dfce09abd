"""Figures of results: every value, interval, n and chance that they were given is in them."""

from __future__ import annotations

import json
from math import nan

import numpy as np
import pytest
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource
from bokeh.models.annotations import Label, Span, Title, Whisker

import semrsm_widgets as srsm
from semrsm_widgets.experiments.layer_pairs import LayerPair
from semrsm_widgets.experiments.matchers import MatcherRow
from semrsm_widgets.experiments.scores import Score


def score(layer, similarity, value, **options):
    known = {"kernel": "cosine", "measure": "mAP", "low": value - 0.1, "high": value + 0.2, "n": 12, "chance": 0.25}
    return Score(layer=layer, similarity=similarity, value=value, **(known | options))


def titles(plot):
    return " ".join(title.text for title in plot.select({"type": Title}))


def sources_with(plot, *columns):
    return [s for s in plot.select({"type": ColumnDataSource}) if set(columns) <= set(s.data)]


ROWS = (
    score("a", "aligned", 0.3),
    score("b", "aligned", 0.4),
    score("a", "semantic", 0.5, low=nan, high=nan, reason="no interval"),
    score("b", "semantic", nan, reason="all alike"),
    score("", "mine", 0.6, kernel=""),
    score("a", "aligned", 0.9, kernel="rbf(sigma=2)"),
)


def test_scores_are_drawn_with_their_intervals_n_and_chance():
    plot = srsm.scores_figure(srsm.Scores(question="Does it retrieve?", rows=ROWS))
    drawn = sources_with(plot, "value", "low", "high", "n")
    found = [zip(*(each.data[name] for name in ("value", "low", "high", "n")), strict=True) for each in drawn]
    shown = [row for row in ROWS if row.kernel != "rbf(sigma=2)" and np.isfinite(row.value)]
    # Without an interval the whisker has no length.
    expected = {(r.value, r.value, r.value, r.n) if np.isnan(r.low) else (r.value, r.low, r.high, r.n) for r in shown}
    assert {row for rows in found for row in rows} == expected
    assert len(plot.select({"type": Whisker})) == 3
    assert "n = 12 images" in titles(plot)
    assert "Does it retrieve? mAP" in titles(plot)
    assert [span.location for span in plot.select({"type": Span})] == [0.25]
    assert any("1 undefined: semantic, b: all alike" in label.text for label in plot.select({"type": Label}))
    assert plot.y_range.start < 0.2
    assert plot.y_range.end > 0.8
    assert plot.background_fill_color is None
    assert {item.label.value for item in plot.legend[0].items} == {"aligned", "semantic", "mine"}
    json.dumps(json_item(plot))


def test_overlaps_are_groups_and_unrelated_levels_are_dashes():
    rows = tuple(
        score(layer, "semantic", 0.5, overlap=overlap, chance=chance, measure="same")
        for overlap in (0.25, 0.5)
        for layer, chance in (("a", 0.1), ("b", 0.2))
    )
    plot = srsm.scores_figure(srsm.Scores(question="Does it survive?", rows=rows))
    assert plot.x_range.factors == [(f"overlap {o:g}", layer) for o in (0.25, 0.5) for layer in "ab"]
    dashes = [r for r in plot.renderers if getattr(r.glyph, "marker", None) == "dash"]
    assert sorted(dashes[0].data_source.data["y"]) == [0.1, 0.1, 0.2, 0.2]


def test_a_measure_and_a_kernel_can_be_chosen():
    scores = srsm.Scores(question="?", rows=ROWS)
    plot = srsm.scores_figure(scores, "mAP", kernel="rbf(sigma=2)")
    assert "rbf(sigma=2)" in titles(plot)
    assert {v for s in sources_with(plot, "value", "low") for v in s.data["value"]} == {0.9, 0.6}
    with pytest.raises(ValueError, match="`measure` must be one of 'mAP'"):
        srsm.scores_figure(scores, "F1")
    with pytest.raises(ValueError, match="`kernel` must be one of 'cosine'"):
        srsm.scores_figure(scores, kernel="linear")


def pair(a, b, value, **options):
    known = {"kernel": "cosine", "similarity": "semantic", "statistic": "cka", "low": value - 0.05, "high": 1.0, "n": 9}
    lowest = {"p_value": 0.02, "smallest_eigenvalue_a": 0.1, "smallest_eigenvalue_b": -0.1}
    return LayerPair(layer_a=a, layer_b=b, value=value, **(known | lowest | options))


@pytest.mark.parametrize("lowest", [0.2, -0.3])
def test_a_comparison_shows_every_pair(lowest):
    rows = (
        pair("a", "c", 0.9),
        pair("a", "d", nan, low=nan, high=nan, reason="constant"),
        pair("b", "c", lowest),
        pair("b", "d", 0.5),
    )
    plot = srsm.comparison_figure(srsm.Comparison(layers_a=("a", "b"), layers_b=("c", "d"), rows=rows))
    (source,) = sources_with(plot, "value", "interval")
    assert source.data["text"] == ["0.90", "n/a", f"{lowest:.2f}", "0.50"]
    assert source.data["ends"][0] == "0.85, 1.00"
    assert source.data["reason"][1] == "constant"
    assert source.data["p_value"][0] == "0.02"
    assert plot.y_range.factors == ["b", "a"]  # the first layer on top
    assert "n = 9 images" in titles(plot)
    mapper = plot.renderers[0].glyph.fill_color.transform
    assert mapper.low == (-1 if lowest < 0 else 0)  # negative values are shown, around a fixed zero
    json.dumps(json_item(plot))


def test_a_matcher_report_shows_error_time_and_rank_agreement():
    rows = tuple(
        MatcherRow(
            matcher=name, ratio=0.9, true_error=error, worst_error=2 * error, certified_error=np.inf, n=7, pairs=21,
            rank_agreement=0.95, low=0.9, high=0.99, seconds=0.002,
        )
        for name, error in (("Exact()", 0.0), ("Greedy()", 0.01))
    )  # fmt: skip
    layout = srsm.matchers_figure(srsm.MatcherReport(tokens="x", reference="Exact()", rows=rows))
    cost, ranks = layout.children
    (source,) = sources_with(cost, "ms", "error")
    assert source.data["ms"] == [2, 2]
    assert source.data["worst"] == [1e-9, 0.02]
    assert source.data["low"] == [0.9, 0.9]
    assert "n = 21 pairs" in titles(cost)
    assert "n = 7 images" in titles(ranks)
    json.dumps(json_item(layout))


def test_figures_of_something_else_are_refused():
    for draw in (srsm.scores_figure, srsm.comparison_figure, srsm.matchers_figure):
        with pytest.raises(TypeError, match=r"Make (it|them) with"):
            draw([1, 2, 3])
