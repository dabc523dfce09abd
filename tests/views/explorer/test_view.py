"""The explorer without a browser: it is there at once, guards the cost, links its views, and shows what goes wrong."""

from __future__ import annotations

import warnings

import pytest
import traitlets
from helpers.analyses import make_analysis, make_images, noise
from helpers.views import (
    DEADLINE,
    ask,
    finished,
    have_ended,
    header,
    held,
    settled,
    shown,
    state,
    wait_for,
    worker_threads,
)
from huggingface_hub import constants
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.views.explorer.view import Explorer


def test_it_shows_what_the_core_computes(explore, model):
    explorer = settled(explore(model, [(noise(k), f"kind {k % 2}") for k in range(6)]))
    analysis = explorer.analysis
    assert len(analysis) == 6
    assert explorer.layer in analysis.layers
    assert explorer.rsm_view.layer == explorer.pair_view.layer == explorer.layer
    assert all(analysis.has(layer) for layer in analysis.layers)
    assert explorer.pair_view.analysis is analysis
    assert explorer.status.state == "ready"


def test_everything_on_screen_is_linked_both_ways(explore, model):
    explorer = explore(model, make_images(5), pair=(1, 2))
    assert explorer.wait(DEADLINE)
    first, last = explorer.analysis.layers[0], explorer.analysis.layers[-1]
    explorer.layer = first
    assert explorer.rsm_view.layer == explorer.pair_view.layer == first
    explorer.rsm_view.layer = last
    assert explorer.layer == explorer.pair_view.layer == last
    explorer.rsm_view.pair = (3, 4)  # a click
    assert explorer.pair == explorer.pair_view.pair == (3, 4)
    explorer.kernel = "RBF"
    assert explorer.rsm_view.kernel == "RBF"
    for name, value in (("layer", "nowhere"), ("kernel", "linear"), ("pair", (0, 5)), ("top_k", 99)):
        before = getattr(explorer, name)
        with pytest.raises(traitlets.TraitError, match=name):
            setattr(explorer, name, value)
        assert getattr(explorer, name) == before


def test_many_images_are_reduced_evenly_and_it_says_so(explore, model):
    explorer = explore(model, make_images(30, labels=3), max_images=6, max_grid=4)
    assert explorer.wait(DEADLINE)
    labels = [next(iter(each)) for each in explorer.analysis.images.labels]
    assert sorted(labels) == sorted([f"kind {k}" for k in range(3)] * 2)
    notices = " ".join(header(explorer).notices)
    assert "6 of 30 images" in notices
    assert "max_images=None" in notices
    assert "max_grid=None" in notices
    assert all(max(tokens.grid) <= 4 for tokens in explorer.analysis.tokens.values())


def test_nothing_is_reduced_when_told_so(explore, model):
    explorer = explore(model, make_images(8), max_images=None, max_grid=None)
    assert explorer.wait(DEADLINE)
    assert len(explorer.analysis) == 8
    assert header(explorer).notices == []
    assert all(tokens.grid == tokens.native_grid for tokens in explorer.analysis.tokens.values())


def test_a_slow_model_waits_for_start(explore, model):
    explorer = explore(model, make_images(6), batch_size=2, patience=1e-6)
    wait_for(lambda: explorer.status.state == "waiting")
    assert "images" in explorer.status.text
    assert explorer.analysis is None
    assert explorer.pair_view is not None  # the pair on screen does not wait
    assert finished(explorer)
    assert explorer.last_error == ""
    assert all(explorer.analysis.has(layer) for layer in explorer.analysis.layers)


def test_cancel_while_loading_and_resume(explore, model):
    explorer = explore(model, make_images(6), batch_size=2, patience=1e-6)
    wait_for(lambda: explorer.status.state == "waiting")
    explorer.cancel()
    assert explorer.wait(DEADLINE)
    assert explorer.status.state == "cancelled"
    explorer.resume()
    wait_for(lambda: explorer.status.state == "waiting")
    assert finished(explorer)
    assert explorer.analysis is not None


def test_a_start_for_the_model_is_none_for_the_matching(explore, model):
    explorer = explore(model, make_images(6), batch_size=2, patience=1e-6)
    wait_for(lambda: "model needs" in explorer.status.text)
    explorer.start()
    wait_for(lambda: "pairs to match" in explorer.status.text)
    assert not any(explorer.analysis.has(layer) for layer in explorer.analysis.layers)
    assert not any(explorer.analysis.has_null(layer) for layer in explorer.analysis.layers)


