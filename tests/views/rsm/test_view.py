"""RSMView without a browser: what it sends and when, its order and colours, what it refuses, and errors."""

from __future__ import annotations

import threading

import pytest
import traitlets
from helpers.analyses import N, make_analysis
from helpers.views import (
    DEADLINE,
    Sent,
    ask,
    drawn,
    have_ended,
    opened_page,
    settled,
    state,
    unpacked_frame,
    wait_for,
    worker_threads,
)

import semrsm_widgets as srsm
from semrsm_widgets.views.rsm.frames import full_frame, label_order


def test_a_page_gets_the_shown_layer_then_thumbnails_then_the_rest(rsm_view, analysis):
    sent = opened_page(rsm_view)
    ((_, thumbnails),) = sent.of("thumbnails")
    assert len(thumbnails) == N
    assert all(bytes(image).startswith(b"\xff\xd8") for image in thumbnails)
    frames = {(content["layer"], content["kernel"]): (content, buffers) for content, buffers in sent.of("frame")}
    assert set(frames) == {(layer, kernel) for layer in "abc" for kernel in ("cosine", "inner product", "RBF")}
    assert sent.kinds[0] == "frame"  # nothing before what is to be seen
    assert sent[0][0]["layer"] == "b"  # what is on screen comes first
    others = [k for k, (content, _) in enumerate(sent) if content["kind"] == "frame" and content["layer"] != "b"]
    assert sent.kinds.index("thumbnails") < min(others)


def test_a_page_that_has_bokehjs_asks_for_its_figures(rsm_view):
    sent = opened_page(rsm_view)
    ask(rsm_view, kind="figures")
    ((figures, _),) = sent.of("figures")
    assert len(figures["items"]) == 3


def test_aligned_is_on_its_way_before_semantic_is_computed(monkeypatch):
    frames = Sent.by_any(srsm.RSMView, monkeypatch)  # so that nothing of a new view's first job is missed
    when_matched = []

    def matcher(x, y):
        when_matched.append([dict(content) for content, _ in frames])
        return srsm.Exact()(x, y)

    view = settled(srsm.RSMView(make_analysis(matcher=matcher, layers=("a",))))
    (first,) = [content for content in when_matched[0] if content["kind"] == "frame"]
    assert (first["kind"], first["layer"], first["complete"]) == ("frame", "a", False)
    assert set(unpacked_frame(*frames[0])) == {"aligned", "pooled"}  # no semantic value yet
    assert [content["complete"] for content, _ in frames if content.get("kernel") == "cosine"] == [False, True]
    view.close()


def test_a_frame_is_not_sent_twice(rsm_view):
    sent = opened_page(rsm_view)
    before = len(sent.of("frame"))
    rsm_view.layer = "c"
    assert rsm_view.wait(DEADLINE)
    assert len(sent.of("frame")) == before


def test_many_images_send_rounded_values_and_answer_hovers(monkeypatch):
    from semrsm_widgets.views.base import wire
    from semrsm_widgets.views.rsm import view as module

    monkeypatch.setattr(wire, "EXACT_IMAGES", 3)
    monkeypatch.setattr(module, "AHEAD_BYTES", 10)
    analysis = make_analysis(layers="abc")
    view = srsm.RSMView(analysis, layer="a")
    sent = opened_page(view)
    ((content, buffers),) = [f for f in sent.of("frame") if f[0]["complete"]]  # the shown layer and kernel alone
    assert (content["layer"], content["exact"], len(buffers)) == ("a", False, 3)
    assert sent.of("thumbnails") == []
    ask(view, kind="value", i=1, j=4)
    ((value, thumbnails),) = sent.of("value")
    assert value["values"]["semantic"] == pytest.approx(analysis.rsm("a")[1, 4])
    assert len(thumbnails) == 2
    view.close()


def test_a_long_job_waits_for_start_and_pairs_still_open():
    analysis = make_analysis(layers="abc")
    view = srsm.RSMView(analysis, layer="a", patience=1e-9)
    sent = Sent(view)
    wait_for(lambda: view.status.state == "waiting")
    assert "pairs to match" in view.status.text
    assert not analysis.has("a")
    assert analysis.matches("a", 0, 1).semantic > 0
    assert not analysis.has_null("a")  # its pairs are in what is asked for
    ask(view, kind="start")
    assert view.wait(DEADLINE)
    assert all(analysis.has(layer) for layer in "abc")  # one Start for all that it named
    assert [f for f in sent.of("frame") if f[0]["complete"]]
    view.close()


