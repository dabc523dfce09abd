"""explore() without a browser: it returns at once, guards the cost, and shows what goes wrong."""

from __future__ import annotations

import threading
import time
import warnings

import numpy as np
import pytest
import torch
import traitlets
from huggingface_hub import constants
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.views.base.cost import describe_seconds
from semrsm_widgets.views.explorer.view import Explorer

DEADLINE = 60.0


def transform(picture):
    return torch.from_numpy(np.asarray(picture.resize((64, 64)), dtype=np.float32) / 255).permute(2, 0, 1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3, stride=4, padding=1),
        torch.nn.ReLU(),
    )
    return srsm.VisionModel(module, transform, name="tiny")


def pictures(n, labels=3):
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 255, (50, 60, 3), dtype=np.uint8), f"label {k % labels}") for k in range(n)]


@pytest.fixture
def opened():
    explorers = []

    def explore(*args, **kwargs):
        explorers.append(srsm.explore(*args, **kwargs))
        return explorers[-1]

    yield explore
    for explorer in explorers:
        explorer.close()


def wait_for(condition):
    end = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def status(explorer):
    return explorer.header._status


def start_each(explorer):
    """Press Start whenever something waits for it, until nothing does."""
    end = time.monotonic() + DEADLINE
    while not explorer.wait(0.02) and time.monotonic() < end:
        if any(view is not None and view._status["state"] == "waiting" for view in views(explorer)):
            explorer.start()
    assert explorer.wait(0)


def views(explorer):
    return explorer.views


def test_it_shows_what_the_core_computes(opened, model):
    explorer = opened(model, pictures(6))
    assert explorer.wait(DEADLINE), status(explorer)
    assert explorer.last_error == ""
    analysis = explorer.analysis
    assert len(analysis) == 6
    assert explorer.layer in analysis.layers
    assert explorer.rsm_view.layer == explorer.pair_view.layer == explorer.layer
    assert all(analysis.has(layer) for layer in analysis.layers)
    assert explorer.pair_view.analysis is analysis
    assert status(explorer)["state"] == "ready"


def test_everything_on_screen_is_linked_both_ways(opened, model):
    explorer = opened(model, pictures(5), pair=(1, 2))
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


def test_many_images_are_reduced_evenly_and_it_says_so(opened, model):
    explorer = opened(model, pictures(30), max_images=6, max_grid=4)
    assert explorer.wait(DEADLINE)
    labels = [next(iter(each)) for each in explorer.analysis.images.labels]
    assert sorted(labels) == sorted([f"label {k}" for k in range(3)] * 2)
    notices = " ".join(explorer.header.notices)
    assert "6 of 30 images" in notices
    assert "max_images=None" in notices
    assert "max_grid=None" in notices
    assert all(max(tokens.grid) <= 4 for tokens in explorer.analysis.tokens.values())


def test_nothing_is_reduced_when_told_so(opened, model):
    explorer = opened(model, pictures(8), max_images=None, max_grid=None)
    assert explorer.wait(DEADLINE)
    assert len(explorer.analysis) == 8
    assert explorer.header.notices == []
    assert all(tokens.grid == tokens.native_grid for tokens in explorer.analysis.tokens.values())


def test_a_slow_model_waits_for_start(opened, model):
    explorer = opened(model, pictures(6), batch_size=2, patience=1e-6)
    wait_for(lambda: status(explorer)["state"] == "waiting")
    assert "images" in status(explorer)["text"]
    assert explorer.analysis is None
    assert explorer.pair_view is not None  # the pair on screen does not wait
    start_each(explorer)
    assert explorer.last_error == ""
    assert all(explorer.analysis.has(layer) for layer in explorer.analysis.layers)


def test_cancel_while_loading_and_resume(opened, model):
    explorer = opened(model, pictures(6), batch_size=2, patience=1e-6)
    wait_for(lambda: status(explorer)["state"] == "waiting")
    explorer.cancel()
    assert explorer.wait(DEADLINE)
    assert status(explorer)["state"] == "cancelled"
    explorer.resume()
    wait_for(lambda: status(explorer)["state"] == "waiting")
    start_each(explorer)
    assert explorer.analysis is not None


