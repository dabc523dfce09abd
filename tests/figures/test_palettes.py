"""Colours of heatmaps: ranges, indices, and what is missing."""

from __future__ import annotations

import numpy as np

from semrsm_widgets.figures.palettes import DIVERGING, MISSING, PALETTE, colour_indices, colour_range, difference_range


def test_colour_indices_cover_the_range_and_mark_what_is_missing():
    indices = colour_indices(np.array([0.0, 0.5, 1.0, 2.0, -1.0, np.nan]), 0.0, 1.0)
    assert indices.tolist() == [0, 127, 254, 254, 0, MISSING]
    assert colour_indices(np.array([3.0, 3.0]), 3.0, 3.0).tolist() == [0, 0]


def test_the_colour_range_is_shared_and_leaves_the_diagonal_out():
    aligned = np.array([[1.0, 0.1], [0.1, 1.0]])
    semantic = np.array([[1.0, 0.6], [0.6, 1.0]])
    assert colour_range(aligned, semantic) == (0.0, 0.6)
    assert colour_range(-aligned, semantic) == (-0.1, 0.6)
    assert colour_range(aligned, np.full((2, 2), np.nan)) == (0.0, 0.1)
    constant = np.zeros((2, 2))
    assert colour_range(constant, constant) == (0.0, 1.0)


def test_a_difference_below_what_is_certified_has_no_colour():
    assert difference_range(0.2, 0.0, 1.0) == (-0.2, 0.2)
    assert difference_range(1e-8, -0.5, 0.5) == (-1e-4, 1e-4)
    assert colour_indices(np.array([-1e-8, 0.0, 1e-8]), *difference_range(1e-8, 0.0, 1.0)).tolist() == [127] * 3


def test_the_palette_has_a_colour_for_every_index_but_the_missing():
    assert len(PALETTE) == len(DIVERGING) == MISSING
    assert DIVERGING[127].lower() in ("#f7f7f7", "#f6f6f6")  # no difference is white
