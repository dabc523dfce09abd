"""CompareView without a browser: the map's numbers, what a cell opens, linked pairs, refusals, and errors."""

from __future__ import annotations

import threading
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import traitlets
from ipywidgets.widgets.widget import _instances
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.figures.palettes import MISSING
from semrsm_widgets.rsm import PATCH_SIMILARITIES as SIMILARITIES
from semrsm_widgets.views.base.wire import EXACT_IMAGES
from semrsm_widgets.views.compare.layer_map import PALETTES, LayerMap
from semrsm_widgets.views.compare.still import NEGATIVE, cell_colour

DEADLINE = 60.0
N, D = 8, 6


def pictures(n=N):
    rng = np.random.default_rng(0)
    return srsm.load_images([rng.integers(0, 255, (30, 40, 3), dtype=np.uint8) for _ in range(n)])


def make(grids, seed=0, images=None, matcher=None, name=None):
    """Return an analysis with a layer for each grid (None: no places)."""
    images = images or pictures()
    rng = np.random.default_rng(seed)
    tokens = {
        layer: srsm.Tokens(
            values=torch.from_numpy(rng.normal(size=(len(images), 12 if grid is None else grid[0] * grid[1], D))),
            grid=grid,
            native_grid=grid,
            layer=layer,
        )
        for layer, grid in grids.items()
    }
    model = None if name is None else srsm.VisionModel(torch.nn.Identity(), lambda picture: picture, name=name)
    return srsm.Analysis(images, tokens, model=model, matcher=matcher or srsm.Exact())


@pytest.fixture
def both():
    images = pictures()
    return make({"a1": (3, 4), "a2": (2, 2)}, 1, images), make({"b1": (2, 3), "b2": (3, 4), "b3": None}, 2, images)


class Sent(list):
    """What a map sent to the browser, as (content, buffers)."""

    def __init__(self, view):
        super().__init__()
        view.send = lambda content, buffers=None: self.append((content, list(buffers or [])))

    def of(self, kind):
        return [(content, buffers) for content, buffers in self if content["kind"] == kind]


def ask(view, **content):
    view._handle_custom_msg(content, [])


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def cells_of(view, content):
    """Return the cells of a message: (layer of A, layer of B, similarity) -> value, low, high, eigenvalues, reason."""
    a, b = view.analysis_a.layers, view.analysis_b.layers
    return {(a[i], b[j], SIMILARITIES[k]): facts for i, j, k, *facts in content["cells"]}


@pytest.fixture
def opened():
    views = []

    def compare_view(*args, **kwargs):
        # On a busy machine the sampled cost of anything may be long, and the view would wait for Start.
        views.append(srsm.CompareView(*args, **{"patience": 1e9, **kwargs}))
        return views[-1]

    yield compare_view
    for view in views:
        view.close()


@pytest.fixture
def view(opened, both):
    view = opened(*both, names=("before", "after"))
    assert view.wait(DEADLINE)
    assert view.last_error == ""
    return view


# -- the map -----------------------------------------------------------------------------------------------------


def test_the_map_holds_the_table_of_compare(view, both):
    sent = Sent(view.header)
    ask(view.header, kind="ready")
    assert view.wait(DEADLINE)
    setup, thumbnails = sent.of("setup")[0]
    ((content, _),) = sent.of("cells")
    assert len(thumbnails) == N
    assert set(setup["palettes"]) == {"map", "values", "difference"}
    expected = srsm.compare(*both)
    assert content["complete"] is True
    assert len(content["cells"]) == len(expected.rows) == 2 * 3 * 3
    assert (content["fresh"], content["n"]) == (True, N)
    found = cells_of(view, content)
    for row in expected.rows:
        value, low, high, lowest_a, lowest_b, reason = found[row.layer_a, row.layer_b, row.similarity]
        assert (value, low, high) == pytest.approx((row.value, row.low, row.high), abs=1e-6)
        assert (lowest_a, lowest_b) == pytest.approx((row.smallest_eigenvalue_a, row.smallest_eigenvalue_b), abs=1e-6)
        assert reason == ""
    assert view.comparison == expected
    assert [side["name"] for side in view.header._sides] == ["before", "after"]
    assert [row["name"] for row in view.header._sides[1]["layers"]] == ["b1", "b2", "b3"]


