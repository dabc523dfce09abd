"""The views without a browser: traits, messages, frames, errors. What the browser makes of them is in tests/browser."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch
import traitlets

import semrsm_widgets as srsm
from semrsm_widgets.figures.palettes import DIVERGING, MISSING, PALETTE, colour_indices, colour_range
from semrsm_widgets.figures.still import heatmap_still
from semrsm_widgets.tokens.grid import moved_token
from semrsm_widgets.views.base.bokeh_pane import bokehjs, heatmap_item
from semrsm_widgets.views.base.view import View, guarded_method, time_left
from semrsm_widgets.views.pair.still import put_back
from semrsm_widgets.views.rsm.frames import cluster_order, full_frame, label_order, partial_frame

DEADLINE = 30.0
N, GRID, D = 6, (3, 4), 8


def make_analysis(n=N, grid=GRID, seed=0, matcher=None, layers=("a", "b", "c")):
    rng = np.random.default_rng(seed)
    pictures = [(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), f"label {k % 2}") for k in range(n)]
    size = 12 if grid is None else grid[0] * grid[1]
    tokens = {
        name: srsm.Tokens(
            values=torch.from_numpy(rng.normal(size=(n, size, D)).astype(np.float32)),
            grid=grid,
            native_grid=grid,
            layer=name,
            note="" if grid else "No rule applies.",
        )
        for name in layers
    }
    return srsm.Analysis(srsm.load_images(pictures), tokens, matcher=matcher or srsm.Exact())


class Sent(list):
    """What a view sent to the browser, as (content, buffers)."""

    def __init__(self, view):
        super().__init__()
        view.send = lambda content, buffers=None: self.append((content, buffers or []))

    def of(self, kind):
        return [(content, buffers) for content, buffers in self if content["kind"] == kind]


def ask(view, **content):
    """Deliver a message as the browser would."""
    view._handle_custom_msg(content, [])


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def analysis():
    return make_analysis()


@pytest.fixture
def rsm_view(analysis):
    view = srsm.RSMView(analysis, layer="b")
    assert view.wait(DEADLINE)
    yield view
    view.close()


@pytest.fixture
def pair_view(analysis):
    view = srsm.PairView(analysis, layer="b", pair=(0, 3))
    assert view.wait(DEADLINE)
    yield view
    view.close()


# -- RSMView -----------------------------------------------------------------------------------------------------


def unpacked(content, buffers, size=N):
    """Return name -> (N, N) as the browser unpacks a frame."""
    found = {}
    for row, buffer in zip(content["matrices"], buffers, strict=True):
        if content["exact"]:
            values = np.frombuffer(buffer, np.float32)
        else:
            steps = np.frombuffer(buffer, "<u2")
            values = np.where(steps == 65535, np.nan, row["low"] + steps * ((row["high"] - row["low"]) / 65534))
        matrix = np.zeros((size, size))
        matrix[np.triu_indices(size)] = values
        found[row["name"]] = np.triu(matrix, 1).T + matrix
    return found


def test_a_page_gets_figures_then_the_shown_layer_then_thumbnails_then_the_rest(rsm_view, analysis):
    sent = Sent(rsm_view)
    ask(rsm_view, kind="ready")
    assert rsm_view.wait(DEADLINE)
    ((setup, _),) = sent.of("setup")
    assert len(setup["items"]) == 3
    ((_, thumbnails),) = sent.of("thumbnails")
    assert len(thumbnails) == N
    assert all(bytes(image).startswith(b"\xff\xd8") for image in thumbnails)
    frames = {(content["layer"], content["kernel"]): (content, buffers) for content, buffers in sent.of("frame")}
    assert set(frames) == {(layer, kernel) for layer in "abc" for kernel in ("cosine", "inner product", "RBF")}
    kinds = [content["kind"] for content, _ in sent]
    assert kinds[:2] == ["setup", "frame"]
    assert sent[1][0]["layer"] == "b"  # what is on screen comes first
    others = [k for k, (content, _) in enumerate(sent) if content["kind"] == "frame" and content["layer"] != "b"]
    assert kinds.index("thumbnails") < min(others)


@pytest.mark.parametrize("exact", [True, False])
def test_a_frame_carries_every_similarity_its_certificate_null_and_label_separation(analysis, monkeypatch, exact):
    from semrsm_widgets.views.base import wire as module

    monkeypatch.setattr(module, "EXACT_IMAGES", N if exact else N - 1)
    similarities = analysis.similarities("b")
    frame = full_frame(similarities, "cosine", analysis.images)
    found = unpacked(frame.content, frame.buffers)
    assert set(found) == {"aligned", "semantic", "pooled"} | ({"upper"} if exact else set())
    for name, matrix in found.items():
        values = getattr(similarities, name)
        np.testing.assert_allclose(matrix, values, atol=1e-6 if exact else np.ptp(values) / 65534)
    off = similarities.semantic[np.triu_indices(N, 1)]
    row = next(row for row in frame.content["matrices"] if row["name"] == "semantic")
    assert row["off_diagonal"] == [off.min(), off.max()]
    assert frame.content["complete"] is True
    assert frame.content["null"]["mean"] == pytest.approx(analysis.null("b").mean)
    labels = [next(iter(each)) for each in analysis.images.labels]
    same = [similarities.semantic[i, j] for i in range(N) for j in range(i) if labels[i] == labels[j]]
    other = [similarities.semantic[i, j] for i in range(N) for j in range(i) if labels[i] != labels[j]]
    assert frame.content["auc"]["semantic"] == pytest.approx(np.mean([a > b for a in same for b in other]))


def test_a_16_bit_frame_marks_what_is_not_finite(monkeypatch):
    from semrsm_widgets.views.base import wire as module

    monkeypatch.setattr(module, "EXACT_IMAGES", 1)
    matrix = np.array([[1.0, np.nan], [np.nan, -3.0]])
    frame = partial_frame("a", "cosine", matrix, np.zeros((2, 2)))
    np.testing.assert_allclose(unpacked(frame.content, frame.buffers, 2)["aligned"], matrix)


def test_aligned_is_on_its_way_before_semantic_is_computed(monkeypatch):
    frames = []
    when_matched = []

    def matcher(x, y):
        when_matched.append([dict(content) for content, _ in frames])
        return srsm.Exact()(x, y)

    # on the class, so that nothing of a new view's first job is missed
    monkeypatch.setattr(srsm.RSMView, "send", lambda self, content, buffers=None: frames.append((content, buffers)))
    view = srsm.RSMView(make_analysis(matcher=matcher, layers=("a",)))
    assert view.wait(DEADLINE)
    assert view.last_error == ""
    (first,) = [content for content in when_matched[0] if content["kind"] == "frame"]
    assert (first["kind"], first["layer"], first["complete"]) == ("frame", "a", False)
    assert set(unpacked(*frames[0])) == {"aligned", "pooled"}  # no semantic value yet
    assert [content["complete"] for content, _ in frames if content.get("kernel") == "cosine"] == [False, True]
    view.close()


def test_a_frame_is_not_sent_twice(rsm_view):
    sent = Sent(rsm_view)
    ask(rsm_view, kind="ready")
    assert rsm_view.wait(DEADLINE)
    before = len(sent.of("frame"))
    rsm_view.layer = "c"
    assert rsm_view.wait(DEADLINE)
    assert len(sent.of("frame")) == before


def test_many_images_send_rounded_values_and_answer_hovers(monkeypatch):
    from semrsm_widgets.views.base import wire
    from semrsm_widgets.views.rsm import view as module

    monkeypatch.setattr(wire, "EXACT_IMAGES", 3)
    monkeypatch.setattr(module, "AHEAD_BYTES", 10)
    analysis = make_analysis()
    view = srsm.RSMView(analysis, layer="a")
    assert view.wait(DEADLINE)  # what is sent before a page is there does not count
    sent = Sent(view)
    ask(view, kind="ready")
    assert view.wait(DEADLINE)
    ((content, buffers),) = [f for f in sent.of("frame") if f[0]["complete"]]  # the shown layer and kernel alone
    assert (content["layer"], content["exact"], len(buffers)) == ("a", False, 3)
    assert sent.of("thumbnails") == []
    ask(view, kind="value", i=1, j=4)
    ((value, thumbnails),) = sent.of("value")
    assert value["values"]["semantic"] == pytest.approx(analysis.rsm("a")[1, 4])
    assert len(thumbnails) == 2
    view.close()


def test_a_long_job_waits_for_start_and_pairs_still_open():
    analysis = make_analysis()
    view = srsm.RSMView(analysis, layer="a", patience=1e-9)
    sent = Sent(view)
    wait_for(lambda: view._status["state"] == "waiting")
    assert "pairs to match" in view._status["text"]
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
    view = srsm.RSMView(make_analysis(), layer="a", patience=1e-9)
    wait_for(lambda: view._status["state"] == "waiting")
    view.start()
    assert view.wait(DEADLINE)
    view.start()  # nothing waits
    view.layer = "c"
    wait_for(lambda: view._status["state"] == "waiting")
    assert not view.analysis.has("c")
    view.close()


def test_a_hover_never_computes(monkeypatch):
    from semrsm_widgets.views.base import wire as module

    monkeypatch.setattr(module, "EXACT_IMAGES", 3)
    view = srsm.RSMView(make_analysis(), layer="a", patience=1e-9)
    wait_for(lambda: view._status["state"] == "waiting")
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
        ("pair", (0, N), "from 0 to 5"),
        ("pair", (-1, 0), "from 0 to 5"),
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


def test_an_rsm_wants_two_images_and_a_pair_is_content_with_one():
    alone = make_analysis(n=1)
    with pytest.raises(ValueError, match="`analysis` must be of at least 2 images"):
        srsm.RSMView(alone)
    view = srsm.PairView(alone)
    sent = Sent(view)
    ask(view, kind="ready")
    assert view.wait(DEADLINE)
    assert sent.of("matches")[-1][0]["semantic"] == pytest.approx(1.0)
    assert view.last_error == ""
    view.close()


def test_cancel_is_shown_and_resume_goes_on():
    import threading

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
    assert view._status["state"] == "cancelled"
    assert not analysis.has("a")
    ask(view, kind="resume")
    assert view.wait(DEADLINE)
    assert view._status["state"] == "ready"
    assert analysis.has("a")
    view.close()


def test_an_error_in_the_worker_is_shown_with_its_traceback():
    def broken(x, y):
        raise RuntimeError("no partner to be had")

    view = srsm.RSMView(make_analysis(matcher=broken))
    assert view.wait(DEADLINE)
    assert view._status["state"] == "error"
    assert "no partner to be had" in view._status["text"]
    assert "Traceback" in view.last_error
    view.close()


def test_an_error_in_a_callback_is_shown_too(rsm_view):
    ask(rsm_view, kind="value", i=0, j=99)
    assert rsm_view._status["state"] == "error"
    assert "from 0 to 5" in rsm_view._status["text"]


def test_unknown_messages_are_ignored(rsm_view):
    ask(rsm_view, kind="__init__")
    ask(rsm_view, kind=None)
    assert rsm_view.last_error == ""


def test_bokehjs_comes_when_asked(rsm_view):
    sent = Sent(rsm_view)
    ask(rsm_view, kind="bokehjs")
    ((_, buffers),) = sent.of("bokehjs")
    assert buffers[0] == bokehjs()
    assert len(buffers[0]) > 500_000


def test_closing_ends_the_thread(analysis):
    view = srsm.RSMView(analysis)
    assert view.wait(DEADLINE)
    thread = view.worker._thread
    view.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()


# -- PairView ----------------------------------------------------------------------------------------------------


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


def test_images_that_are_all_alike_have_cosines_but_no_rbf():
    analysis = make_analysis(layers=("a",))
    analysis.tokens["a"].values[:] = analysis.tokens["a"].values[0].clone()
    view = srsm.RSMView(analysis)
    assert view.wait(DEADLINE)
    sent = Sent(view)
    ask(view, kind="ready")
    assert view.wait(DEADLINE)
    assert view._status["state"] == "ready"
    assert {content["kernel"] for content, _ in sent.of("frame")} == {"cosine", "inner product"}
    ((undefined, _),) = sent.of("undefined")
    assert (undefined["layer"], undefined["kernel"]) == ("a", "RBF")
    assert "median distance of 0" in undefined["reason"]
    view.kernel = "RBF"
    assert view.wait(DEADLINE)
    assert view._status["state"] == "ready"
    assert view.picture() is None
    view.close()


def test_a_layer_without_an_rbf_does_not_keep_the_others_from_the_slider():
    analysis = make_analysis()
    analysis.tokens["b"].values[:] = analysis.tokens["b"].values[0].clone()
    view = srsm.RSMView(analysis, layer="a", kernel="RBF")
    assert view.wait(DEADLINE)
    sent = Sent(view)
    ask(view, kind="ready")
    assert view.wait(DEADLINE)
    assert view.last_error == ""
    assert {c["layer"] for c, _ in sent.of("frame") if c["kernel"] == "RBF"} == {"a", "c"}
    assert [c["layer"] for c, _ in sent.of("undefined")] == ["b"]
    view.close()


def test_a_layer_that_fails_is_named_and_the_others_go_on():
    def matcher(x, y):
        if x.max() > 100:
            raise RuntimeError("too large")
        return srsm.Exact()(x, y)

    analysis = make_analysis(matcher=matcher)
    analysis.tokens["b"].values[:] *= 1000
    view = srsm.RSMView(analysis, layer="a")
    assert view.wait(DEADLINE)
    assert view._status["state"] == "error"
    assert view._status["text"].startswith("Layer 'b': RuntimeError: too large")
    assert "Traceback" in view.last_error
    assert [analysis.has(name) for name in "abc"] == [True, False, True]
    view.close()


def test_tokens_without_places_are_sent_without_a_grid():
    view = srsm.PairView(make_analysis(grid=None))
    sent = Sent(view)
    ask(view, kind="ready")
    assert view.wait(DEADLINE)
    assert sent.of("matches")[-1][0]["grid"] is None
    assert view._layers[0]["note"] == "No rule applies."
    assert view.picture() is None
    view.close()


def test_the_null_of_a_pair_waits_for_start_where_it_is_long():
    analysis = make_analysis()
    view = srsm.PairView(analysis, layer="a", patience=1e-9)
    sent = Sent(view)
    ask(view, kind="ready")
    wait_for(lambda: view._status["state"] == "waiting" and sent.of("matches"))
    assert "96 pairs" in view._status["text"]
    assert sent.of("matches")[-1][0]["null"] is None
    assert not analysis.has_null("a")
    wait_for(lambda: ask(view, kind="start") or view.wait(0.02))  # the page's "ready" made the wait begin anew
    assert sent.of("matches")[-1][0]["null"]["mean"] == pytest.approx(analysis.null("a").mean)
    view.close()


def test_scipy_shows_a_pair_while_the_auction_is_being_compiled(monkeypatch):
    import threading

    compiled = threading.Event()
    monkeypatch.setattr(srsm.Auction, "is_ready", lambda self, columns: compiled.is_set())
    monkeypatch.setattr(srsm.Auction, "prepare", lambda self, columns: compiled.wait(DEADLINE))
    sent = []
    monkeypatch.setattr(srsm.PairView, "send", lambda self, content, buffers=None: sent.append(content))
    view = srsm.PairView(make_analysis(matcher=srsm.Auction()), layer="a")
    wait_for(lambda: any(content["kind"] == "matches" for content in sent))
    assert not compiled.is_set()
    assert view.picture() is None  # nothing is compiled for a picture
    compiled.set()
    assert view.wait(DEADLINE)
    exact, certified = sent[1], sent[-1]
    assert exact["upper"] == exact["semantic"]
    assert certified["upper"] >= certified["semantic"] == pytest.approx(exact["semantic"], abs=1e-4)
    view.close()


@pytest.mark.parametrize(
    ("token", "grid", "other", "expected"),
    [
        (0, (4, 4), (2, 2), 0),
        (15, (4, 4), (2, 2), 3),
        (6, (4, 4), (2, 2), 1),
        (1, (2, 2), (4, 4), 7),  # the centre of the upper right quarter is a corner: its lower right cell
        (5, (3, 4), (3, 4), 5),
        (-1, (4, 4), (2, 2), -1),
        (3, None, (2, 2), -1),
        (3, (2, 2), None, -1),
    ],
)
def test_a_token_is_found_in_another_grid(token, grid, other, expected):
    assert moved_token(token, grid, other) == expected


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


# -- figures and pictures ----------------------------------------------------------------------------------------


def test_colour_indices_cover_the_range_and_mark_what_is_missing():
    indices = colour_indices(np.array([0.0, 0.5, 1.0, 2.0, -1.0, np.nan]), 0.0, 1.0)
    assert indices.tolist() == [0, 127, 254, 254, 0, MISSING]
    assert colour_indices(np.array([3.0, 3.0]), 3.0, 3.0).tolist() == [0, 0]


def test_the_colour_range_is_shared_and_leaves_the_diagonal_out():
    aligned = np.array([[1.0, 0.1], [0.1, 1.0]])
    semantic = np.array([[1.0, 0.6], [0.6, 1.0]])
    assert colour_range(aligned, semantic) == (0.0, 0.6)
    assert colour_range(-aligned, semantic) == (-0.1, 0.6)
    assert colour_range(aligned, np.full((2, 2), np.nan)) == (0.0, 0.1)
    constant = np.zeros((2, 2))
    assert colour_range(constant, constant) == (0.0, 1.0)


def test_images_are_ordered_by_label_and_by_cluster():
    images = srsm.load_images([(np.zeros((8, 8, 3), np.uint8), label) for label in ("b", "a", "b", "a")])
    assert label_order(images) == [1, 3, 0, 2]
    block = np.array([0, 1, 0, 1, 0])
    semantic = np.where(block[:, None] == block, 0.9, 0.1) + np.eye(5) * 0.1
    groups = block[cluster_order(semantic)]
    assert (np.diff(groups) != 0).sum() == 1
    assert sorted(cluster_order(np.eye(2))) == [0, 1]


def test_baseline_order_excess_and_colours_are_set_from_python_and_checked(rsm_view, analysis):
    rsm_view.order = "label"
    assert rsm_view._sequence == label_order(analysis.images)
    rsm_view.order = "cluster"
    assert rsm_view.wait(DEADLINE)
    assert sorted(rsm_view._sequence) == list(range(N))
    assert rsm_view._sequence_note == "clusters of b"
    kept = list(rsm_view._sequence)
    rsm_view.layer = "c"  # layers can be compared only in one order
    assert rsm_view.wait(DEADLINE)
    assert rsm_view._sequence == kept
    rsm_view.order = "file"
    assert rsm_view._sequence == []
    plain = rsm_view.picture()
    rsm_view.baseline, rsm_view.excess, rsm_view.colour_range = "pooled", True, (-1.0, 1.0)
    assert rsm_view.picture().tobytes() != plain.tobytes()
    for name, value in (("baseline", "semantic"), ("order", "size"), ("colour_range", (1.0, 0.0))):
        before = getattr(rsm_view, name)
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(rsm_view, name, value)
        assert getattr(rsm_view, name) == before


def test_an_order_by_label_wants_labels():
    analysis = make_analysis()
    images = srsm.load_images([analysis.images.image(k) for k in range(N)])
    unlabelled = srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact())
    with pytest.raises(traitlets.TraitError, match="no labels"):
        srsm.RSMView(unlabelled, order="label")
    assert full_frame(unlabelled.similarities("a"), "cosine", images).content["auc"] is None


def test_a_dropped_frame_is_sent_again(rsm_view):
    sent = Sent(rsm_view)
    ask(rsm_view, kind="ready")
    assert rsm_view.wait(DEADLINE)
    before = len(sent.of("frame"))
    ask(rsm_view, kind="frame", layer="b", kernel="cosine")
    assert rsm_view.wait(DEADLINE)
    again = sent.of("frame")[before:]
    assert [(content["layer"], content["kernel"]) for content, _ in again] == [("b", "cosine")]


def test_the_palette_has_a_colour_for_every_index_but_the_missing():
    assert len(PALETTE) == len(DIVERGING) == MISSING
    assert DIVERGING[127].lower() in ("#f7f7f7", "#f6f6f6")  # no difference is white


def test_a_heatmap_item_is_plain_json():
    import json

    item = heatmap_item("aligned", PALETTE, 4)
    assert "aligned" in json.dumps(item)


def test_a_view_without_a_browser_is_a_picture(rsm_view, pair_view):
    for view in (rsm_view, pair_view):
        data, _ = view._repr_mimebundle_()
        assert data["text/plain"] == repr(view)
        assert data["image/png"].startswith("iVBOR")
        assert "application/vnd.jupyter.widget-view+json" in data
        view.save_images = False
        assert "image/png" not in view._repr_mimebundle_()[0]


def test_the_heatmap_picture_paints_each_cell_in_its_colour():
    picture = heatmap_still({"x": (np.array([[0, 254], [MISSING, 0]], dtype=np.uint8), PALETTE)}, "title")
    colours = {picture.getpixel((x, y)) for x in range(24, 324) for y in range(60, 340)}
    assert tuple(int(PALETTE[0][k : k + 2], 16) for k in (1, 3, 5)) in colours
    assert tuple(int(PALETTE[254][k : k + 2], 16) for k in (1, 3, 5)) in colours
    assert (200, 200, 200) in colours


def test_rebuilding_an_image_from_itself_gives_it_back():
    analysis = make_analysis()
    matches = analysis.matches("a", 2, 2)
    panel = analysis.images.image(2).resize((400, 300))
    rebuilt = put_back(matches, panel, (0, 0, 400, 300))
    expected = np.asarray(panel.resize(rebuilt.size), dtype=float)
    assert np.abs(np.asarray(rebuilt, dtype=float) - expected).mean() < 12


def test_guarded_methods_never_raise():
    class Broken(View):
        _esm = "export default {}"

        def fail(self, change):
            raise KeyError("nothing there")

    view = Broken()
    guarded_method(view, "fail")(None)
    assert view._status["state"] == "error"
    assert "nothing there" in view.last_error
    view.close()


@pytest.mark.parametrize("view_class", [srsm.RSMView, srsm.PairView])
def test_a_view_answers_a_ping_while_its_worker_is_busy(analysis, view_class):
    view = view_class(analysis)
    assert view.wait(DEADLINE)
    started, go_on = threading.Event(), threading.Event()
    view.run(lambda job: (started.set(), go_on.wait(DEADLINE)))
    assert started.wait(DEADLINE)
    sent = Sent(view)
    ask(view, kind="ping")
    assert list(sent) == [({"kind": "pong"}, [])]
    assert view.worker.busy
    go_on.set()
    view.close()


@pytest.mark.parametrize(
    ("elapsed", "first", "fraction", "words"),
    [
        (10.0, 0.0, 0.25, "about 30 s left"),
        (10.0, 0.5, 0.75, "about 10 s left"),  # a step that goes on where it was
        (600.0, 0.0, 0.25, "about 30 min left"),
        (1.0, 0.0, 0.25, ""),  # too early to tell
        (10.0, 0.0, 0.0, ""),
        (10.0, 0.0, None, ""),
        (10.0, 0.0, 1.0, ""),
    ],
)
def test_the_time_that_is_left_is_told_once_it_can_be(elapsed, first, fraction, words):
    assert time_left(elapsed, first, fraction) == words


def test_progress_says_how_long_it_takes(monkeypatch):
    view = View()
    clock = iter([100.0, 104.0, 104.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    texts = []
    for text, fraction in (("Matching:", 0.0), ("Matching:", 0.5), ("Calibrating:", 0.1)):
        view._show_progress(text, fraction)
        texts.append(view._status["left"])
    monkeypatch.undo()
    assert texts == ["", "about 4 s left", ""]
    view.close()
