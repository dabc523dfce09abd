"""Colours of places: told apart by every kind of vision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.views import from_hex

from semrsm_widgets.figures.place_palette import AGAINST, CORNERS, FOR, place_colours

# Machado, Oliveira & Fernandes 2009, severity 1.0, in linear RGB.
MACHADO = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


# Viénot, Brettel & Mollon 1999, in linear RGB.
VIENOT = {
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


VISIONS = {
    "all colours": np.eye(3),
    **{f"Machado {name}": np.array(matrix) for name, matrix in MACHADO.items()},
    **{f"Vienot {name}": np.array(matrix) for name, matrix in VIENOT.items()},
}


def lab(colours, vision):
    """Return CIE L*a*b* of sRGB colours (K, 3), 0...255, as a kind of vision sees them."""
    srgb = np.asarray(colours, dtype=float) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISIONS[vision].T, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    x, y, z = (seen @ np.array(to_xyz).T / [0.95047, 1.0, 1.08883]).T
    f = [np.where(v > 216 / 24389, np.cbrt(v), (24389 / 27 * v + 16) / 116) for v in (x, y, z)]
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])], -1)


def least_distance(colours, vision):
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab(colours, vision), 2))


def test_the_simulations_confuse_what_is_known_to_be_confused():
    """Ishihara's red and green are far apart to most, and near to protanopes and deuteranopes."""
    red, green = (200, 80, 60), (110, 125, 50)
    assert least_distance([red, green], "all colours") > 55
    for vision in ("Machado deuteranopia", "Vienot deuteranopia"):
        assert least_distance([red, green], vision) < 22


@pytest.mark.parametrize("vision", VISIONS)
def test_nine_places_have_nine_colours_for_every_kind_of_vision(vision):
    colours = place_colours(range(9), (3, 3))
    assert [colours[k] for k in (0, 2, 6, 8)] == [from_hex(corner) for corner in CORNERS]
    assert least_distance(colours, vision) > 20  # 2.3 is just noticeable
    assert lab(colours, vision)[:, 0].min() > (51 if vision == "all colours" else 44)  # drawn with a dark rim
    cyan = (0, 229, 255)  # what is pointed at
    assert min(least_distance([colour, cyan], "all colours") for colour in colours) > 40


@pytest.mark.parametrize("vision", VISIONS)
def test_the_two_signs_are_told_apart_by_every_kind_of_vision(vision):
    assert least_distance([from_hex(FOR), from_hex(AGAINST)], vision) > 40


def test_colours_are_told_apart_among_the_shown():
    grid = (14, 14)
    everywhere = place_colours(range(14 * 14), grid)
    face = [5 * 14 + 6, 5 * 14 + 8, 8 * 14 + 6, 8 * 14 + 8]  # in the middle
    assert place_colours(face, grid) == [from_hex(corner) for corner in CORNERS]
    assert least_distance([everywhere[token] for token in face], "all colours") < 30
    far = place_colours([*face, 13 * 14 + 13], grid)  # one outlier does not make the others alike
    assert least_distance(far[:4], "all colours") > 30
    assert place_colours([7], grid) == [place_colours(range(9), (3, 3))[4]]  # the middle
    assert place_colours([], grid) == []


@pytest.mark.parametrize("vision", VISIONS)
def test_places_in_one_row_are_told_apart_too(vision):
    assert least_distance(place_colours(range(4), (14, 14)), vision) > 9
