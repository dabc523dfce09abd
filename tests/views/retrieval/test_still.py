"""The picture of a RetrievalView where no widget runs."""

from __future__ import annotations

import numpy as np
import torch
from helpers.views import settled

import semrsm_widgets as srsm
from semrsm_widgets.views.retrieval.still import RIGHT, WRONG


def test_the_picture_marks_right_and_wrong_answers(view):
    colours = {tuple(colour) for colour in np.asarray(view.picture()).reshape(-1, 3)}
    assert (0x1B, 0x7F, 0xBD) in colours
    assert (0xD5, 0x5E, 0x00) in colours


def test_an_answer_that_shares_one_label_of_two_has_a_sign_of_its_own(closing):
    grey = np.full((32, 32, 3), 128, dtype=np.uint8)
    images = srsm.load_images([grey] * 4, labels=[{"a", "b"}, {"a", "b"}, {"b", "c"}, {"d"}])
    values = torch.randn(4, 16, 8, generator=torch.Generator().manual_seed(0))
    analysis = srsm.Analysis(images, {"l": srsm.Tokens(values=values, grid=(4, 4), native_grid=(4, 4), layer="l")})
    view = settled(closing(srsm.RetrievalView(analysis, layer="l", query=0, k=3)))
    row = view._latest[1][0]
    pixels = np.asarray(view.picture())
    signs = {}
    for place, index in enumerate(row.order[:3]):
        sign = pixels[42:59, 240 + 42 + 170 + place * 86 + 2 :][:, :17]
        signs[int(index)] = sign.tobytes()
        colour = WRONG if index == 3 else RIGHT
        assert (sign == [int(colour[k : k + 2], 16) for k in (1, 3, 5)]).all(-1).sum() > 80
        assert (sign == 255).all(-1).sum() > 8  # the sign, white
    assert len(set(signs.values())) == 3


def test_why_a_row_is_empty_is_told_in_lines_that_fit(view):
    view.box = (0, 0, 1, 1)
    settled(view)
    picture = np.asarray(view.picture())
    beside = picture[40 : 40 + 72, 240 + 42 + 170 :]
    assert (beside < 200).any(-1).any(1).sum() > 20  # more than one line of it
    assert (picture[:, -14:] == 255).all()
