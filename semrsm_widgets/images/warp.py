"""Moving a picture about: shifted, mirrored, zoomed, or cut into tiles that change places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates

from semrsm_widgets.common import check_choice, check_int, check_number, message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from semrsm_widgets.common import PixelBox

BORDERS = ("mirrored", "mean colour", "wrapped around")
"""What fills the place where a picture ends."""
MOST_SHIFT = 0.5
LEAST_ZOOM, MOST_ZOOM = 0.5, 3.0
MOST_TILES = 8


@dataclass(frozen=True, kw_only=True)
class Warp:
    """How a picture is moved about inside a box, the part of it that a model sees.

    The picture is zoomed about the box's centre, then mirrored, then shifted; at last the box is cut into tiles that
    change places. What comes into the box is the picture's own where there is more of it; beyond its edge the border
    is filled.

    Attributes:
        shift: (dx, dy) as parts of the box's width and height, -0.5 to 0.5; positive is right and down.
        flip: whether left and right are exchanged.
        zoom: 1 for none; above it the centre is cropped and enlarged, below it the picture is shrunk; 0.5 to 3.
        tiles: the box is cut into tiles x tiles tiles that change places; 1 for none, at most 8.
        seed: of the tiles' order.
        border: "mirrored", "mean colour" (of the picture), or "wrapped around": what leaves the box on one side comes
            back on the other, and nothing from outside the box ever comes in.

    Raises:
        ValueError: a value out of range.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    flip: bool = False
    zoom: float = 1.0
    tiles: int = 1
    seed: int = 0
    border: str = "mirrored"

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        todo = "A part of the picture's side: 0.5 moves it by half."
        if not isinstance(self.shift, tuple | list) or len(self.shift) != 2:
            raise ValueError(message("shift", "(dx, dy), parts of the picture's width and height", self.shift, todo))
        for part in self.shift:
            check_number("shift", part, minimum=-MOST_SHIFT, maximum=MOST_SHIFT, todo=todo)
        check_number("zoom", self.zoom, minimum=LEAST_ZOOM, maximum=MOST_ZOOM)
        check_int("tiles", self.tiles, minimum=1, maximum=MOST_TILES)
        check_int("seed", self.seed, minimum=0)
        check_choice("border", self.border, BORDERS)

    @property
    def distance(self) -> float:
        """Length of the shift, in parts of the box's side."""
        return float(np.hypot(*self.shift))

    def words(self) -> str:
        """Return the setting as a sentence says it.

        Example:
            >>> Warp(shift=(0.25, 0.0), tiles=2).words()
            'shifted by 0.25 right, 2 x 2 tiles shuffled (seed 0), beyond the edge mirrored'
        """
        dx, dy = self.shift
        parts = [
            f"zoomed {self.zoom:g}x" if self.zoom != 1 else "",
            "left and right mirrored" if self.flip else "",
            f"shifted by {abs(dx):.3g} {'right' if dx > 0 else 'left'}" if dx else "",
            f"shifted by {abs(dy):.3g} {'down' if dy > 0 else 'up'}" if dy else "",
            f"{self.tiles} x {self.tiles} tiles shuffled (seed {self.seed})" if self.tiles > 1 else "",
        ]
        said = [part for part in parts if part]
        return ", ".join([*said, f"beyond the edge {self.border}"]) if said else "not moved"

    def order(self) -> NDArray[np.int64]:
        """Return (tiles * tiles,) which tile comes to each place, in raster order."""
        count = self.tiles**2
        return np.random.default_rng(self.seed).permutation(count) if count > 1 else np.zeros(1, dtype=np.int64)

    def __call__(self, picture: Image.Image, box: PixelBox) -> Image.Image:
        """Return the warped picture, of the same size.

        Args:
            picture: RGB.
            box: (left, top, right, bottom) of what the model sees, in pixels, from `visible_box`.
        """
        if self == Warp(seed=self.seed, border=self.border):
            return picture.copy()
        left, top, right, bottom = box
        x = (np.arange(picture.width) + 0.5 - left) / (right - left)
        y = (np.arange(picture.height) + 0.5 - top) / (bottom - top)
        u, v = self._source(*np.broadcast_arrays(x[None, :], y[:, None]))
        if self.border == "wrapped around":
            u, v = u % 1.0, v % 1.0
        columns, rows = left + u * (right - left) - 0.5, top + v * (bottom - top) - 0.5
        pixels = np.asarray(picture, dtype=np.float32)
        if self.border == "wrapped around":  # only the box is sampled: its right edge goes on at its left
            first = (int(np.floor(top)), int(np.floor(left)))
            last = (int(np.ceil(bottom)), int(np.ceil(right)))
            pixels = pixels[max(0, first[0]) : last[0], max(0, first[1]) : last[1]]
            rows, columns = rows - max(0, first[0]), columns - max(0, first[1])
        mode = {"mirrored": "reflect", "mean colour": "constant", "wrapped around": "grid-wrap"}[self.border]
        warped = [
            map_coordinates(channel, (rows, columns), order=1, mode=mode, cval=float(channel.mean()))
            for channel in np.moveaxis(pixels, -1, 0)
        ]
        return Image.fromarray(np.stack(warped, axis=-1).round().clip(0, 255).astype(np.uint8))

    def _source(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where in the box the content of each place comes from; the box is [0, 1] on both axes."""
        if self.tiles > 1:
            inside = (x >= 0) & (x < 1) & (y >= 0) & (y < 1)
            column, row = (np.clip(np.floor(k * self.tiles), 0, self.tiles - 1).astype(int) for k in (x, y))
            from_row, from_column = np.divmod(self.order()[row * self.tiles + column], self.tiles)
            x = np.where(inside, x + (from_column - column) / self.tiles, x)
            y = np.where(inside, y + (from_row - row) / self.tiles, y)
        x, y = x - self.shift[0], y - self.shift[1]
        if self.flip:
            x = 1 - x
        return 0.5 + (x - 0.5) / self.zoom, 0.5 + (y - 0.5) / self.zoom
