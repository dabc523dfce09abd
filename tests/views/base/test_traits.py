"""What a page is told of layers and images."""

from __future__ import annotations

import pytest
from helpers.analyses import make_analysis
from helpers.views import drawn, finished, header, state

import semrsm_widgets as srsm


def test_layers_say_which_tokens_were_kept_aside(opened):
    rows = state(opened(srsm.PairView(make_analysis(prefix=5))))["_layers"]
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (5, True)
    rows = state(opened(srsm.PairView(make_analysis(prefix=4, has_class_token=False))))["_layers"]
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (4, False)
    rows = state(opened(srsm.PairView(make_analysis())))["_layers"]
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (0, False)


@pytest.mark.parametrize("weights", ["random", "trained"])
def test_random_weights_are_said_wherever_a_model_is_named(closing, tmp_path, weights):
    provenance = {"name": "tiny", "weights": weights}
    analysis = make_analysis()
    analysis.provenance = provenance
    badge = "random weights" if weights == "random" else ""
    views = [closing(make(analysis)) for make in (srsm.RSMView, srsm.PairView, srsm.RetrievalView)]
    assert [state(view)["_model_badge"] for view in views] == [badge] * 3
    explorer = closing(srsm.explore(analysis))
    assert finished(explorer)
    assert state(header(explorer))["badge"] == badge
    sides = state(header(closing(srsm.CompareView(analysis, analysis))))["_sides"]
    assert [side["badge"] for side in sides] == [badge] * 2
    page = srsm.to_html(analysis, tmp_path / "report.html").read_text(encoding="utf-8")
    assert ('<span class="srsm-caution">random weights</span>' in page) == bool(badge)
    assert ("RANDOM WEIGHTS, not trained" in drawn(views[0]).caption) == bool(badge)