def test_the_map_grows_layer_by_layer(monkeypatch, opened, both):
    frames = []
    monkeypatch.setattr(LayerMap, "send", lambda self, content, buffers=None: frames.append(content))
    view = opened(*both)
    assert view.wait(DEADLINE)
    frames = [content for content in frames if content["kind"] == "cells"]
    assert [len(content["cells"]) // 3 for content in frames] == [0, 1, 1, 2, 2]  # each is sent once
    assert frames[-1]["complete"] is True


def test_another_kernel_is_another_table(view, both):
    sent = Sent(view.header)
    view.kernel = "RBF"
    assert view.wait(DEADLINE)
    content, _ = sent.of("cells")[-1]
    assert content["kernel"] == "RBF"
    assert view.comparison == srsm.compare(*both, kernel=srsm.rbf)
    sent.clear()
    view.kernel = "cosine"
    assert view.wait(DEADLINE)
    assert sent.of("cells") == []  # the page has them already


def test_an_undefined_cell_is_sent_with_its_reason(opened):
    images = pictures()
    a = make({"flat": (2, 2), "fine": (2, 2)}, 1, images)
    a.tokens["flat"].values[:] = 1.0
    b = make({"b": (2, 2)}, 2, images)
    view = opened(a, b, cell=("flat", "b"))
    assert view.wait(DEADLINE)
    sent = Sent(view.header)
    ask(view.header, kind="ready")
    assert view.wait(DEADLINE)
    assert view.last_error == ""
    cells = cells_of(view, sent.of("cells")[-1][0])
    assert cells["flat", "b", "semantic"][0] is None
    assert "an RSM that varies" in cells["flat", "b", "semantic"][-1]
    assert cells["fine", "b", "semantic"][0] is not None
    detail, buffers = sent.of("detail")[-1]
    assert "an RSM that varies" in detail["reason"]
    assert "limit" not in detail
    assert len(buffers) == 4  # both RSMs, as colours and as values
    view.kernel = "RBF"
    assert view.wait(DEADLINE)
    detail, buffers = sent.of("detail")[-1]
    assert "images that differ" in detail["reason"]
    assert buffers == []
    assert view.picture() is not None


# -- a cell ------------------------------------------------------------------------------------------------------


def test_a_cell_opens_both_rsms_their_difference_and_what_changed(view, both):
    sent = Sent(view.header)
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    ((detail, buffers),) = sent.of("detail")
    K, L = both[0].rsm("a1"), both[1].rsm("b2")
    difference = srsm.rsm_difference(K, L)
    matrix = lambda k, kind: np.frombuffer(buffers[k], kind).reshape(N, N)  # noqa: E731
    for k, expected in enumerate((K, L, difference.a, difference.b)):
        np.testing.assert_allclose(matrix(5 + k, np.float32), expected, atol=1e-5)
    np.testing.assert_array_equal(matrix(9, np.int32), difference.rank_a)
    np.testing.assert_array_equal(matrix(10, np.int32), difference.rank_b)
    colours = matrix(4, np.uint8)
    assert (colours.diagonal() == MISSING).all()
    limit = detail["limit"]
    off = ~np.eye(N, dtype=bool)
    expected = np.rint((difference.difference + limit) / (2 * limit) * (MISSING - 1))
    np.testing.assert_array_equal(colours[off], expected[off])
    assert detail["cka"] == pytest.approx(srsm.cka(K, L))
    assert [tuple(change["pair"]) for change in detail["more_a"]] == [c.pair for c in difference.more_alike(True, 6)]
    assert detail["more_b"][0]["rank_b"] == difference.more_alike(False, 1)[0].rank_b
    assert detail["nulls"] == pytest.approx([both[0].null("a1").mean, both[1].null("b2").mean])


@pytest.mark.parametrize("similarity", ["aligned", "pooled"])
def test_a_cell_follows_the_similarity(view, both, similarity):
    view.cell = ("a2", "b1")
    assert view.wait(DEADLINE)
    sent = Sent(view.header)
    view.similarity = similarity
    assert view.wait(DEADLINE)
    detail, buffers = sent.of("detail")[-1]
    expected = getattr(both[0].similarities("a2"), similarity)
    np.testing.assert_allclose(np.frombuffer(buffers[5], np.float32).reshape(N, N), expected, atol=1e-6)
    assert detail["similarity"] == similarity
    assert detail["nulls"] is None  # the level of unrelated tokens is that of the best match


def test_the_pair_views_show_the_cell_and_are_linked(view):
    assert view.pair_views is None
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    first, second = view.pair_views
    assert (first.layer, second.layer) == ("a1", "b2")
    assert first.analysis is view.analysis_a
    assert second.analysis is view.analysis_b
    assert len(view._place.children) == 2
    view.header.pair = (2, 5)  # as a click in a heatmap sets it
    assert view.pair == first.pair == second.pair == (2, 5)
    second.pair = (1, 3)
    assert view.pair == first.pair == (1, 3)
    first.top_k = 7
    assert second.top_k == 7
    view.cell = ("a2", "b1")
    assert (first.layer, second.layer) == ("a2", "b1")
    assert view.pair_views == (first, second)
    view.cell = None
    assert view._place.children == ()


def test_a_pin_is_at_the_same_place_in_both(view):
    view.cell = ("a1", "b1")
    assert view.wait(DEADLINE)
    first, second = view.pair_views
    first.token = 11  # the last of 3 x 4
    assert second.token == 5  # the last of 2 x 3
    assert first.token == 11
    second.token = 0
    assert first.token == 0
    first.token = -1
    assert second.token == -1
    view.cell = ("a1", "b3")  # without places
    first.token = 3
    assert second.token == -1
    assert view.last_error == ""


def test_layers_without_places_and_of_other_sizes_open(view):
    view.cell = ("a2", "b3")
    assert view.wait(DEADLINE)
    assert view.last_error == ""
    assert view.header._status["state"] == "ready"


def test_many_images_send_colours_only_and_answer_hovers(opened):
    images = pictures(EXACT_IMAGES + 1)
    a, b = (make({"x": (1, 2)}, seed, images) for seed in (1, 2))
    view = opened(a, b, cell=("x", "x"))
    assert view.wait(DEADLINE)
    sent = Sent(view.header)
    ask(view.header, kind="ready")
    assert view.wait(DEADLINE)
    assert sent.of("setup")[0][1] == []
    detail, buffers = sent.of("detail")[-1]
    assert len(buffers) == 5 + len(detail["thumbnails"])
    assert {k for change in detail["more_a"] for k in change["pair"]} <= set(detail["thumbnails"])
    ask(view.header, kind="value", i=3, j=300)
    ((value, _),) = sent.of("value")
    difference = srsm.rsm_difference(a.rsm("x"), b.rsm("x"))
    assert value["values"][0] == pytest.approx(a.rsm("x")[3, 300])
    assert value["standard"] == pytest.approx([difference.a[3, 300], difference.b[3, 300]])


# -- what may be set ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trait", "value", "text"),
    [
        ("cell", ("b1", "a1"), "a layer of A and a layer of B; got 'b1' for A. Layers of A: 'a1', 'a2'"),
        ("cell", ("a1", "nowhere"), "got 'nowhere' for B"),
        ("similarity", "matched", "`similarity` must be one of"),
        ("kernel", "linear", "`kernel` must be one of"),
        ("pair", (0, N), "from 0 to 7"),
    ],
)
def test_a_wrong_trait_raises_and_keeps_the_old_value(view, trait, value, text):
    before = getattr(view, trait)
    with pytest.raises(traitlets.TraitError, match=text):
        setattr(view, trait, value)
    assert getattr(view, trait) == getattr(view.header, trait) == before


