"""The one form of messages: what goes in comes out, on this side; tests/test_page_twins.py has the page read it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import traitlets

import semrsm_widgets as srsm
from semrsm_widgets.views.base import Message, View, plain
from semrsm_widgets.views.base.save_figure import SavesFigure
from semrsm_widgets.views.base.view import OFFERS


def test_arrays_come_in_their_order_with_name_type_and_shape():
    arrays = {"a": np.array([[0.5, math.nan]]), "b": np.array([3, -1]), "c": np.array([True])}
    message = Message.of("k", arrays=arrays, pictures={"shown": [b"x", b"y"]}, fact=1)
    assert message.content == {
        "kind": "k",
        "fact": 1,
        "arrays": [
            ["a", "Float32Array", [1, 2]],
            ["b", "Int32Array", [2]],
            ["c", "Uint8Array", [1]],
            ["shown", "jpeg", [2]],
        ],
    }
    assert [name for name, _, _ in message.parts()] == ["a", "b", "c", "shown", "shown"]
    assert [len(buffer) for _, _, buffer in message.parts()] == [8, 8, 1, 1, 1]
    found = message.arrays()
    np.testing.assert_array_equal(found["a"], np.float32([[0.5, math.nan]]))
    assert found["b"].tolist() == [3, -1]


def test_a_message_of_facts_alone_names_no_arrays():
    message = Message.of("k", low=math.inf)
    assert (message.content, message.buffers, message.parts()) == ({"kind": "k", "low": None}, [], [])


def test_an_array_of_a_type_that_the_page_does_not_know_is_refused():
    with pytest.raises(KeyError):
        Message.of("k", arrays={"a": np.array(["text"])})


def test_facts_are_what_json_can_carry():
    level = srsm.NullLevel(mean=np.float64(0.25), quantile95=math.nan, n=7)
    facts = plain({"level": level, "box": (0, 1), "many": np.array([1.0, -math.inf]), "is": np.bool_(True)})
    assert facts == {
        "level": {"mean": 0.25, "quantile95": None, "n": 7},
        "box": [0, 1],
        "many": [1.0, None],
        "is": True,
    }
    json.dumps(facts, allow_nan=False)


# -- what the surroundings do in a view's place --------------------------------------------------------------------


def test_every_part_of_a_view_is_said_what_it_is():
    views = [getattr(srsm, name) for name in ("RSMView", "PairView", "RetrievalView", "TransformLab")]
    assert {part for view in views for part in view.parts} == set(OFFERS)


class Plain(View):
    """A view of two parts."""

    _esm = "export default {}"
    parts = ("layers", "status")


def test_a_view_offers_all_its_parts_unless_told():
    view, less = Plain(), Plain(offers=["status"])
    assert (view.offers, less.offers) == (["layers", "status"], ["status"])
    with pytest.raises(traitlets.TraitError, match="`offers` must be one of 'layers', 'status'"):
        less.offers = ["kernels"]
    view.close()
    less.close()


# -- views of one's own --------------------------------------------------------------------------------------------


def test_a_view_that_draws_itself_under_the_name_of_before_is_still_drawn():
    class Drawn(SavesFigure):
        def draw_figure(self, sheet):
            sheet.append("drawn")

    class Older(Drawn):
        def _draw_figure(self, sheet):
            sheet.append("older")
            super()._draw_figure(sheet)

    sheet = []
    Older().draw_figure(sheet)
    assert sheet == ["older", "drawn"]