def test_a_start_counts_for_what_is_shown_not_for_what_comes(monkeypatch):
    from semrsm_widgets.views.rsm import view as module

    monkeypatch.setattr(module, "AHEAD_BYTES", 0)  # one layer at a time
    view = srsm.RSMView(make_analysis(layers="abc"), layer="a", patience=1e-9)
    wait_for(lambda: view.status.state == "waiting")
    view.start()
    assert view.wait(DEADLINE)
    view.start()  # nothing waits
    view.layer = "c"
    wait_for(lambda: view.status.state == "waiting")
    assert not view.analysis.has("c")
    view.close()


def test_a_hover_never_computes(monkeypatch):
    from semrsm_widgets.views.base import wire as module

    monkeypatch.setattr(module, "EXACT_IMAGES", 3)
    view = srsm.RSMView(make_analysis(layers="abc"), layer="a", patience=1e-9)
    wait_for(lambda: view.status.state == "waiting")
    sent = Sent(view)
    ask(view, kind="value", i=1, j=4)
    ((value, thumbnails),) = sent.of("value")
    assert value["values"] is None
    assert len(thumbnails) == 2
    assert not view.analysis.has("a")
    view.close()


@pytest.mark.parametrize(
    ("trait", "value", "text"),
    [
        ("layer", "nowhere", "`layer` must be one of 'a', 'b', 'c'; got 'nowhere'"),
        ("kernel", "linear", "`kernel` must be one of"),
        ("pair", (0, N), "from 0 to 7"),
        ("pair", (-1, 0), "from 0 to 7"),
    ],
)
def test_a_wrong_trait_raises_and_keeps_the_old_value(rsm_view, trait, value, text):
    before = getattr(rsm_view, trait)
    with pytest.raises(traitlets.TraitError, match=text):
        setattr(rsm_view, trait, value)
    assert getattr(rsm_view, trait) == before


def test_a_view_wants_an_analysis():
    with pytest.raises(TypeError, match="`analysis` must be an Analysis"):
        srsm.RSMView("photos/")


def test_an_rsm_wants_two_images():
    with pytest.raises(ValueError, match="`analysis` must be of at least 2 images"):
        srsm.RSMView(make_analysis(n=1))


def test_cancel_is_shown_and_resume_goes_on():
    entered, go = threading.Event(), threading.Event()

    def slow(x, y):
        entered.set()
        go.wait(DEADLINE)
        return srsm.Exact()(x, y)

    analysis = make_analysis(matcher=slow, layers=("a",))
    view = srsm.RSMView(analysis)
    assert entered.wait(DEADLINE)
    ask(view, kind="cancel")
    go.set()
    assert view.wait(DEADLINE)
    assert view.status.state == "cancelled"
    assert not analysis.has("a")
    ask(view, kind="resume")
    assert view.wait(DEADLINE)
    assert view.status.state == "ready"
    assert analysis.has("a")
    view.close()


def test_an_error_in_the_worker_is_shown_with_its_traceback():
    def broken(x, y):
        raise RuntimeError("no partner to be had")

    view = srsm.RSMView(make_analysis(matcher=broken))
    assert view.wait(DEADLINE)
    assert view.status.state == "error"
    assert "no partner to be had" in view.status.text
    assert "Traceback" in view.last_error
    view.close()


def test_closing_ends_the_thread(analysis):
    before = worker_threads()
    view = srsm.RSMView(analysis)
    assert view.wait(DEADLINE)
    view.close()
    assert have_ended(worker_threads() - before)


def test_images_that_are_all_alike_have_cosines_but_no_rbf():
    analysis = make_analysis(layers=("a",))
    analysis.tokens["a"].values[:] = analysis.tokens["a"].values[0].clone()
    view = srsm.RSMView(analysis)
    sent = opened_page(view)
    assert view.status.state == "ready"
    assert {content["kernel"] for content, _ in sent.of("frame")} == {"cosine", "inner product"}
    ((undefined, _),) = sent.of("undefined")
    assert (undefined["layer"], undefined["kernel"]) == ("a", "RBF")
    assert "median distance of 0" in undefined["reason"]
    view.kernel = "RBF"
    assert view.wait(DEADLINE)
    assert view.status.state == "ready"
    assert view.picture() is None
    view.close()


def test_a_layer_without_an_rbf_does_not_keep_the_others_from_the_slider():
    analysis = make_analysis(layers="abc")
    analysis.tokens["b"].values[:] = analysis.tokens["b"].values[0].clone()
    view = srsm.RSMView(analysis, layer="a", kernel="RBF")
    sent = opened_page(view)
    assert view.last_error == ""
    assert {c["layer"] for c, _ in sent.of("frame") if c["kernel"] == "RBF"} == {"a", "c"}
    assert [c["layer"] for c, _ in sent.of("undefined")] == ["b"]
    view.close()