def test_other_images_are_refused_by_name(both):
    images = pictures()
    with pytest.raises(TypeError, match="`analysis_a` must be an Analysis"):
        srsm.CompareView("model", both[1])
    with pytest.raises(ValueError, match="same order"):
        srsm.CompareView(both[0], make({"x": (2, 2)}, 1, images.select(range(N - 1, -1, -1))))
    with pytest.raises(ValueError, match="in one of them only"):
        srsm.CompareView(both[0], make({"x": (2, 2)}, 1, images.select(range(5))))
    with pytest.raises(TypeError, match="`names` must be two strings"):
        srsm.CompareView(*both, names="before")
    few = make({"x": (2, 2)}, 1, images.select(range(3)))
    with pytest.raises(ValueError, match="integer >= 4"):
        srsm.CompareView(few, few)


def test_names_are_those_of_the_models(opened):
    images = pictures()
    a, b = make({"x": (2, 2)}, 1, images, name="tiny <b>"), make({"x": (2, 2)}, 2, images)
    view = opened(a, b)
    assert view.names == ("tiny <b>", "tokens")
    assert repr(view) == "CompareView('tiny <b>', 'tokens', 8 images)"


# -- long work, errors, the end ----------------------------------------------------------------------------------


def test_a_long_comparison_waits_for_start(opened, both):
    view = opened(*both, patience=1e-9)
    wait_for(lambda: view.header._status["state"] == "waiting")
    assert f"{5 * (96 + N * (N - 1) // 2)} pairs to match" in view.header._status["text"]
    assert view.comparison is None
    assert view.picture() is None
    view.start()
    assert view.wait(DEADLINE)
    assert view.comparison is not None


