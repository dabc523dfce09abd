"""How an output tensor is read as tokens: which axis is which, and on which grid they stand.

A grid is given only where something declares it: the shape of a map that is like the image's, a patch embedding, or
the model's own list of its features. A missing grid is honest; a wrong one would draw patches where nothing was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from torch.nn import functional

Grid = tuple[int, int]

LARGEST_PREFIX = 17  # CLS plus 16 registers
FEWEST_CHANNELS = 8  # below this the last axis is not a channel axis
GRID_SLACK = 0.05  # unpadded convolutions lose a border, which bends the ratio of a non-square map


@dataclass(frozen=True)
class Layout:
    """The reading of one output.

    Attributes:
        axes: "NCHW", "NHWC", "NLC" or "NC"; "" where the output cannot be read as tokens of N images.
        prefix: how many tokens of "NLC" stand first and belong to no position (CLS, registers).
        grid: (h, w), or None where the tokens' places are not known.
        note: why there is no grid, or no reading.
    """

    axes: str
    prefix: int = 0
    grid: Grid | None = None
    note: str = ""


@dataclass(frozen=True)
class Declared:
    """What a model says about its features.

    Attributes:
        input_size: (H, W) of the model's input in pixels.
        grids: grids of its patch embeddings.
        features: (channels, grid) of the maps it lists as its features.
        prefix: its number of prefix tokens, or None if it does not say.
        reorders: whether it keeps tokens in an order of its own (as Hiera does).
    """

    input_size: Grid
    grids: frozenset[Grid] = frozenset()
    features: frozenset[tuple[int, Grid]] = frozenset()
    prefix: int | None = None
    reorders: bool = False
    sequence_lengths: frozenset[int] = field(default=frozenset())


def infer_layout(shape: tuple[int, ...], n: int, declared: Declared) -> Layout:
    """Return the reading of an output of `shape` for `n` images."""
    if shape[0] != n:
        return Layout("", note=f"its first axis has {shape[0]} entries for {n} images (windows, heads or time first)")
    if len(shape) == 2 or (len(shape) == 3 and shape[1] == 1):
        return Layout("NC", grid=(1, 1))
    if len(shape) == 3:
        return _sequence(shape, declared)
    if len(shape) == 4:
        return _map(shape, declared)
    return Layout("", note=f"it has {len(shape)} axes")


def _map(shape: tuple[int, ...], declared: Declared) -> Layout:
    _, a, b, c = shape
    if b == c and b in declared.sequence_lengths:
        return Layout("", note="it is a map of attention between tokens")
    if _like_image((b, c), declared.input_size):
        return Layout("NCHW", grid=(b, c))
    if _like_image((a, b), declared.input_size):
        return Layout("NHWC", grid=(a, b))
    return Layout("", note=f"no two axes of {shape[1:]} have the image's proportions")


def _sequence(shape: tuple[int, ...], declared: Declared) -> Layout:
    _, length, channels = shape
    if channels < FEWEST_CHANNELS:
        return Layout("NLC", note=f"{channels} channels are too few to be sure that they are channels")
    allowed = {0, declared.prefix} if declared.prefix is not None else set(range(LARGEST_PREFIX + 1))
    known = [(length - h * w, (h, w)) for h, w in sorted(declared.grids) if length - h * w in allowed]
    if declared.reorders:
        return Layout("NLC", note="this model keeps its tokens in an order of its own")
    if known:
        prefix, grid = known[0]
        return Layout("NLC", prefix=prefix, grid=grid)
    for feature_channels, grid in declared.features:
        if channels == feature_channels and length == grid[0] * grid[1]:
            return Layout("NLC", grid=grid)
    return Layout("NLC", note="nothing declares where these tokens stand")


def _like_image(grid: Grid, size: Grid) -> bool:
    """Return whether a grid has the proportions of the model's input; exactly so for a square input."""
    (a, b), (height, width) = grid, size
    if a > height or b > width:
        return False
    if height == width:
        return a == b
    expected = height * b / width
    return abs(a - expected) <= max(1.0, GRID_SLACK * expected)


def token_shape(shape: tuple[int, ...], layout: Layout) -> tuple[int, int]:
    """Return (S, D) of an output read by `layout`."""
    if layout.axes == "NCHW":
        return shape[2] * shape[3], shape[1]
    if layout.axes == "NHWC":
        return shape[1] * shape[2], shape[3]
    return (1 if layout.axes == "NC" else shape[1] - layout.prefix), shape[-1]


def to_tokens(output: Tensor, layout: Layout, max_grid: int | None = None) -> tuple[Tensor, Tensor | None, Grid | None]:
    """Return tokens (N, S, D), prefix tokens (N, P, D) or None, and the grid, averaged down to `max_grid`.

    The tensors may be views of `output`: the caller copies them.
    """
    n = output.shape[0]
    if layout.axes == "NC":
        return output.reshape(n, 1, -1), None, layout.grid
    prefix = output[:, : layout.prefix] if layout.prefix else None
    small = pooled_grid(layout.grid, max_grid)
    if layout.grid is None or small is None or small == layout.grid:
        if layout.axes == "NCHW":
            return output.flatten(2).transpose(1, 2), None, layout.grid
        if layout.axes == "NHWC":
            return output.flatten(1, 2), None, layout.grid
        return output[:, layout.prefix :], prefix, layout.grid
    if layout.axes == "NHWC":
        maps = output.permute(0, 3, 1, 2)
    elif layout.axes == "NLC":
        maps = output[:, layout.prefix :].transpose(1, 2).reshape(n, -1, *layout.grid)
    else:
        maps = output
    pooled = functional.adaptive_avg_pool2d(maps.float(), small)
    return pooled.flatten(2).transpose(1, 2), prefix, small


def pooled_grid(grid: Grid | None, max_grid: int | None) -> Grid | None:
    """Return the grid after `max_grid`: no side longer than it, proportions kept.

    Whole blocks of k x k tokens are averaged where the grid can be cut so without losing more than half of what
    `max_grid` allows; a token's box is then exactly what it averages. Other grids are averaged over overlapping
    windows.
    """
    if grid is None or max_grid is None or max(grid) <= max_grid:
        return grid
    for k in range(-(-max(grid) // max_grid), 2 * max(grid) // max_grid + 1):
        if grid[0] % k == 0 and grid[1] % k == 0:
            return grid[0] // k, grid[1] // k
    scale = max_grid / max(grid)
    return max(1, round(grid[0] * scale)), max(1, round(grid[1] * scale))
