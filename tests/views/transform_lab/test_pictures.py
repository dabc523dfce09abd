"""Which pictures the lab takes, and how large."""

from __future__ import annotations

from helpers.analyses import noise
from helpers.views import DEADLINE, state
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.views.transform_lab.pictures import SHORT_SIDE, reduced


def test_several_pictures_can_be_chosen_from(open_lab, tmp_path):
    for k in range(2):
        Image.fromarray(noise(k, (80, 80))).save(tmp_path / f"{k}.png")
    lab = open_lab(image=tmp_path, index=1)
    assert lab.wait(DEADLINE)
    assert (lab.last_error, [row["id"] for row in state(lab)["_images"]]) == ("", ["0.png", "1.png"])
    assert lab.analysis.images.ids == ("1.png", "1.png, moved")
    lab.index = 0
    assert lab.wait(DEADLINE)
    assert lab.analysis.images.ids[0] == "0.png"
    alone = open_lab(image=str(tmp_path / "1.png"))
    assert [row["id"] for row in state(alone)["_images"]] == ["1.png"]


def test_large_pictures_are_reduced():
    images = reduced(srsm.load_images([noise(size=(700, 900))]))
    assert images.size(0) == (SHORT_SIDE, 823)