def test_a_start_for_the_model_is_none_for_the_matching(opened, model):
    explorer = opened(model, pictures(6), batch_size=2, patience=1e-6)
    wait_for(lambda: "model needs" in status(explorer)["text"])
    explorer.start()
    wait_for(lambda: "pairs to match" in status(explorer)["text"])
    assert not any(explorer.analysis.has(layer) for layer in explorer.analysis.layers)
    assert not any(explorer.analysis.has_null(layer) for layer in explorer.analysis.layers)


def test_an_analysis_is_shown_as_it_is(opened, model):
    images = srsm.load_images(pictures(4))
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
    explorer = opened(analysis, kernel="inner product")
    assert explorer.wait(DEADLINE)
    assert explorer.analysis is analysis
    assert explorer.rsm_view.kernel == "inner product"
    data, _ = explorer._repr_mimebundle_()
    assert "image/png" in data
    assert repr(explorer) == data["text/plain"] == "Explorer(Analysis(tiny, 4 images, 2 layers, Auction(gap=0.0001)))"
    explorer.save_images = False
    assert "image/png" not in explorer._repr_mimebundle_()[0]


def test_an_error_in_the_background_is_on_screen_with_its_traceback(opened, model):
    explorer = opened(model, pictures(4), layers="nowhere")
    assert explorer.wait(DEADLINE)
    assert status(explorer)["state"] == "error"
    assert "nowhere" in status(explorer)["text"]
    assert "Traceback" in explorer.last_error
    assert explorer.analysis is None


def test_one_image_is_too_few(opened, model):
    explorer = opened(model, pictures(1))
    assert explorer.wait(DEADLINE)
    assert "at least two images" in status(explorer)["text"]


def test_a_hub_model_without_network_says_what_to_do(opened, monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # read from the environment at import, once
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explorer = opened("resnet18", pictures(3))
        assert explorer.wait(DEADLINE)
    assert status(explorer)["state"] == "error"
    assert "pretrained=False" in status(explorer)["text"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"model": torch.nn.Identity()}, TypeError, "VisionModel"),
        ({"images": "no/such/folder"}, ValueError, "exists"),
        ({"max_images": 1}, ValueError, "max_images"),
        ({"max_grid": 0}, ValueError, "max_grid"),
        ({"patience": 0}, ValueError, "patience"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"kernel": "cos"}, traitlets.TraitError, "kernel"),
        ({"top_k": 3}, TypeError, "top_k"),
    ],
)
def test_what_cannot_be_right_raises_at_once(arguments, error, text):
    with pytest.raises(error, match=text):
        srsm.explore(**arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", pictures(2)),
        ("skip_unreadable", True),
        ("layers", "0"),
        ("matcher", srsm.Exact()),
        ("max_images", None),
        ("max_grid", 8),
        ("batch_size", 4),
        ("device", "cpu"),
        ("seed", 1),
    ],
)
def test_what_makes_an_analysis_is_refused_beside_one(model, name, value):
    images = srsm.load_images(pictures(2))
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
    with pytest.raises(ValueError, match=f"`{name}` must be left out"):
        srsm.explore(analysis, **{name: value})


def test_an_analysis_of_one_image_is_refused(model):
    images = srsm.load_images(pictures(1))
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
    with pytest.raises(ValueError, match="at least 2 images"):
        srsm.explore(analysis)


def test_what_is_wished_while_loading_and_cannot_be_is_said(opened, model):
    explorer = opened(model, pictures(5), layer="11", pair=(0, 40))
    assert explorer.wait(DEADLINE)
    assert (explorer.last_error, status(explorer)["state"]) == ("", "ready")
    notices = " ".join(explorer.header.notices)
    assert "There is no layer '11': showing" in notices
    assert "Known: '0', '2'" in notices
    assert "There is no pair (0, 40) among 5 images" in notices
    assert explorer.pair == explorer.pair_view.pair == explorer.rsm_view.pair == (0, 1)
    assert explorer.layer == explorer.pair_view.layer == explorer.rsm_view.layer != "11"


