"""What is auctioned: a matrix, or the patches of two images."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from helpers.analyses import make_analysis

import semrsm_widgets as srsm
from semrsm_widgets.views.stepper.source import matrix_lot, patch_lot


def test_patches_are_worth_cosines(analysis):
    layer = analysis.layers[0]
    lot = patch_lot(analysis, layer, (0, 1), 2)
    pooled = analysis.tokens[layer].pooled((2, 2)).values.double().numpy()
    norms = np.linalg.norm(pooled[0]) * np.linalg.norm(pooled[1])
    np.testing.assert_allclose(lot.affinity, pooled[0] @ pooled[1].T / norms)
    assert lot.grid == (2, 2)
    assert lot.words == f"{layer}: 3×4 patches averaged to 2×2"
    itself = patch_lot(analysis, layer, (2, 2), 2)
    assert srsm.Exact().solve(itself.affinity).value[0] == pytest.approx(1)


def test_what_stands_beside_it_is_what_other_matchings_are_worth():
    matrix = np.random.default_rng(0).normal(size=(4, 4))
    levels = {level.name: level.value for level in matrix_lot(matrix).levels}
    every = [matrix[np.arange(4), list(each)].sum() for each in permutations(range(4))]
    assert levels["any"] == pytest.approx(np.mean(every))
    assert levels["aligned"] == pytest.approx(np.trace(matrix))
    rest, greedy = matrix.copy(), 0.0
    for _ in range(4):
        row, column = np.unravel_index(rest.argmax(), rest.shape)
        greedy += rest[row, column]
        rest[row], rest[:, column] = -np.inf, -np.inf
    assert levels["greedy"] == pytest.approx(greedy)
    assert max(levels.values()) <= max(every) + 1e-12


def test_a_layer_that_has_no_such_grid_is_refused(analysis):
    with pytest.raises(ValueError, match="no larger than 3×4"):
        patch_lot(analysis, analysis.layers[0], (0, 1), 4)
    bare = make_analysis(n=3, grid=None)
    with pytest.raises(ValueError, match="which has none"):
        patch_lot(bare, bare.layers[0], (0, 1), 2)


def test_an_analysis_without_tokens_is_refused(analysis, tmp_path):
    analysis.similarities(analysis.layers[0])
    analysis.save(tmp_path / "analysis.npz")
    again = srsm.Analysis.load(tmp_path / "analysis.npz")
    with pytest.raises(ValueError, match="saved without its tokens"):
        srsm.AuctionStepper(again)
