"""Tokens averaged to a grid of any size."""

from __future__ import annotations

import pytest
import torch

from semrsm_widgets.tokens.tokens import Tokens


def tokens(rows, columns, channels=3, images=2):
    values = torch.arange(images * rows * columns * channels, dtype=torch.float32) ** 1.5
    return Tokens(values=values.reshape(images, rows * columns, channels), grid=(rows, columns), layer="there")


def test_whole_blocks_are_averaged():
    pooled = tokens(4, 6).pooled((2, 3))
    maps = tokens(4, 6).values.reshape(2, 4, 6, 3)
    assert (pooled.grid, pooled.values.shape, pooled.layer) == ((2, 3), (2, 6, 3), "there")
    assert torch.allclose(pooled.values[0, 1], maps[0, :2, 2:4].mean((0, 1)))
    assert torch.allclose(pooled.values[1, 5], maps[1, 2:, 4:].mean((0, 1)))


def test_windows_overlap_where_sides_do_not_divide():
    pooled = tokens(7, 7).pooled((2, 2))
    maps = tokens(7, 7).values.reshape(2, 7, 7, 3)
    assert pooled.grid == (2, 2)
    assert torch.allclose(pooled.values[0, 0], maps[0, :4, :4].mean((0, 1)))
    assert torch.allclose(pooled.values[0, 3], maps[0, 3:, 3:].mean((0, 1)))


def test_the_same_grid_changes_nothing():
    there = tokens(3, 2)
    assert torch.equal(there.pooled((3, 2)).values, there.values)


@pytest.mark.parametrize("grid", [(8, 2), (2, 8)])
def test_no_grid_is_made_finer(grid):
    with pytest.raises(ValueError, match="no larger than 7×7, that of 'there'"):
        tokens(7, 7).pooled(grid)


def test_a_layer_without_a_grid_is_refused():
    bare = Tokens(values=torch.ones(1, 4, 2), layer="there")
    with pytest.raises(ValueError, match="'there', which has none"):
        bare.pooled((2, 2))