def held(analysis):
    """Return a `make` that waits, what it waits for, and what says that it waits."""
    entered, go = threading.Event(), threading.Event()

    def make(job, explorer):
        entered.set()
        go.wait(DEADLINE)
        return analysis

    return make, entered, go


def analysis_of(model, n):
    images = srsm.load_images(pictures(n))
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
    explorer = Explorer(make)
    assert entered.wait(DEADLINE)
    explorer.close()
    go.set()
    thread = explorer.header.worker._thread
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert explorer.rsm_view is explorer.pair_view is None
    assert explorer.last_error == ""


def test_unreadable_files_are_named_or_left_out(opened, model, tmp_path):
    for k, (picture, _) in enumerate(pictures(3)):
        Image.fromarray(picture).save(tmp_path / f"{k}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    explorer = opened(model, str(tmp_path))
    assert explorer.wait(DEADLINE)
    assert "broken.png" in status(explorer)["text"]
    assert "skip_unreadable=True" in status(explorer)["text"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it names the file
        explorer = opened(model, str(tmp_path), skip_unreadable=True)
        assert explorer.wait(DEADLINE)
    assert explorer.last_error == ""
    assert len(explorer.analysis) == 3
    assert explorer.header.notices[0] == "1 of 4 left out, unreadable: broken.png."


def test_closing_ends_every_thread(model):
    explorer = srsm.explore(model, pictures(4))
    assert explorer.wait(DEADLINE)
    threads = [view.worker._thread for view in (explorer.header, explorer.rsm_view, explorer.pair_view)]
    explorer.close()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_are_said_as_a_person_would(seconds, words):
    assert describe_seconds(seconds) == words


def test_the_code_of_an_explorer_shows_the_same_again(opened, model, tmp_path):
    for k, (picture, _) in enumerate(pictures(7)):
        Image.fromarray(picture).save(tmp_path / f"{k} 'quoted'.png")
    explorer = opened(model, tmp_path, max_images=4, seed=3, layers=["1", "3"], matcher=srsm.Exact(), max_grid=5)
    make, _, go = held(explorer)
    loading = Explorer(make)
    with pytest.raises(RuntimeError, match="wait"):
        loading.to_code()
    loading.close()
    go.set()
    assert explorer.wait(DEADLINE)
    explorer.pair, explorer.layer, explorer.top_k = (1, 3), "3", 5
    explorer.rsm_view.baseline, explorer.rsm_view.order = "pooled", "cluster"
    assert explorer.wait(DEADLINE)
    code = explorer.to_code()
    assert "seed=3" in code
    names = {"model": model}
    exec(code, names)  # as a reader would run it
    again = names["explorer"]
    assert again.wait(DEADLINE), again.last_error
    assert again.analysis.images.ids == explorer.analysis.images.ids
    assert again.analysis.layers == explorer.analysis.layers == ("1", "3")
    assert repr(again.analysis.matcher) == "Exact()"
    for name in ("layer", "kernel", "pair", "top_k"):
        assert getattr(again, name) == getattr(explorer, name)
    assert (again.rsm_view.baseline, again.rsm_view._sequence) == ("pooled", explorer.rsm_view._sequence)
    names = {"model": model, "images": again.analysis.images}
    exec(again.to_code(), names)  # of Images that were given
    assert names["explorer"].wait(DEADLINE)
    assert names["explorer"].pair == (1, 3)
    names["explorer"].close()
    again.close()
    over = opened(explorer.analysis)
    assert over.wait(DEADLINE)
    names = {"analysis": explorer.analysis}
    exec(over.to_code(), names)
    assert names["explorer"].wait(DEADLINE)
    assert names["explorer"].analysis is explorer.analysis
    names["explorer"].close()
