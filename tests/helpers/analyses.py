"""Small analyses of noise: pictures, tokens that no model made, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import semrsm_widgets as srsm
from semrsm_widgets.analysis.matches import Matches, match_patches
from semrsm_widgets.rsm import PATCH_SIMILARITIES, SIMILARITIES

N = 8
"""Images, unless told otherwise."""

GRID = (3, 4)
"""Of their tokens."""

TOKENS = 12
"""So many, also where they have no grid."""

CHANNELS = 8
"""Of a token."""

UPPER = np.triu_indices(N, 1)
"""Each pair of the N images once."""

Grid = tuple[int, int] | None


def noise(seed: int = 0, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    """Return a picture of noise as an array; size is (width, height)."""
    return np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


def make_images(
    n: int = N, *, size: tuple[int, int] = (40, 30), labels: int | Sequence[Any] | None = None, seed: int = 0
) -> srsm.Images:
    """Return n pictures of noise; labels are given, or "kind 0", "kind 1" ... in turn, so many kinds."""
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8) for _ in range(n)]
    if isinstance(labels, int):
        labels = [f"kind {k % labels}" for k in range(n)]
    return srsm.load_images(pictures, labels=labels)


def make_tokens(
    n: int = N,
    grid: Grid = GRID,
    *,
    size: int | None = None,
    channels: int = CHANNELS,
    seed: int = 0,
    prefix: int = 0,
    has_class_token: bool = True,
    layer: str = "a",
    note: str = "",
    dtype: Any = np.float32,
) -> srsm.Tokens:
    """Return tokens drawn from a normal distribution; `size` is how many an image has where there is no grid."""
    rng = np.random.default_rng(seed)
    count = (size or TOKENS) if grid is None else grid[0] * grid[1]
    values = torch.from_numpy(rng.normal(size=(n, count, channels)).astype(dtype))
    aside = torch.from_numpy(rng.normal(size=(n, prefix, channels)).astype(dtype)) if prefix else None
    return srsm.Tokens(
        values=values,
        grid=grid,
        native_grid=grid,
        layer=layer,
        note=note,
        prefix=aside,
        has_class_token=bool(prefix) and has_class_token,
    )


def make_layers(
    n: int = N,
    layers: Iterable[str] | Mapping[str, Grid] = ("a", "b"),
    grid: Grid = GRID,
    *,
    seed: int = 0,
    **options: Any,
) -> dict[str, srsm.Tokens]:
    """Return tokens of several layers, which differ; `layers` may say the grid of each."""
    grids = layers if isinstance(layers, Mapping) else dict.fromkeys(layers, grid)
    return {
        name: make_tokens(n, each, seed=100 * seed + k, layer=name, **options)
        for k, (name, each) in enumerate(grids.items())
    }


def make_analysis(
    n: int = N,
    *,
    images: srsm.Images | None = None,
    labels: int | Sequence[Any] | None = 2,
    ids: Sequence[str] | None = None,
    layers: Iterable[str] | Mapping[str, Grid] = ("a", "b"),
    grid: Grid = GRID,
    seed: int = 0,
    matcher: Any = None,
    model: srsm.VisionModel | None = None,
    **options: Any,
) -> srsm.Analysis:
    """Return an analysis of noise, matched exactly unless told otherwise; options are those of `make_tokens`."""
    images = make_images(n, labels=labels) if images is None else images
    if ids is not None:
        images = replace(images, ids=tuple(ids))
    tokens = make_layers(len(images), layers, grid, seed=seed, **options)
    return srsm.Analysis(images, tokens, matcher=matcher or srsm.Exact(), model=model)


def make_matches(
    seed: int = 0,
    sizes: tuple[int, int] = (12, 12),
    pair: tuple[int, int] = (0, 1),
    layer: str = "a",
    offset: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, Matches]:
    """Return the tokens of two images, in float64, and how they are matched."""
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(size, 5)) + offset for size in sizes)
    assignment = srsm.Exact()(torch.from_numpy(x)[None], torch.from_numpy(y)[None])
    grids = [(3, size // 3) for size in sizes]
    return x, y, match_patches(assignment, x, y, layer=layer, pair=pair, grid=grids[0], other_grid=grids[1])


SPLIT = [SIMILARITIES[name].caption for name in PATCH_SIMILARITIES]
"""The similarities that are sums over patches."""

LABELS = [{"a"}, {"a"}, {"a", "b"}, {"b"}, {"b"}, {"c"}, {"c"}, {"a", "c"}]
"""Of eight images, on which experiments are checked by hand: some have two, some have none in common."""


def labelled_analysis(
    seeds: Iterable[int] = (1, 2), images: srsm.Images | None = None, prefix: int = 0, **options: Any
) -> srsm.Analysis:
    """Return an analysis of eight images with LABELS and a layer "layer SEED" of six tokens, float64, for each seed."""
    tokens = {f"layer {seed}": labelled_tokens(seed, prefix=prefix) for seed in seeds}
    return srsm.Analysis(images or make_images(labels=LABELS), tokens, matcher=srsm.Exact(), **options)


def labelled_tokens(seed: int, size: int = 6, n: int = N, prefix: int = 0) -> srsm.Tokens:
    """Return the tokens of one layer of `labelled_analysis`."""
    return make_tokens(n, None, size=size, channels=5, seed=seed, prefix=prefix, layer=f"{seed}", dtype=np.float64)
