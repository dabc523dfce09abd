"""The picture of a RetrievalView where no widget runs."""

from __future__ import annotations

import numpy as np


def test_the_picture_marks_right_and_wrong_answers(view):
    colours = {tuple(colour) for colour in np.asarray(view.picture()).reshape(-1, 3)}
    assert (0x1B, 0x7F, 0xBD) in colours
    assert (0xD5, 0x5E, 0x00) in colours