def test_a_layer_that_fails_is_named_and_the_others_go_on():
    def matcher(x, y):
        if x.max() > 100:
            raise RuntimeError("too large")
        return srsm.Exact()(x, y)

    analysis = make_analysis(matcher=matcher, layers="abc")
    analysis.tokens["b"].values[:] *= 1000
    view = srsm.RSMView(analysis, layer="a")
    assert view.wait(DEADLINE)
    assert view.status.state == "error"
    assert view.status.text.startswith("Layer 'b': RuntimeError: too large")
    assert "Traceback" in view.last_error
    assert [analysis.has(name) for name in "abc"] == [True, False, True]
    view.close()


def test_baseline_order_excess_and_colours_are_set_from_python_and_checked(rsm_view, analysis):
    rsm_view.order = "label"
    assert state(rsm_view)["_sequence"] == label_order(analysis.images)
    rsm_view.order = "cluster"
    assert rsm_view.wait(DEADLINE)
    assert sorted(state(rsm_view)["_sequence"]) == list(range(N))
    assert state(rsm_view)["_sequence_note"] == "clusters of b"
    kept = list(state(rsm_view)["_sequence"])
    rsm_view.layer = "c"  # layers can be compared only in one order
    assert rsm_view.wait(DEADLINE)
    assert state(rsm_view)["_sequence"] == kept
    rsm_view.order = "file"
    assert state(rsm_view)["_sequence"] == []
    plain = rsm_view.picture()
    rsm_view.baseline, rsm_view.excess, rsm_view.colour_range = "pooled", True, (-1.0, 1.0)
    assert rsm_view.picture().tobytes() != plain.tobytes()
    for name, value in (("baseline", "semantic"), ("order", "size"), ("colour_range", (1.0, 0.0))):
        before = getattr(rsm_view, name)
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(rsm_view, name, value)
        assert getattr(rsm_view, name) == before


def test_an_order_by_label_wants_labels():
    analysis = make_analysis(layers="abc")
    images = srsm.load_images([analysis.images.image(k) for k in range(N)])
    unlabelled = srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact())
    with pytest.raises(traitlets.TraitError, match="no labels"):
        srsm.RSMView(unlabelled, order="label")
    assert full_frame(unlabelled.similarities("a"), "cosine", images).content["auc"] is None


def test_a_dropped_frame_is_sent_again(rsm_view):
    sent = opened_page(rsm_view)
    before = len(sent.of("frame"))
    ask(rsm_view, kind="frame", layer="b", kernel="cosine")
    assert rsm_view.wait(DEADLINE)
    again = sent.of("frame")[before:]
    assert [(content["layer"], content["kernel"]) for content, _ in again] == [("b", "cosine")]


def test_selected_images_are_marked_come_first_or_are_alone(analysis, opened, rsm_view):
    view = rsm_view
    assert len(view.selection) == 0
    view.selected = "first"
    assert view.rows() == list(range(N))  # nobody is selected
    view.selection = [analysis.images.ids[6], 1]
    assert view.selection.indices == (6, 1)
    assert view.rows() == [6, 1, 0, 2, 3, 4, 5, 7]
    view.selected = "only"
    assert view.rows() == [6, 1]
    view.order = "label"  # kinds in turn: each order puts its own images first
    assert view.rows() == [6, 1]
    view.selection = [1, 6, 3]
    assert view.rows() == [6, 1, 3]
    view.selected = "marked"
    assert view.rows() == [0, 2, 4, 6, 1, 3, 5, 7]
    for bad in (["nobody"], [0, 0], "image", [N]):
        with pytest.raises(traitlets.TraitError, match="selection"):
            view.selection = bad
    with pytest.raises(traitlets.TraitError, match="selected"):
        view.selected = "last"
    assert view.selection.indices == (1, 6, 3)


def test_the_page_knows_a_selection_by_indices_and_a_notebook_no_names(analysis, opened):
    view = opened(srsm.RSMView(analysis, selection=[2, 0], save_images=False))
    assert view.get_state("selection") == {"selection": [2, 0]}
    view.set_state({"selection": [3, 1, 5]})  # from the page
    assert list(view.selection) == [analysis.images.ids[k] for k in (3, 1, 5)]


@pytest.mark.parametrize("chosen", [[4], [4, 2]])
def test_a_picture_and_a_figure_of_the_selected_only(analysis, opened, chosen):
    view = opened(srsm.RSMView(analysis, layer="b", selection=chosen, selected="only", pair=(0, 1)))
    assert view.picture() is not None
    assert "White frame" not in drawn(view).caption  # the pair is not among them
