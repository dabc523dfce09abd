"""TransformLab without a browser: what a setting does to the similarities, what may be set, what goes wrong."""

from __future__ import annotations

import threading
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.images.warp import Warp
from semrsm_widgets.views.transform_lab.pictures import SHORT_SIDE, reduced
from semrsm_widgets.views.transform_lab.view import TransformLab

DEADLINE = 60.0
SIDE, GRID = 64, 8


def transform(picture):
    return torch.from_numpy(np.asarray(picture.resize((SIDE, SIDE)), dtype=np.float32) / 255).permute(2, 0, 1)


def make_model():
    """Return a model whose tokens see their own 8 x 8 pixels alone, so that moved patches have moved tokens."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 8, stride=8), torch.nn.Tanh(), torch.nn.Conv2d(12, 6, 1))
    return srsm.VisionModel(module, transform, name="tiny")


def noise(seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def opened():
    labs = []

    def lab(model=None, image=None, **kwargs):
        # On a busy machine the sampled cost of anything may be long, and the lab would wait for Start.
        options = {"patience": 1e9, **kwargs}
        labs.append(srsm.TransformLab(model or make_model(), noise() if image is None else image, **options))
        return labs[-1]

    yield lab
    for each in labs:
        each.close()


@pytest.fixture
def lab(opened):
    lab = opened(layer="2")
    assert lab.wait(DEADLINE)
    assert lab.last_error == ""
    return lab


class Sent(list):
    def __init__(self, view):
        super().__init__()
        view.send = lambda content, buffers=None: self.append((content, list(buffers or [])))

    def of(self, kind):
        return [(content, buffers) for content, buffers in self if content["kind"] == kind]


def ask(view, **content):
    view._handle_custom_msg(content, [])


def numbers(lab):
    """Return aligned, semantic, pooled and the permutation on screen."""
    assert lab.wait(DEADLINE)
    assert lab.last_error == ""
    sent = Sent(lab)
    ask(lab, kind="ready")
    assert lab.wait(DEADLINE)
    content, buffers = sent.of("matches")[-1]
    return content["aligned"], content["semantic"], content["pooled"], np.frombuffer(buffers[0], np.int32)


def test_a_picture_is_like_itself(lab):
    aligned, semantic, pooled, permutation = numbers(lab)
    assert (aligned, semantic, pooled) == pytest.approx((1, 1, 1), abs=1e-6)
    np.testing.assert_array_equal(permutation, np.arange(GRID**2))


def test_shuffled_tiles_are_found_again(lab):
    lab.seed = 7
    lab.tiles = 4
    aligned, semantic, pooled, permutation = numbers(lab)
    assert aligned < 0.9
    assert (semantic, pooled) == pytest.approx((1, 1), abs=1e-5)
    place = permutation.reshape(GRID, GRID)[::2, ::2].ravel()  # where the tiles' first patches went
    row, column = place // GRID // 2, place % GRID // 2
    order = Warp(tiles=4, seed=7).order()
    np.testing.assert_array_equal(order[row * 4 + column], np.arange(16))


def test_a_shift_that_wraps_around_costs_the_aligned_similarity_alone(lab):
    lab.border = "wrapped around"
    lab.shift = (0.25, -0.125)
    aligned, semantic, _, permutation = numbers(lab)
    assert aligned < 0.9
    assert semantic == pytest.approx(1, abs=1e-5)
    expected = np.roll(
        np.arange(GRID**2).reshape(GRID, GRID), (1, -2), (0, 1)
    ).ravel()  # patch (r, c) is at (r - 1, c + 2)
    np.testing.assert_array_equal(permutation, expected)


def test_what_is_new_in_the_picture_costs_the_semantic_one_too(lab):
    lab.shift = (0.5, 0.0)
    _, mirrored, _, _ = numbers(lab)
    lab.border = "mean colour"
    _, flat, _, _ = numbers(lab)
    assert flat < mirrored < 0.999
    assert len(lab.visits) == 3


def test_the_numbers_are_those_of_the_core(lab):
    lab.zoom = 1.5
    lab.flip = True
    found = numbers(lab)
    model, picture = lab.model, Image.fromarray(noise())
    pair = srsm.load_images([picture, Warp(zoom=1.5, flip=True)(picture, (0, 0, SIDE, SIDE))])
    analysis = srsm.Analysis(pair, srsm.extract(model, pair), matcher=srsm.Exact())
    matches = analysis.matches("2", 0, 1)
    assert found[:3] == pytest.approx((matches.aligned, matches.semantic, matches.pooled), abs=1e-5)
    assert lab.analysis.matches("2", 0, 1).semantic == pytest.approx(matches.semantic, abs=1e-5)


def test_a_page_gets_the_pictures_first_and_the_level_of_unrelated_tokens_last(monkeypatch, opened):
    frames = []
    monkeypatch.setattr(TransformLab, "send", lambda self, content, buffers=None: frames.append((content, buffers)))
    lab = opened(shift=(0.25, 0))
    assert lab.wait(DEADLINE)
    assert [content["kind"] for content, _ in frames] == ["pictures", "matches", "matches"]
    assert all(bytes(picture).startswith(b"\xff\xd8") for picture in frames[0][1])
    assert frames[1][0]["null"] is None
    level = frames[2][0]["null"]
    assert level["mean"] == pytest.approx(lab._reference.null(lab.layer).mean)
    assert len(lab._reference) == 9  # one picture is too few to be unrelated to: the bundled ones join it
    frames.clear()
    lab.shift = (0.0, 0.25)
    assert lab.wait(DEADLINE)
    assert [content["kind"] for content, _ in frames] == ["pictures", "matches"]
    assert frames[1][0]["null"] == level  # a property of the layer, not of the shift


def test_the_newest_setting_wins(lab):
    for step in range(1, 8):
        lab.shift = (step / 16, 0.0)
    assert lab.wait(DEADLINE)
    assert lab.analysis is not None
    assert lab._warped == (0, Warp(shift=(7 / 16, 0.0)))
    assert len(lab.visits) < 8  # those in between were skipped


def test_the_trace_holds_what_differs_by_the_shift_alone(lab):
    for setting in ({"shift": (0.25, 0.0)}, {"shift": (0.0, 0.125)}, {"flip": True}, {"flip": False}):
        for name, value in setting.items():
            setattr(lab, name, value)
        assert lab.wait(DEADLINE)
    assert [visit.warp.shift for visit in lab.trace()] == [(0.0, 0.0), (0.0, 0.125), (0.25, 0.0)]
    assert lab.trace()[0].aligned > lab.trace()[1].aligned
    assert {visit.layer for visit in lab.trace()} == {"2"}
    sent = Sent(lab)
    ask(lab, kind="ready")
    assert lab.wait(DEADLINE)
    content, buffers = sent.of("matches")[-1]
    assert content["arrays"][1] == ["distance", "Float32Array", [3]]
    assert np.frombuffer(buffers[1], np.float32).tolist() == [0.0, 0.125, 0.25]
    lab.layer = "0"
    assert lab.wait(DEADLINE)
    assert len(lab.trace()) == 1


@pytest.mark.parametrize(
    ("trait", "value", "text"),
    [
        ("shift", (0.7, 0.0), "`shift` must be a finite number"),
        ("zoom", 4.0, r"`zoom` must be .*>= 0.5 and <= 3"),
        ("tiles", 9, "`tiles` must be an integer from 1 to 8"),
        ("seed", -1, "`seed` must be an integer >= 0"),
        ("border", "black", "`border` must be one of 'mirrored', 'mean colour', 'wrapped around'"),
        ("index", 1, "0 to 0"),
        ("layer", "nowhere", "`layer` must be one of '0', '2'; got 'nowhere'"),
    ],
)
def test_a_wrong_trait_raises_and_keeps_the_old_value(lab, trait, value, text):
    before = getattr(lab, trait)
    with pytest.raises(traitlets.TraitError, match=text):
        setattr(lab, trait, value)
    assert getattr(lab, trait) == before


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"model": torch.nn.Identity()}, TypeError, "VisionModel"),
        ({"image": "no/such/picture.jpg"}, ValueError, "exists"),
        ({"max_grid": 0}, ValueError, "max_grid"),
        ({"tiles": 12}, traitlets.TraitError, "tiles"),
        ({"patience": 0}, ValueError, "patience"),
        ({"size": 3}, TypeError, "size"),
    ],
)
def test_what_cannot_be_right_raises_at_once(arguments, error, text):
    with pytest.raises(error, match=text):
        srsm.TransformLab(**{"model": make_model(), "image": noise(), **arguments})


def test_a_layer_that_is_not_there_is_said(opened):
    lab = opened(layer="11")
    assert lab.wait(DEADLINE)
    assert lab.layer in lab.analysis.layers
    assert "There is no layer '11': showing" in lab._status["text"]
    assert lab._status["state"] == "ready"


def test_several_pictures_can_be_chosen_from(opened, tmp_path):
    for k in range(2):
        Image.fromarray(noise(k, side=80)).save(tmp_path / f"{k}.png")
    lab = opened(image=tmp_path, index=1)
    assert lab.wait(DEADLINE)
    assert (lab.last_error, [row["id"] for row in lab._images]) == ("", ["0.png", "1.png"])
    assert lab.analysis.images.ids == ("1.png", "1.png, moved")
    lab.index = 0
    assert lab.wait(DEADLINE)
    assert lab.analysis.images.ids[0] == "0.png"
    alone = opened(image=str(tmp_path / "1.png"))
    assert [row["id"] for row in alone._images] == ["1.png"]


def test_large_pictures_are_reduced():
    images = reduced(srsm.load_images([noise(side=900)[:, :700]]))
    assert images.size(0) == (SHORT_SIDE, 823)


def test_an_error_in_the_model_is_shown_and_does_not_last(opened):
    broken = threading.Event()

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = make_model().module

        def forward(self, x):
            if broken.is_set():
                raise RuntimeError("out of order")
            return self.body(x)

    lab = opened(srsm.VisionModel(Module(), transform, name="fragile"))
    assert lab.wait(DEADLINE)
    broken.set()
    lab.flip = True
    assert lab.wait(DEADLINE)
    assert lab._status["state"] == "error"
    assert "out of order" in lab._status["text"]
    assert "Traceback" in lab.last_error
    broken.clear()
    lab.flip = False
    assert lab.wait(DEADLINE)
    assert lab._status["state"] == "ready"


def test_the_level_of_unrelated_tokens_waits_for_start_where_it_is_long(opened):
    lab = opened(patience=1e-9)
    end = time.monotonic() + DEADLINE
    while lab._status["state"] != "waiting" and time.monotonic() < end:
        time.sleep(0.01)
    assert "level of unrelated tokens" in lab._status["text"]
    assert lab.analysis is not None  # the numbers do not wait
    lab.start()
    assert lab.wait(DEADLINE)
    assert lab._reference.has_null(lab.layer)


def test_without_a_browser_it_is_a_picture(lab):
    data, _ = lab._repr_mimebundle_()
    assert data["text/plain"] == repr(lab)
    assert data["image/png"].startswith("iVBOR")
    lab.save_images = False
    assert "image/png" not in lab._repr_mimebundle_()[0]


def test_private_names_are_not_in_the_state_that_is_saved(opened, tmp_path):
    Image.fromarray(noise()).save(tmp_path / "Jane Doe.png")
    lab = opened(image=tmp_path / "Jane Doe.png", save_images=False)
    assert lab.wait(DEADLINE)
    assert "Jane" not in str(lab.get_state())
    sent = Sent(lab)
    ask(lab, kind="ready")
    assert lab.wait(DEADLINE)
    assert sent.of("private")[0][0]["state"]["_images"][0]["id"] == "Jane Doe.png"
    assert lab._repr_mimebundle_()[0]["text/plain"] == "TransformLab()"


def test_closing_ends_the_thread(lab):
    thread = lab.worker._thread
    lab.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_figure_for_a_paper_says_what_it_shows(lab, tmp_path):
    lab.shift = (0.25, 0.0)
    assert lab.wait(DEADLINE)
    path = lab.save_figure(tmp_path / "lab.svg")
    words = " ".join(ElementTree.parse(path).getroot().itertext())
    matches = lab.analysis.matches(lab.layer, 0, 1)
    for name in ("aligned", "semantic", "pooled"):
        assert f"{getattr(matches, name):.2f}" in words
    assert "shifted by 0.25 right" in words
    assert "beyond the edge mirrored" in words
    assert "Unrelated tokens" in words
