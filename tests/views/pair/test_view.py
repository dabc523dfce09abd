"""PairView without a browser: what it sends and when, what may be chosen, and inputs out of the ordinary."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import traitlets
from helpers.analyses import GRID, N, make_analysis
from helpers.views import DEADLINE, Sent, ask, opened_page, state, wait_for

import semrsm_widgets as srsm
import semrsm_widgets.analysis.analysis
import semrsm_widgets.views.pair.view


def test_a_pair_sends_pictures_then_matches_then_the_null(sent, open_pair):
    analysis = make_analysis()
    view = open_pair(analysis, layer="b", pair=(0, 3))
    assert sent.kinds == ["pictures", "matches", "matches"]
    assert sent[1][0]["null"] is None
    content, _ = sent[2]
    assert content["null"]["mean"] == pytest.approx(analysis.null("b").mean)
    assert content["semantic"] == pytest.approx(analysis.matches("b", 0, 3).semantic)
    assert content["grid"] == [*GRID]
    view.pair = (1, 2)  # the null is there: it is never taken off the screen again
    assert view.wait(DEADLINE)
    assert sent.kinds[3:] == ["pictures", "matches"]
    assert sent[-1][0]["null"] == content["null"]


def test_a_page_that_asks_gets_the_pair_at_every_layer_with_the_nulls_that_are_there(sent, open_pair):
    analysis = make_analysis()
    view = open_pair(analysis, layer="b", pair=(0, 3))
    ask(view, kind="profile")
    assert view.wait(DEADLINE)
    told = {content["name"]: content for content, _ in sent.of("profile")}
    assert list(told) == sorted(analysis.layers, key=lambda name: abs(analysis.layers.index(name) - 1))  # nearest first
    for name, content in told.items():
        matches = analysis.matches(name, 0, 3)
        assert content["pair"] == [0, 3]
        values = [content[similarity] for similarity in ("aligned", "semantic", "pooled")]
        assert values == pytest.approx([matches.aligned, matches.semantic, matches.pooled])
        assert (content["unrelated"] is None) == (not analysis.has_null(name))
    sent.clear()
    view.pair = (1, 2)  # from now on each pair's
    assert view.wait(DEADLINE)
    assert {tuple(content["pair"]) for content, _ in sent.of("profile")} == {(1, 2)}
    sent.clear()
    view.layer = "a"
    assert view.wait(DEADLINE)
    assert [content["name"] for content, _ in sent.of("profile") if content["unrelated"] is None] == []


def test_the_unrelated_level_of_every_layer_is_filled_in_after_that_on_screen(sent, open_pair, monkeypatch):
    analysis, estimated = make_analysis(), []
    layer_at = {tokens.values.data_ptr(): name for name, tokens in analysis.tokens.items()}
    null_grams = semrsm_widgets.analysis.analysis.null_grams

    def counted(values, *args, **kwargs):
        estimated.append(layer_at[values.data_ptr()])
        return null_grams(values, *args, **kwargs)

    monkeypatch.setattr(semrsm_widgets.analysis.analysis, "null_grams", counted)
    view = open_pair(analysis, layer="b", pair=(0, 3))
    assert estimated == ["b"]  # no page shows the curves yet
    ask(view, kind="profile")
    assert view.wait(DEADLINE)
    by_distance = sorted(analysis.layers, key=lambda name: abs(analysis.layers.index(name) - 1))
    assert estimated == by_distance
    told = {content["name"]: content["unrelated"] for content, _ in sent.of("profile")}
    assert told == {name: pytest.approx(analysis.null(name).mean) for name in analysis.layers}
    view.pair = (1, 2)
    assert view.wait(DEADLINE)
    assert estimated == by_distance  # each once, whatever is shown

    # not where it takes long: that at the layer on screen alone
    monkeypatch.setattr(semrsm_widgets.views.pair.view, "_LEVELS_SECONDS", 1e-9)
    other = make_analysis()
    layer_at |= {tokens.values.data_ptr(): name for name, tokens in other.tokens.items()}
    estimated.clear()
    sent.clear()
    ask(open_pair(other, layer="b"), kind="profile")
    wait_for(lambda: len(sent.of("profile")) == len(other.layers))
    view.close()
    assert estimated == ["b"]


def test_a_layer_that_is_asked_for_does_not_wait_for_levels_and_none_is_estimated_twice(open_pair, monkeypatch):
    analysis, begun, go = make_analysis(layers="abcd"), threading.Event(), threading.Event()
    layer_at = {tokens.values.data_ptr(): name for name, tokens in analysis.tokens.items()}
    null_grams, estimated = semrsm_widgets.analysis.analysis.null_grams, []

    def held(values, *args, progress, **kwargs):
        name = layer_at[values.data_ptr()]

        def at_its_end(done, total):
            if done == total and name == "b":
                begun.set()
                assert go.wait(DEADLINE)
            progress(done, total)

        estimated.append(name)
        return null_grams(values, *args, progress=at_its_end, **kwargs)

    monkeypatch.setattr(semrsm_widgets.analysis.analysis, "null_grams", held)
    view = open_pair(analysis, layer="a")
    ask(view, kind="profile")
    assert begun.wait(DEADLINE)
    view.layer = "d"  # while the level of b is being estimated
    wait_for(lambda: analysis.has_null("d"))
    go.set()
    assert view.wait(DEADLINE)
    assert sorted(estimated) == [*"abcd"]
    assert view.last_error == ""


def test_the_expected_image_follows_layer_and_query(sent, open_pair):
    view = open_pair(make_analysis(), layer="a", pair=(0, 1), expected=3)
    view.layer = "b"
    assert view.wait(DEADLINE)
    view.pair = (2, 1)
    assert view.wait(DEADLINE)
    content, _ = sent.newest("expected")
    assert (content["layer"], content["pair"]) == ("b", [2, 3])
    assert sent.kinds.count("expected picture") == 1
    ask(view, kind="ready")  # a new page has none yet
    assert view.wait(DEADLINE)
    assert sent.kinds.count("expected picture") == 2
    view.expected = -1
    assert view.wait(DEADLINE)
    sent.clear()
    view.pair = (0, 1)
    assert view.wait(DEADLINE)
    assert "expected" not in sent.kinds


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("expected", N, "0 to 7, or -1"),
        ("expected", -2, "0 to 7, or -1"),
        ("similarity", "best", "best match"),
        ("similarity", "cls", "class token"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_changes(open_pair, name, value, text):
    view = open_pair(make_analysis())
    before = getattr(view, name)
    with pytest.raises(traitlets.TraitError, match=text):
        setattr(view, name, value)
    assert getattr(view, name) == before
    with pytest.raises(traitlets.TraitError, match=text):
        srsm.PairView(make_analysis(), **{name: value})


def test_its_name_says_what_is_compared(open_pair):
    view = open_pair(make_analysis(), layer="a", pair=(0, 1), expected=3)
    ids = view.analysis.images.ids
    assert repr(view) == f"PairView('a', {ids[0]!r}, {ids[1]!r}, expected={ids[3]!r})"
    view.expected = -1
    assert repr(view) == f"PairView('a', {ids[0]!r}, {ids[1]!r})"


def test_one_image_with_itself_has_matches_and_no_null(sent, open_pair):
    view = open_pair(make_analysis(n=1), pair=(0, 0))
    content, arrays = sent.newest("matches")
    assert content["null"] is None
    assert content["semantic"] == pytest.approx(1.0)
    assert content["same_position"] == 1.0
    np.testing.assert_array_equal(arrays["permutation"], np.arange(12))
    assert view.picture() is not None


def test_one_image_is_enough(open_pair):
    view = open_pair(make_analysis(n=1))
    assert opened_page(view).newest("matches")[0]["semantic"] == pytest.approx(1.0)
    assert view.last_error == ""


def test_a_new_pair_and_a_new_layer_are_sent(pair_view):
    sent = Sent(pair_view)
    pair_view.pair = (2, 5)
    assert pair_view.wait(DEADLINE)
    assert sent.of("matches")[-1][0]["pair"] == [2, 5]
    pair_view.layer = "c"
    assert pair_view.wait(DEADLINE)
    assert sent.of("matches")[-1][0]["layer"] == "c"


def test_pictures_are_sent_again_only_for_another_pair_or_page(pair_view):
    sent = Sent(pair_view)
    for change in (lambda: setattr(pair_view, "layer", "c"), lambda: setattr(pair_view, "pair", (1, 2))):
        change()
        assert pair_view.wait(DEADLINE)
    assert [content["pair"] for content, _ in sent.of("pictures")] == [[1, 2]]
    ask(pair_view, kind="ready")
    assert pair_view.wait(DEADLINE)
    assert len(sent.of("pictures")) == 2


def test_tokens_without_places_are_sent_without_a_grid():
    view = srsm.PairView(make_analysis(grid=None, note="No rule applies."))
    sent = opened_page(view)
    assert sent.of("matches")[-1][0]["grid"] is None
    assert state(view)["_layers"][0]["note"] == "No rule applies."
    assert view.picture() is None
    view.close()


def test_the_null_of_a_pair_waits_for_start_where_it_is_long():
    analysis = make_analysis(layers="abc")
    view = srsm.PairView(analysis, layer="a", patience=1e-9)
    sent = Sent(view)
    ask(view, kind="ready")
    wait_for(lambda: view.status.state == "waiting" and sent.of("matches"))
    assert "96 pairs" in view.status.text
    assert sent.of("matches")[-1][0]["null"] is None
    assert not analysis.has_null("a")
    wait_for(lambda: ask(view, kind="start") or view.wait(0.02))  # the page's "ready" made the wait begin anew
    assert sent.of("matches")[-1][0]["null"]["mean"] == pytest.approx(analysis.null("a").mean)
    view.close()


def test_scipy_shows_a_pair_while_the_auction_is_being_compiled(sent, monkeypatch):
    compiled = threading.Event()
    monkeypatch.setattr(srsm.Auction, "is_ready", lambda self, columns: compiled.is_set())
    monkeypatch.setattr(srsm.Auction, "prepare", lambda self, columns: compiled.wait(DEADLINE))
    view = srsm.PairView(make_analysis(matcher=srsm.Auction()), layer="a")
    wait_for(lambda: "matches" in sent.kinds)
    assert not compiled.is_set()
    assert view.picture() is None  # nothing is compiled for a picture
    compiled.set()
    assert view.wait(DEADLINE)
    exact, certified = sent[1][0], sent[-1][0]
    assert exact["upper"] == exact["semantic"]
    assert certified["upper"] >= certified["semantic"] == pytest.approx(exact["semantic"], abs=1e-4)
    view.close()


def test_a_pin_stays_where_it_is_in_the_image():
    fine, coarse, none = (make_analysis(grid=grid, layers=("x",)) for grid in ((4, 4), (2, 2), None))
    tokens = {name: each.tokens["x"] for name, each in (("fine", fine), ("coarse", coarse), ("none", none))}
    view = srsm.PairView(srsm.Analysis(fine.images, tokens, matcher=srsm.Exact()), layer="fine", token=14)
    view.layer = "coarse"
    assert view.token == 3
    with pytest.raises(traitlets.TraitError, match="0 to 3"):
        view.token = 4
    view.layer = "none"
    assert view.token == -1
    view.close()


@pytest.mark.parametrize("top_k", [-1, 41])
def test_top_k_is_bounded(pair_view, top_k):
    with pytest.raises(traitlets.TraitError, match="0 to 40"):
        pair_view.top_k = top_k


def test_the_probe_is_sent_when_a_page_asks_and_a_patch_is_pinned(sent, open_pair):
    analysis = make_analysis(layers="abc")
    view = open_pair(analysis, layer="b", pair=(0, 3))
    assert not {"alike", "places", "along"} & set(sent.kinds)  # nobody has pointed yet
    ask(view, kind="alike")
    assert view.wait(DEADLINE)
    content, arrays = sent.newest("alike")
    assert (content["layer"], content["pair"]) == ("b", [0, 3])
    np.testing.assert_allclose(arrays["ab"] / 32767.5 - 1, analysis.token_cosines("b", 0, 3), atol=2e-5)
    view.token = 5
    assert view.wait(DEADLINE)
    places, _ = sent.newest("places")
    assert (places["layer"], places["image"], places["token"]) == ("b", 0, 5)
    assert 0 not in places["images"]
    rows = {content["name"]: content for content, _ in sent.of("along")}
    assert list(rows) == ["a", "b", "c"]
    for name, row in rows.items():
        matches = analysis.matches(name, 0, 3)
        assert row["partner"] == matches.permutation[5]
        assert row["cosine"] == pytest.approx(matches.token_cosine[5])
    sent.clear()
    view.pair = (0, 1)  # the places are those of the same patch of A; its partners are others
    assert view.wait(DEADLINE)
    assert "places" not in sent.kinds
    assert sent.kinds.count("along") == 3


def test_where_the_probe_is_not_offered_nothing_is_looked_for(sent, open_pair):
    view = open_pair(make_analysis(), offers=[], token=2)
    ask(view, kind="alike")
    assert view.wait(DEADLINE)
    assert not {"alike", "places", "along"} & set(sent.kinds)
