"""explore(): what it refuses at once, and the report in an explorer's place."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch
import traitlets
from helpers.analyses import make_analysis, make_images
from helpers.pages import Elements
from helpers.views import DEADLINE, finished
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets import VisionModel


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"model": torch.nn.Identity()}, TypeError, "VisionModel"),
        ({"images": "no/such/folder"}, ValueError, "exists"),
        ({"images": 3}, TypeError, "`images` must be a folder, .* got 3"),
        ({"images": True}, TypeError, "`images` must be a folder"),
        ({"images": ""}, ValueError, "`images` must be a folder, .* got an empty text"),
        ({"images": np.zeros((8, 8))}, TypeError, r"`images` must be .* got ndarray of shape \(8, 8\)"),
        ({"images": Image.new("RGB", (8, 8))}, TypeError, "`images` must be .* got Image"),
        ({"images": []}, ValueError, "`images` must be at least two images"),
        ({"images": make_images(1)}, ValueError, "`images` must be at least two images.*got 1"),
        ({"max_images": 1}, ValueError, "max_images"),
        ({"max_grid": 0}, ValueError, "max_grid"),
        ({"patience": 0}, ValueError, "patience"),
        ({"save_images": "no"}, TypeError, "`save_images` must be True or False"),
        ({"live": 0}, TypeError, "`live` must be True or False"),
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
        ("images", make_images(2)),
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
def test_what_makes_an_analysis_is_refused_beside_one(name, value):
    analysis = make_analysis(2)
    with pytest.raises(ValueError, match=f"`{name}` must be left out"):
        srsm.explore(analysis, **{name: value})


def test_an_analysis_of_one_image_is_refused():
    analysis = make_analysis(1)
    with pytest.raises(ValueError, match="at least 2 images"):
        srsm.explore(analysis)


def test_explore_without_a_kernel_shows_the_report():
    analysis = make_analysis()
    shown = srsm.explore(analysis, live=False, pair=(2, 5), query=3, layer="b", kernel="RBF")
    assert isinstance(shown, srsm.StaticReport)
    rsm, pair, retrieval = json.loads(Elements(shown.html).data("srsm-page"))["parts"]
    assert (rsm["traits"]["layer"], rsm["traits"]["kernel"], rsm["traits"]["pair"]) == ("b", "RBF", [2, 5])
    assert pair["traits"]["layer"] == "b"
    assert retrieval["traits"]["query"] == 3
    assert b"\xff\xd8\xff" not in base64.b64decode(
        Elements(srsm.explore(analysis, live=False, save_images=False).html).data("srsm-blob-0")
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"model": "resnet1888"}, "`model` must be a model that timm knows; got 'resnet1888'"),
        ({"images": {3, 4}}, "`images` must be a folder"),
        ({"layers": "nowhere"}, "`layers` must be names of layers"),
    ],
)
def test_what_fails_later_names_the_argument_that_explore_has(arguments, text):
    model = VisionModel(torch.nn.Conv2d(3, 4, 8, stride=8), lambda picture: torch.zeros(3, 16, 16), name="tiny")
    explorer = srsm.explore(**{"model": model, "images": make_images(3), **arguments})
    assert explorer.wait(DEADLINE)
    assert text in explorer.status.text
    explorer.close()


def test_a_folder_in_the_models_place_and_a_broken_picture_say_what_explore_takes(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    for arguments, text in (
        ({"model": str(tmp_path)}, "a folder of pictures is given as images=..."),
        ({"images": tmp_path}, "leave it out with skip_unreadable=True"),
    ):
        explorer = srsm.explore(**arguments)
        assert explorer.wait(DEADLINE)
        assert text in explorer.status.text
        explorer.close()


def test_the_query_asked_for_is_shown():
    explorer = srsm.explore(make_analysis(), query=3)
    assert finished(explorer)
    assert explorer.retrieval_view.query == 3
    explorer.close()
    with pytest.raises(traitlets.TraitError, match="`query` must be"):
        srsm.explore(query=-2)