def test_an_analysis_is_shown_as_it_is(explore, model):
    images = make_images(4)
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
    explorer = explore(analysis, kernel="inner product")
    assert explorer.wait(DEADLINE)
    assert explorer.analysis is analysis
    assert explorer.rsm_view.kernel == "inner product"
    data = shown(explorer)
    assert "image/png" in data
    assert repr(explorer) == data["text/plain"] == "Explorer(Analysis(tiny, 4 images, 2 layers, Auction(gap=0.0001)))"
    explorer.save_images = False
    assert "image/png" not in shown(explorer)


def test_an_error_in_the_background_is_on_screen_with_its_traceback(explore, model):
    explorer = explore(model, make_images(4), layers="nowhere")
    assert explorer.wait(DEADLINE)
    assert explorer.status.state == "error"
    assert "nowhere" in explorer.status.text
    assert "Traceback" in explorer.last_error
    assert explorer.analysis is None


def test_one_image_is_too_few(explore, model, tmp_path):
    with pytest.raises(ValueError, match="`images` must be at least two images: an RSM compares them; got 1"):
        explore(model, make_images(1))
    Image.new("RGB", (32, 32)).save(tmp_path / "only.png")
    explorer = explore(model, tmp_path)  # how many a folder holds is seen later
    assert explorer.wait(DEADLINE)
    assert "at least two images" in explorer.status.text


