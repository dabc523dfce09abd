"""What a patch probe sends: cosines of all patches, places as crops."""

from __future__ import annotations

import io

import numpy as np
from helpers.analyses import GRID, make_analysis
from PIL import Image

from semrsm_widgets.views.base import PlacedPicture
from semrsm_widgets.views.probe import MOST_TOKENS, alike_message, crop


def test_the_page_gets_the_cosines_that_numpy_finds():
    analysis = make_analysis()
    message = alike_message(analysis, "a", (1, 4))
    tokens = analysis.tokens["a"].values.double().numpy()
    unit = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)
    for name, (i, j) in {"aa": (1, 1), "ab": (1, 4), "bb": (4, 4)}.items():
        found = message.arrays()[name] / 32767.5 - 1  # as the page reads them
        np.testing.assert_allclose(found, unit[i] @ unit[j].T, atol=2e-5)


def test_more_patches_than_the_page_takes_are_left_out():
    message = alike_message(make_analysis(grid=(33, 32), channels=2), "a", (0, 1))
    assert "arrays" not in message.content
    assert message.content["most"] == MOST_TOKENS


def test_a_crop_shows_the_place_and_what_is_around_it():
    picture = Image.new("RGB", (400, 300), (90, 90, 90))
    picture.paste((255, 0, 0), (100, 100, 200, 200))  # the token 5 of a grid of 3 x 4
    for token, place in ((5, (0.0, 0.0, 1.0, 1.0)), (0, (0.25, 1 / 3, 1.0, 1.0))):
        grid = GRID if token else (2, 3)
        found = crop(PlacedPicture(picture, place), 3, token, grid)
        assert (found.image, found.token) == (3, token)
        tile = np.asarray(Image.open(io.BytesIO(found.jpeg)).convert("RGB")).astype(int)
        assert tile.shape[0] == tile.shape[1]
        red = (tile[..., 0] > 200) & (tile[..., 1] < 60)
        assert 0.05 < red.mean() < 0.9
