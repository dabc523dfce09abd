"""explore(): what it refuses at once, and the report in an explorer's place."""

from __future__ import annotations

import base64
import json

import pytest
import torch
import traitlets
from helpers.analyses import make_analysis, make_images
from helpers.pages import Elements

import semrsm_widgets as srsm


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