def test_cancel_and_resume(opened):
    entered, go = threading.Event(), threading.Event()

    def slow(x, y):
        entered.set()
        go.wait(DEADLINE)
        return srsm.Exact()(x, y)

    images = pictures()
    view = opened(make({"x": (2, 2)}, 1, images, matcher=slow), make({"x": (2, 2)}, 2, images))
    assert entered.wait(DEADLINE)
    ask(view.header, kind="cancel")
    go.set()
    assert view.wait(DEADLINE)
    assert view.header._status["state"] == "cancelled"
    view.resume()
    assert view.wait(DEADLINE)
    assert view.comparison is not None


def test_an_error_in_the_worker_is_shown(opened):
    def broken(x, y):
        raise RuntimeError("no partner to be had")

    images = pictures()
    view = opened(make({"x": (2, 2)}, 1, images, matcher=broken), make({"x": (2, 2)}, 2, images))
    assert view.wait(DEADLINE)
    assert view.header._status["state"] == "error"
    assert "no partner to be had" in view.header._status["text"]
    assert "Traceback" in view.last_error


def test_an_error_while_a_cell_opens_is_shown(view, monkeypatch):
    from semrsm_widgets.views.compare import view as module

    def broken(*args, **kwargs):
        raise RuntimeError("no room")

    monkeypatch.setattr(module, "PairView", broken)
    view.cell = ("a1", "b1")
    assert view.wait(DEADLINE)
    assert "no room" in view.last_error


def test_closing_ends_every_thread(opened, both):
    view = opened(*both, cell=("a1", "b1"))
    assert view.wait(DEADLINE)
    threads = [part.worker._thread for part in view.views]
    assert len(threads) == 3
    view.close()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_closing_leaves_no_widget_behind(opened, both):
    before = set(_instances)
    view = opened(*both, cell=("a1", "b1"))
    assert view.wait(DEADLINE)
    assert set(_instances) > before
    view.close()
    assert set(_instances) == before


def test_private_names_are_not_in_the_state_that_is_saved(opened, both):
    view = opened(*both, cell=("a1", "b1"), save_images=False)
    assert view.wait(DEADLINE)
    for part in view.views:
        assert part.get_state()["_images"][0] == {"id": "image 1", "labels": []}
    sent = Sent(view.header)
    ask(view.header, kind="ready")
    assert view.wait(DEADLINE)
    assert sent.of("private")[0][0]["state"]["_images"][0]["id"] == view.analysis_a.images.ids[0]
    assert view._repr_mimebundle_()[0]["text/plain"] == "CompareView()"
    view.save_images = True
    for part in view.views:
        assert part.get_state()["_images"][0]["id"] == view.analysis_a.images.ids[0]


def test_without_a_browser_it_is_a_picture(view):
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"] == repr(view)
    assert data["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in data
    view.save_images = False
    assert "image/png" not in view._repr_mimebundle_()[0]


def test_the_picture_paints_the_cells_in_their_colours(view):
    picture = view.picture()
    colours = {colour for _, colour in picture.getcolors(2**24)}
    rgb = lambda text: Image.new("RGB", (1, 1), text).getpixel((0, 0))  # noqa: E731
    for value in view.comparison.table().ravel():
        assert rgb(cell_colour(float(value), PALETTES["map"])) in colours
    assert cell_colour(-1.0, PALETTES["map"]) == NEGATIVE
    assert len({cell_colour(value, PALETTES["map"]) for value in (-0.5, -0.01, 0.0, 0.01)}) == 4
    assert cell_colour(1.0, PALETTES["map"]) == PALETTES["map"][-1]


def test_a_figure_for_a_paper_says_what_it_shows(view, tmp_path):
    text = lambda path: " ".join(ElementTree.parse(path).getroot().itertext())  # noqa: E731
    words = text(view.save_figure(tmp_path / "map.svg", width_mm=120))
    for value in view.comparison.table().ravel():
        assert f"{value:.2f}".replace("-", "\N{MINUS SIGN}") in words
    assert "95 % intervals leave out one at a time" in words.replace("\n", " ")
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    words = text(view.save_figure(tmp_path / "cell.svg"))
    assert "A a1" in words
    assert "half the mean squared difference" in words
    assert view.save_figure(tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG")
    view.save_figure(tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "cell.svg").read_bytes()
