"""Warps against slices of the same pixels: whole-pixel moves must be exact."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from semrsm_widgets.images.warp import Warp

BOX = (10.0, 0.0, 50.0, 40.0)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


def warped(pixels, **setting):
    return np.asarray(Warp(**setting)(Image.fromarray(pixels), BOX))


def test_nothing_moved_is_the_same_picture(pixels):
    np.testing.assert_array_equal(warped(pixels), pixels)
    np.testing.assert_array_equal(warped(pixels, seed=5, border="mean colour"), pixels)


def test_a_shift_brings_in_what_there_is_of_the_picture(pixels):
    moved = warped(pixels, shift=(0.25, 0.0))  # of the box's 40 pixels
    np.testing.assert_array_equal(moved[:, 10:50], pixels[:, 0:40])
    moved = warped(pixels, shift=(0.0, -0.5))
    np.testing.assert_array_equal(moved[:20], pixels[20:])


@pytest.mark.parametrize("border", ["mirrored", "mean colour", "wrapped around"])
def test_beyond_the_edge_the_border_is_filled(pixels, border):
    moved = warped(pixels, shift=(0.0, 0.25), border=border)[:, 10:50]
    seen = pixels[:, 10:50]
    np.testing.assert_array_equal(moved[10:], seen[:30])
    if border == "mirrored":
        np.testing.assert_array_equal(moved[:10], seen[:10][::-1])
    elif border == "wrapped around":
        np.testing.assert_array_equal(moved[:10], seen[30:])
    else:
        assert np.abs(moved[:9].astype(float) - pixels.mean((0, 1))).max() <= 0.5


def test_wrapping_stays_in_the_box(pixels):
    moved = warped(pixels, shift=(0.25, 0.0), border="wrapped around")
    np.testing.assert_array_equal(moved[:, 10:20], pixels[:, 40:50])


def test_a_flip_mirrors_the_box(pixels):
    np.testing.assert_array_equal(warped(pixels, flip=True)[:, 10:50], pixels[:, 10:50][:, ::-1])


def test_tiles_change_places_and_nothing_is_lost(pixels):
    warp = Warp(tiles=4, seed=3)
    moved, order = np.asarray(warp(Image.fromarray(pixels), BOX)), warp.order()
    tile = lambda array, k: array[k // 4 * 10 : k // 4 * 10 + 10, 10 + k % 4 * 10 : 20 + k % 4 * 10]  # noqa: E731
    for place, source in enumerate(order):
        np.testing.assert_array_equal(tile(moved, place), tile(pixels, source))
    assert sorted(order) == list(range(16))
    assert list(order) != list(Warp(tiles=4, seed=4).order())


def test_zoom_enlarges_the_centre():
    ramp = np.repeat(np.arange(0, 120, 2, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    moved = warped(ramp, zoom=2.0).astype(float)
    centre = 2 * (30 - 0.5)  # the ramp's value at the box's centre, x = 30
    x = np.arange(12, 48) + 0.5
    assert np.abs(moved[20, 12:48, 0] - (centre + (x - 30))).max() <= 0.51  # half the slope: one a pixel


@pytest.mark.parametrize(
    "setting",
    [
        {"shift": (0.6, 0)},
        {"shift": (0.1,)},
        {"shift": (float("nan"), 0)},
        {"zoom": 0.2},
        {"tiles": 0},
        {"tiles": 9},
        {"seed": -1},
        {"border": "black"},
    ],
)
def test_a_setting_out_of_range_is_refused(setting):
    with pytest.raises(ValueError, match=f"`{next(iter(setting))}` must be"):
        Warp(**setting)
