"""CompareView without a browser: linked pairs, what may be set, long work, errors and the end."""

from __future__ import annotations

import threading

import pytest
import torch
import traitlets
from helpers.analyses import N, make_analysis, make_images
from helpers.tiny_models import scaled
from helpers.views import (
    DEADLINE,
    ask,
    have_ended,
    header,
    opened_page,
    settled,
    shown,
    state,
    worker_threads,
)
from ipywidgets.widgets.widget import _instances

import semrsm_widgets as srsm


def test_the_pair_views_show_the_cell_and_are_linked(view):
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    first, second = view.pair_views
    assert (first.layer, second.layer) == ("a1", "b2")
    assert first.analysis is view.analysis_a
    assert second.analysis is view.analysis_b
    places = state(view)["_places"][1:]
    assert [place["view"] for place in places] == [f"anywidget:{each.model_id}" for each in (first, second)]
    names = [
        f"In model {letter} · {name} · {layer}" for letter, name, layer in zip("AB", view.names, view.cell, strict=True)
    ]
    assert [place["title"] for place in places] == names
    header(view).pair = (2, 5)  # as a click in a heatmap sets it
    assert view.pair == first.pair == second.pair == (2, 5)
    second.pair = (1, 3)
    assert view.pair == first.pair == (1, 3)
    first.top_k = 7
    assert second.top_k == 7
    view.cell = ("a2", "b1")
    assert (first.layer, second.layer) == ("a2", "b1")
    assert view.pair_views == (first, second)
    view.cell = None
    assert [place["name"] for place in state(view)["_places"]] == ["header"]


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
    assert view.status.state == "ready"


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
    assert getattr(view, trait) == getattr(header(view), trait) == before


def test_other_images_are_refused_by_name(both):
    images = make_images()
    with pytest.raises(TypeError, match="`analysis_a` must be an Analysis"):
        srsm.CompareView("model", both[1])
    with pytest.raises(ValueError, match="same order"):
        srsm.CompareView(both[0], make_analysis(images=images.select(range(N - 1, -1, -1))))
    with pytest.raises(ValueError, match="in one of them only"):
        srsm.CompareView(both[0], make_analysis(images=images.select(range(5))))
    with pytest.raises(TypeError, match="`names` must be two strings"):
        srsm.CompareView(*both, names="before")
    few = make_analysis(images=images.select(range(3)))
    with pytest.raises(ValueError, match="at least 4 images"):
        srsm.CompareView(few, few)


def test_names_are_those_of_the_models(open_compare):
    images = make_images()
    a, b = (
        make_analysis(
            images=images,
            layers={"x": (2, 2)},
            seed=1,
            model=srsm.VisionModel(torch.nn.Identity(), scaled, name="tiny <b>"),
        ),
        make_analysis(images=images, layers={"x": (2, 2)}, seed=2),
    )
    view = open_compare(a, b)
    assert view.names == ("tiny <b>", "tokens")
    assert repr(view) == "CompareView('tiny <b>', 'tokens', 8 images)"


def test_cancel_and_resume(open_compare):
    entered, go = threading.Event(), threading.Event()

    def slow(x, y):
        entered.set()
        go.wait(DEADLINE)
        return srsm.Exact()(x, y)

    images = make_images()
    view = open_compare(
        make_analysis(images=images, layers={"x": (2, 2)}, seed=1, matcher=slow),
        make_analysis(images=images, layers={"x": (2, 2)}, seed=2),
    )
    assert entered.wait(DEADLINE)
    ask(header(view), kind="cancel")
    go.set()
    assert view.wait(DEADLINE)
    assert view.status.state == "cancelled"
    view.resume()
    assert view.wait(DEADLINE)
    assert view.comparison is not None


def test_an_error_in_the_worker_is_shown(open_compare):
    def broken(x, y):
        raise RuntimeError("no partner to be had")

    images = make_images()
    view = open_compare(
        make_analysis(images=images, layers={"x": (2, 2)}, seed=1, matcher=broken),
        make_analysis(images=images, layers={"x": (2, 2)}, seed=2),
    )
    assert view.wait(DEADLINE)
    assert view.status.state == "error"
    assert "no partner to be had" in view.status.text
    assert "Traceback" in view.last_error


def test_it_opens_with_a_cell_two_thirds_into_both_models(open_compare, both):
    view = settled(open_compare(*both))
    assert view.cell == ("a1", "b1")
    assert [each.layer for each in view.pair_views] == ["a1", "b1"]
    assert state(header(view))["cell"] == ("a1", "b1")


def test_an_error_while_a_cell_opens_is_shown(open_compare, both, monkeypatch):
    from semrsm_widgets.views.compare import view as module

    def broken(*args, **kwargs):
        raise RuntimeError("no room")

    monkeypatch.setattr(module, "PairView", broken)
    view = open_compare(*both)
    assert view.wait(DEADLINE)
    assert "no room" in view.last_error


def test_closing_ends_every_thread(open_compare, both):
    before = worker_threads()
    view = open_compare(*both, cell=("a1", "b1"))
    assert view.wait(DEADLINE)
    threads = worker_threads() - before
    assert len(threads) == len(view.views) == 3
    view.close()
    assert have_ended(threads)


def test_closing_leaves_no_widget_behind(open_compare, both):
    before = set(_instances)
    view = open_compare(*both, cell=("a1", "b1"))
    assert view.wait(DEADLINE)
    assert set(_instances) > before
    view.close()
    assert set(_instances) == before


def test_private_names_are_not_in_the_state_that_is_saved(open_compare, both):
    view = open_compare(*both, cell=("a1", "b1"), save_images=False)
    assert view.wait(DEADLINE)
    for part in view.views:
        assert part.get_state()["_images"][0] == {"id": "image 1", "labels": []}
    sent = opened_page(header(view))
    assert sent.of("private")[0][0]["state"]["_images"][0]["id"] == view.analysis_a.images.ids[0]
    assert shown(view)["text/plain"] == "CompareView()"
    view.save_images = True
    for part in view.views:
        assert part.get_state()["_images"][0]["id"] == view.analysis_a.images.ids[0]


def test_without_a_browser_it_is_a_picture(view):
    view.cell = ("a1", "b2")
    assert view.wait(DEADLINE)
    data = shown(view)
    assert data["text/plain"] == repr(view)
    assert data["image/png"].startswith("iVBOR")
    assert "application/vnd.jupyter.widget-view+json" in data
    view.save_images = False
    assert "image/png" not in shown(view)
