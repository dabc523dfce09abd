"""What a page is told of layers and images."""

from __future__ import annotations

from helpers.analyses import make_analysis
from helpers.views import state

import semrsm_widgets as srsm


def test_layers_say_which_tokens_were_kept_aside(opened):
    rows = state(opened(srsm.PairView(make_analysis(prefix=5))))["_layers"]
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (5, True)
    rows = state(opened(srsm.PairView(make_analysis(prefix=4, has_class_token=False))))["_layers"]
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (4, False)
    rows = state(opened(srsm.PairView(make_analysis())))["_layers"]
    assert (rows[0]["prefix"], rows[0]["class_token"]) == (0, False)