def test_a_hub_model_without_network_says_what_to_do(explore, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # read from the environment at import, once
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explorer = explore("resnet18", make_images(3))
        assert explorer.wait(DEADLINE)
    assert explorer.status.state == "error"
    assert "pretrained=False" in explorer.status.text


def test_what_is_wished_while_loading_and_cannot_be_is_said(explore, model):
    explorer = explore(model, make_images(5), layer="11", pair=(0, 40))
    assert explorer.wait(DEADLINE)
    assert (explorer.last_error, explorer.status.state) == ("", "ready")
    notices = " ".join(header(explorer).notices)
    assert "There is no layer '11': showing" in notices
    assert "Known: '0', '2'" in notices
    assert "There is no pair (0, 40) among 5 images" in notices
    assert explorer.pair == explorer.pair_view.pair == explorer.rsm_view.pair == (0, 1)
    assert explorer.layer == explorer.pair_view.layer == explorer.rsm_view.layer != "11"


def analysis_of(model, n):
    images = make_images(n)
    return srsm.Analysis(images, srsm.extract(model, images), model=model)


def test_a_pair_and_a_layer_may_be_set_while_loading(model):
    make, entered, go = held(analysis_of(model, 5))
    explorer = Explorer(make)
    assert entered.wait(DEADLINE)
    explorer.pair = (2, 4)
    explorer.layer = "0"
    with pytest.raises(traitlets.TraitError, match="0 or more"):
        explorer.pair = (-1, 0)
    go.set()
    assert explorer.wait(DEADLINE)
    assert explorer.last_error == ""
    assert explorer.pair == explorer.pair_view.pair == explorer.rsm_view.pair == (2, 4)
    assert explorer.layer == explorer.pair_view.layer == explorer.rsm_view.layer == "0"
    explorer.close()


def test_closing_while_loading_leaves_no_view(model):
    make, entered, go = held(analysis_of(model, 3))
    before = worker_threads()
    explorer = Explorer(make)
    assert entered.wait(DEADLINE)
    explorer.close()
    go.set()
    assert have_ended(worker_threads() - before)
    assert explorer.rsm_view is explorer.pair_view is None
    assert explorer.last_error == ""


def test_unreadable_files_are_named_or_left_out(explore, model, tmp_path):
    for k in range(3):
        Image.fromarray(noise(k)).save(tmp_path / f"{k}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    explorer = explore(model, str(tmp_path))
    assert explorer.wait(DEADLINE)
    assert "broken.png" in explorer.status.text
    assert "skip_unreadable=True" in explorer.status.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it names the file
        explorer = explore(model, str(tmp_path), skip_unreadable=True)
        assert explorer.wait(DEADLINE)
    assert explorer.last_error == ""
    assert len(explorer.analysis) == 3
    assert header(explorer).notices[0] == "1 of 4 left out, unreadable: broken.png."


def test_closing_ends_every_thread(model):
    before = worker_threads()
    explorer = srsm.explore(model, make_images(4))
    assert explorer.wait(DEADLINE)
    threads = worker_threads() - before
    assert len(threads) == len(explorer.views) == 4
    explorer.close()
    assert have_ended(threads)


def test_an_explorer_that_is_loading_says_so(tmp_path):
    make, _, go = held(make_analysis())
    explorer = Explorer(make)
    with pytest.raises(ValueError, match=r"Call explorer\.wait\(\)"):
        explorer.save_figure(tmp_path / "f.svg")
    go.set()
    assert explorer.wait(DEADLINE)
    explorer.save_figure(tmp_path / "f.svg")
    explorer.close()


def test_a_selection_is_shared_and_opens_as_an_explorer_of_its_own(explore, closing):
    explorer = explore(make_analysis(6, layers="ab"), layer="a", pair=(0, 1))
    assert explorer.wait(DEADLINE)
    explorer.rsm_view.selection = [4, 2]  # a block of a heatmap
    assert list(explorer.selection) == [explorer.analysis.images.ids[k] for k in (4, 2)]
    assert explorer.retrieval_view.selection == explorer.selection
    explorer.retrieval_view.selection = [5, 0, 3]  # the answers of a row
    assert explorer.rsm_view.selection == explorer.selection
    with pytest.raises(traitlets.TraitError, match="Did you mean"):
        explorer.selection = [explorer.analysis.images.ids[1] + "x"]
    assert explorer.selection.indices == (5, 0, 3)
    assert "explorer.rsm_view.selection = " in explorer.to_code()

    part = settled(closing(explorer.open_selection()))
    assert part.analysis.images.ids == explorer.selection.ids
    assert part.layer == "a"
    part.selection = [1]
    explorer.selection = part.selection  # by its ids
    assert explorer.selection.indices == (0,)
    with pytest.raises(ValueError, match="at least two"):
        explorer.open_selection()


def test_before_there_are_images_none_can_be_selected(explore, closing):
    make, _, go = held(make_analysis(2))
    explorer = closing(Explorer(make))
    assert len(explorer.selection) == 0
    with pytest.raises(traitlets.TraitError, match="wait"):
        explorer.selection = [0]
    go.set()


def test_the_selected_images_open_below_and_close(explore):
    explorer = settled(explore(make_analysis()))
    rsm = explorer.rsm_view
    explorer.selection = [0, 2, 3]
    ask(rsm, kind="below")
    below = settled(explorer.below)
    assert below.analysis.images.ids == explorer.selection.ids
    assert state(explorer)["_places"][-1]["view"] == f"anywidget:{below.model_id}"
    ask(rsm, kind="below")
    assert explorer.below is None
    assert below.comm is None
    assert [place["name"] for place in state(explorer)["_places"]] == ["header", "heatmaps", "pair", "retrieval"]

    explorer.selection = [1]
    ask(rsm, kind="below")
    assert "at least two images" in rsm.last_error


def test_a_picture_from_outside_opens_with_an_answer(explore, model):
    explorer = settled(explore(model, make_images(5)))
    retrieval = explorer.retrieval_view
    retrieval.search(explorer.analysis.images.image(3))
    settled(explorer)
    ask(retrieval, kind="outside pair", index=3)
    pair = settled(explorer).outside_view
    assert pair.analysis.images.ids[1] == explorer.analysis.images.ids[3]
    # it is the same picture: the best matching finds every patch where it is, at every layer
    for layer in explorer.analysis.layers:
        explorer.layer = layer
        settled(explorer)
        assert pair.layer == layer
        assert pair.analysis.matches(layer, 0, 1).semantic == pytest.approx(1, abs=1e-4)
    ask(retrieval, kind="outside pair", index=1)
    assert pair.comm is None
    assert [place["name"] for place in state(explorer)["_places"]][-1] == "outside"
    retrieval.query = 0
    assert explorer.outside_view is None


def test_a_page_may_recall_how_a_person_wants_the_views_to_stand_until_python_says(explore):
    explorer = explore(make_analysis())
    assert explorer.header.recalls
    assert explorer._arranged == "srsm-one-screen srsm-tab-heatmaps"
    explorer.arrangement = "one screen"  # what it is: that is said, too
    assert not explorer.header.recalls
    explorer.arrangement = "tabs"
    explorer.part = "pair"
    assert explorer._arranged == "srsm-tabs srsm-tab-pair"


def test_one_layer_is_no_layers(explore):
    explorer = settled(explore(make_analysis(layers="a")))
    assert explorer.header.title[1] == f"{len(explorer.analysis)} images · 1 layer"
