"""Views recorded without a browser."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.views import worker_threads

import semrsm_widgets as srsm
from semrsm_widgets.report.recording import Recording, plain, recorded_view


def test_a_view_without_a_browser_opens_no_comm_and_no_thread(analysis):
    before = worker_threads()
    recording = Recording(("layer", "pair"))
    view = recorded_view(srsm.PairView, recording, analysis, layer="a", pair=(0, 1))
    assert view.comm is None
    assert worker_threads() <= before
    assert recording.covers({"layer": "a", "pair": (0, 1)})
    assert not recording.covers({"layer": "b", "pair": (0, 1)})
    view.layer = "b"
    assert recording.covers({"layer": "b", "pair": (0, 1)})


def test_an_error_of_a_view_is_raised(analysis, monkeypatch):
    view = recorded_view(srsm.PairView, Recording(("layer", "pair")), analysis, layer="a", pair=(0, 1))

    def fail(*arguments, **options):
        raise RuntimeError("no match")

    monkeypatch.setattr(analysis, "matches", fail)
    with pytest.raises(RuntimeError, match="no match"):
        view.pair = (2, 3)


def test_the_last_message_of_a_kind_about_the_same_is_kept():
    recording = Recording(("layer",))
    for complete, layer in ((False, "a"), (False, "b"), (True, "a")):
        recording.add({"kind": "frame", "layer": layer, "complete": complete}, [])
    assert [(m.scope["layer"], m.content["complete"]) for m in recording.messages] == [("b", False), ("a", True)]


def test_plain_values_are_json():
    value = {"a": (1, float("nan")), "b": np.float64(1 / 3), "c": [np.int64(2), float("inf")], "d": None}
    assert plain(value, 8) == {"a": [1, None], "b": 0.33333333, "c": [2, None], "d": None}
    assert plain(value)["b"] == 1 / 3
