"""AuctionStepper without a browser: what it auctions, what may be set, what its page is told, what stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets
from helpers.analyses import make_analysis
from helpers.views import DEADLINE, Sent, opened_page, settled, shown, state
from PIL import Image

import semrsm_widgets as srsm

MATRIX = [[0.2, 0.1, 0.0], [0.3, 0.2, 0.1], [0.1, 0.4, 0.2]]


def test_a_matrix_is_told_to_the_page_in_full(open_stepper):
    stepper = open_stepper(np.array(MATRIX) / 3)
    sent = opened_page(stepper)
    assert sent.kinds == ["auction"]
    content, buffers = sent.of("auction")[0]
    assert buffers == []
    assert content["affinity"] == (np.array(MATRIX) / 3).tolist()
    assert content["plan"] == pytest.approx(list(stepper.trace.plan))
    assert content["grid"] is None
    assert {level["name"] for level in content["levels"]} == {"greedy", "aligned", "any"}


def test_patches_come_with_their_pictures_once(open_stepper, analysis):
    stepper = open_stepper(analysis, layer="b", pair=(1, 3), grid=3)
    sent = opened_page(stepper)
    assert sent.kinds == ["pictures", "auction"]
    pictures, buffers = sent.of("pictures")[0]
    assert pictures["pair"] == [1, 3]
    assert [each[:2] for each in buffers] == [b"\xff\xd8"] * 2
    content, _ = sent.of("auction")[0]
    assert (content["layer"], content["pair"], content["grid"]) == ("b", [1, 3], [3, 3])
    stepper.grid = 2
    settled(stepper)
    assert sent.kinds == ["pictures", "auction", "auction"]  # the page has the pictures
    assert sent.of("auction")[-1][0]["grid"] == [2, 2]
    stepper.pair = (0, 1)
    settled(stepper)
    assert sent.kinds[3:] == ["pictures", "auction"]


def test_the_auction_is_that_of_the_trace(open_stepper, analysis):
    stepper = open_stepper(analysis, layer="a")
    assert stepper.trace.finished
    optimum = srsm.Exact().solve(stepper.affinity).value[0]
    assert stepper.trace.value <= optimum + 1e-12 <= stepper.trace.upper_bound + 2e-12
    told = stepper.trace
    assert stepper.trace is told  # once
    bids = stepper.trace.bids
    stepper.eps = 1e-4
    assert stepper.eps == (1e-4,)
    assert stepper.trace.plan == (1e-4,)
    stepper.order = [3, 2, 1, 0]
    assert [step.row for step in stepper.trace.steps[1:3]] == [3, 2]
    stepper.eps, stepper.order = None, None
    assert stepper.trace.bids == bids


def test_the_page_sets_what_python_has(open_stepper):
    stepper = open_stepper(MATRIX)
    assert (state(stepper)["eps"], state(stepper)["order"]) == ([], [])
    stepper.set_state({"eps": [0.05], "order": [2, 0, 1], "step": 0})
    assert (stepper.eps, stepper.order) == ((0.05,), (2, 0, 1))
    stepper.set_state({"step": 2, "your_bid": True})
    assert (stepper.step, stepper.your_bid) == (2, True)
    stepper.set_state({"eps": [], "order": [], "step": 0})
    assert (stepper.eps, stepper.order) == (None, None)


def test_a_shorter_auction_is_shown_at_its_end(open_stepper):
    stepper = open_stepper(MATRIX)
    stepper.step = len(stepper.trace) - 1
    stepper.eps = 0.2
    assert stepper.step == len(stepper.trace) - 1


def test_another_pair_layer_or_grid_begins_anew(open_stepper, analysis):
    stepper = open_stepper(analysis, layer="a", grid=3, order=list(range(9))[::-1], step=5)
    for name, value in (("layer", "b"), ("pair", (2, 3)), ("grid", 2)):
        stepper.step = 3
        before = stepper.affinity
        setattr(stepper, name, value)
        assert stepper.affinity is not before
        assert stepper.step == 0
    assert (stepper.affinity.shape, stepper.order) == ((4, 4), None)
    settled(stepper)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("step", -1, "`step` must be a step from 0 to"),
        ("step", 10**6, "`step` must be a step from 0 to"),
        ("eps", 0.0, "`eps` must be a finite number and > 0"),
        ("eps", "small", "`eps` must be"),
        ("order", [0, 0, 1], "`order` must be each row once"),
        ("grid", 5, "`grid` must be one of 2, 3, 4"),
        ("layer", "a", "`layer` must be left as it is: a matrix has none"),
        ("pair", (0, 1), "`pair` must be left as it is"),
    ],
)
def test_what_cannot_be_right_is_not_taken(open_stepper, name, value, words):
    stepper = open_stepper(MATRIX)
    before = getattr(stepper, name)
    with pytest.raises(traitlets.TraitError, match=words):
        setattr(stepper, name, value)
    assert getattr(stepper, name) == before


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"source": np.zeros((3, 4))}, ValueError, "`source` must be"),
        ({"source": "nothing"}, TypeError, "`source` must be"),
        ({"source": MATRIX, "layer": "a"}, TypeError, "`source` must be an Analysis where layer or pair is given"),
        ({"layer": "c"}, ValueError, "`layer` must be one of 'a', 'b'"),
        ({"pair": (0, 9)}, traitlets.TraitError, "`pair` must be two image indices from 0 to 3"),
        ({"grid": 7}, ValueError, "`grid` must be one of 2, 3, 4"),
        ({"grid": 4}, ValueError, "no larger than 3×4"),
        ({"eps": -1}, traitlets.TraitError, "`eps` must be"),
        ({"step": 999}, traitlets.TraitError, "`step` must be"),
    ],
)
def test_what_cannot_be_opened_is_said_at_once(analysis, given, error, words):
    with pytest.raises(error, match=words):
        srsm.AuctionStepper(**{"source": analysis, **given})


def test_only_layers_with_places_are_offered(open_stepper):
    analysis = make_analysis(n=3, layers={"none": None, "one": (1, 1), "some": (3, 4)})
    stepper = open_stepper(analysis)
    assert stepper.layer == "some"
    assert [row["name"] for row in state(stepper)["_layers"]] == ["some"]


def test_it_stands_beside_a_pair_view_and_follows_it(closing, analysis):
    pairs = settled(closing(srsm.PairView(analysis, layer="a", pair=(0, 1))))
    stepper = settled(closing(srsm.AuctionStepper.of(pairs)))
    assert (stepper.layer, stepper.pair, stepper.offers) == ("a", (0, 1), [])
    assert state(stepper)["_linked"]
    pairs.pair = (2, 3)
    pairs.layer = "b"
    assert (stepper.layer, stepper.pair) == ("b", (2, 3))
    stepper.pointed = (3, 0)
    assert pairs.outlined == [[0, 0.5, 0.5, 1.0, 1.0], [1, 0.0, 0.0, 0.5, 0.5]]
    stepper.pointed = (-1, 2)
    assert pairs.outlined == [[1, 0.0, 0.5, 0.5, 1.0]]
    stepper.close()
    assert pairs.outlined == []
    pairs.pair = (0, 3)
    assert stepper.pair == (2, 3)


def test_a_layer_that_cannot_be_auctioned_is_said_and_stops_nothing(closing):
    analysis = make_analysis(n=3, layers={"a": (3, 4), "bare": None})
    pairs = settled(closing(srsm.PairView(analysis, layer="a")))
    stepper = settled(closing(srsm.AuctionStepper.of(pairs)))
    pairs.layer = "bare"
    assert pairs.layer == "bare"
    assert "which has none" in stepper.status.text
    assert "which has none" in stepper.last_error
    pairs.layer = "a"
    settled_again = stepper.wait(DEADLINE)
    assert settled_again
    assert stepper.status.state == "ready"


def test_only_a_pair_view_has_a_stepper_of_it(analysis):
    with pytest.raises(TypeError, match="`pair_view` must be a PairView"):
        srsm.AuctionStepper.of(analysis)


def test_a_notebook_keeps_a_picture_unless_pictures_are_private(open_stepper, analysis):
    assert "image/png" in shown(open_stepper(analysis, layer="a"))
    private = open_stepper(analysis, layer="a", save_images=False)
    assert "image/png" not in shown(private)
    assert state(private)["_images"][0]["id"] == "image 1"
    assert analysis.images.ids[0] not in shown(private)["text/plain"]


def test_its_name_says_what_it_shows(open_stepper, analysis):
    a, b = analysis.images.ids[:2]
    assert repr(open_stepper(analysis, layer="a")) == f"AuctionStepper('a', {a!r}, {b!r}, grid=2)"
    assert repr(open_stepper(MATRIX)) == "AuctionStepper(3 rows, 3 columns)"


def test_a_picture_that_is_gone_leaves_the_auction(open_stepper, tmp_path, analysis):
    for k in range(4):
        Image.new("RGB", (40, 30), (40 * k, 0, 0)).save(tmp_path / f"{k}.png")
    images = srsm.load_images(tmp_path)
    there = srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact())
    (tmp_path / "0.png").unlink()
    stepper = open_stepper(there, layer="a", pair=(0, 1))
    sent = Sent(stepper)
    stepper.receive({"kind": "ready"})
    settled(stepper)
    assert sent.of("pictures")[0][0]["problems"][0]
    assert sent.of("auction")


def test_more_images_that_come_to_the_pair_view_come_here_too(closing):
    few, more = make_analysis(n=3), make_analysis(n=6)
    pairs = settled(closing(srsm.PairView(few, layer="a")))
    stepper = settled(closing(srsm.AuctionStepper.of(pairs)))
    pairs.show(more)
    pairs.pair = (4, 5)
    assert (stepper.pair, stepper.analysis) == ((4, 5), more)
    assert len(state(stepper)["_images"]) == 6
    assert settled(stepper).last_error == ""
