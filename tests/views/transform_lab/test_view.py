"""TransformLab without a browser: what a setting does to the similarities, what may be set, what goes wrong."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
import traitlets
from helpers.analyses import noise
from helpers.tiny_models import PATCHES, SIDE, patch_model, scaled
from helpers.views import DEADLINE, Sent, have_ended, opened_page, settled, shown, wait_for, worker_threads
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.images.warp import Warp
from semrsm_widgets.views.transform_lab.pictures import photographs, reduced


def numbers(lab):
    """Return aligned, semantic, pooled and the permutation on screen."""
    content, buffers = opened_page(settled(lab)).of("matches")[-1]
    return content["aligned"], content["semantic"], content["pooled"], np.frombuffer(buffers[0], np.int32)


def test_a_picture_is_like_itself(lab):
    aligned, semantic, pooled, permutation = numbers(lab)
    assert (aligned, semantic, pooled) == pytest.approx((1, 1, 1), abs=1e-6)
    np.testing.assert_array_equal(permutation, np.arange(PATCHES**2))


def test_it_opens_three_patches_to_the_right_with_the_way_there(open_lab):
    lab = settled(open_lab(shift=None, layer="2"))
    assert lab.shift == (3 / PATCHES, 0.0)
    assert lab.warp == lab.visits[0].warp
    shifts = [visit.warp.shift[0] * PATCHES for visit in lab.trace()]
    assert shifts == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3])
    assert lab.trace()[0].aligned == pytest.approx(1, abs=1e-5)
    assert lab.trace()[-1].semantic == pytest.approx(numbers(lab)[1])
    moved = settled(open_lab(shift=None, tiles=4, layer="2"))
    assert moved.shift == (0.0, 0.0)
    assert len(moved.visits) == 1


def test_shuffled_tiles_are_found_again(lab):
    lab.seed = 7
    lab.tiles = 4
    aligned, semantic, pooled, permutation = numbers(lab)
    assert aligned < 0.9
    assert (semantic, pooled) == pytest.approx((1, 1), abs=1e-5)
    place = permutation.reshape(PATCHES, PATCHES)[::2, ::2].ravel()  # where the tiles' first patches went
    row, column = place // PATCHES // 2, place % PATCHES // 2
    order = Warp(tiles=4, seed=7).order()
    np.testing.assert_array_equal(order[row * 4 + column], np.arange(16))


def test_a_shift_that_wraps_around_costs_the_aligned_similarity_alone(lab):
    lab.border = "wrapped around"
    lab.shift = (0.25, -0.125)
    aligned, semantic, _, permutation = numbers(lab)
    assert aligned < 0.9
    assert semantic == pytest.approx(1, abs=1e-5)
    expected = np.roll(
        np.arange(PATCHES**2).reshape(PATCHES, PATCHES), (1, -2), (0, 1)
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
    model, picture = lab.model, Image.fromarray(noise(size=(SIDE, SIDE)))
    pair = srsm.load_images([picture, Warp(zoom=1.5, flip=True)(picture, (0, 0, SIDE, SIDE))])
    analysis = srsm.Analysis(pair, srsm.extract(model, pair), matcher=srsm.Exact())
    matches = analysis.matches("2", 0, 1)
    assert found[:3] == pytest.approx((matches.aligned, matches.semantic, matches.pooled), abs=1e-5)
    assert lab.analysis.matches("2", 0, 1).semantic == pytest.approx(matches.semantic, abs=1e-5)


def test_a_page_gets_the_pictures_first_and_the_level_of_unrelated_tokens_last(monkeypatch, open_lab):
    frames = Sent.by_any(srsm.TransformLab, monkeypatch)
    lab = open_lab(shift=(0.25, 0))
    assert lab.wait(DEADLINE)
    assert frames.kinds == ["pictures", "matches", "matches"]
    assert all(bytes(picture).startswith(b"\xff\xd8") for picture in frames[0][1])
    assert frames[1][0]["null"] is None
    level = frames[2][0]["null"]
    pictures = srsm.load_images([*lab.images, *reduced(photographs())])
    assert len(pictures) == 9  # one picture is too few to be unrelated to: the bundled ones join it
    tokens = srsm.extract(lab.model, pictures)
    assert level["mean"] == pytest.approx(srsm.Analysis(pictures, tokens, matcher=srsm.Exact()).null(lab.layer).mean)
    frames.clear()
    lab.shift = (0.0, 0.25)
    assert lab.wait(DEADLINE)
    assert frames.kinds == ["pictures", "matches"]
    assert frames[1][0]["null"] == level  # a property of the layer, not of the shift


def test_the_newest_setting_wins(lab):
    for step in range(1, 8):
        lab.shift = (step / 16, 0.0)
    assert lab.wait(DEADLINE)
    assert lab.visits[-1].warp == Warp(shift=(7 / 16, 0.0))
    moved = srsm.load_images([Warp(shift=(7 / 16, 0.0))(lab.images.image(0), (0, 0, SIDE, SIDE))])
    assert lab.analysis.images.image(1).tobytes() == moved.image(0).tobytes()
    assert len(lab.visits) < 8  # those in between were skipped


def test_the_trace_holds_what_differs_by_the_shift_alone(lab):
    for setting in ({"shift": (0.25, 0.0)}, {"shift": (0.0, 0.125)}, {"flip": True}, {"flip": False}):
        for name, value in setting.items():
            setattr(lab, name, value)
        assert lab.wait(DEADLINE)
    assert [visit.warp.shift for visit in lab.trace()] == [(0.0, 0.0), (0.0, 0.125), (0.25, 0.0)]
    assert lab.trace()[0].aligned > lab.trace()[1].aligned
    assert {visit.layer for visit in lab.trace()} == {"2"}
    content, buffers = opened_page(lab).of("matches")[-1]
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
        srsm.TransformLab(**{"model": patch_model(), "image": noise(), **arguments})


def test_a_layer_that_is_not_there_is_said(open_lab):
    lab = open_lab(layer="11")
    assert lab.wait(DEADLINE)
    assert lab.layer in lab.analysis.layers
    assert "There is no layer '11': showing" in lab.status.text
    assert lab.status.state == "ready"


def test_an_error_in_the_model_is_shown_and_does_not_last(open_lab):
    broken = threading.Event()

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = patch_model().module

        def forward(self, x):
            if broken.is_set():
                raise RuntimeError("out of order")
            return self.body(x)

    lab = open_lab(srsm.VisionModel(Module(), scaled, name="fragile"))
    assert lab.wait(DEADLINE)
    broken.set()
    lab.flip = True
    assert lab.wait(DEADLINE)
    assert lab.status.state == "error"
    assert "out of order" in lab.status.text
    assert "Traceback" in lab.last_error
    broken.clear()
    lab.flip = False
    assert lab.wait(DEADLINE)
    assert lab.status.state == "ready"


def test_the_level_of_unrelated_tokens_waits_for_start_where_it_is_long(open_lab):
    lab = open_lab(patience=1e-9)
    wait_for(lambda: lab.status.state == "waiting")
    assert "level of unrelated tokens" in lab.status.text
    assert lab.analysis is not None  # the numbers do not wait
    lab.start()
    assert lab.wait(DEADLINE)
    assert opened_page(lab).of("matches")[-1][0]["null"]["mean"] > 0


def test_without_a_browser_it_is_a_picture(lab):
    data = shown(lab)
    assert data["text/plain"] == repr(lab)
    assert data["image/png"].startswith("iVBOR")
    lab.save_images = False
    assert "image/png" not in shown(lab)


def test_private_names_are_not_in_the_state_that_is_saved(open_lab, tmp_path):
    Image.fromarray(noise(size=(SIDE, SIDE))).save(tmp_path / "Jane Doe.png")
    lab = open_lab(image=tmp_path / "Jane Doe.png", save_images=False)
    assert lab.wait(DEADLINE)
    assert "Jane" not in str(lab.get_state())
    assert opened_page(lab).of("private")[0][0]["state"]["_images"][0]["id"] == "Jane Doe.png"
    assert shown(lab)["text/plain"] == "TransformLab()"


def test_closing_ends_the_thread(open_lab):
    before = worker_threads()
    lab = settled(open_lab())
    threads = worker_threads() - before
    assert len(threads) == 1
    lab.close()
    assert have_ended(threads)
