"""Where a transform that is not known by name takes its pixels from: found by sending coordinate ramps through it.

One picture brightens from left to right in one channel and from top to bottom in another. What comes out says where
each pixel came from, once the transform's own scaling of values is known from plain pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semrsm_widgets.common import PixelBox

Pixels = NDArray[np.float64]

DARK, BRIGHT = 16, 240  # the ramp's ends; plain pictures of these calibrate the values
EDGE = 0.04  # share of the ramp left out at each end, where resampling bends it and padding may be
STRAIGHT = 0.012  # greatest deviation from a straight line, as a share of the side: a few 8-bit steps
FEWEST = 8  # pixels to fit a line through

# A transform is asked once for a size: drawing a pair of images asks for its boxes again and again.
_known: WeakKeyDictionary[Any, dict[tuple[int, int], PixelBox | None]] = WeakKeyDictionary()


def probed_box(transform: Any, size: tuple[int, int]) -> PixelBox | None:
    """Return what part of an image of (width, height) a transform shows, or None if it is no plain resize and crop.

    A transform that turns, mirrors or warps, or that does something else each time, gives None.
    """
    try:
        known = _known.setdefault(transform, {})
    except TypeError:  # it cannot be a key
        known = {}
    if size not in known:
        known[size] = _probe(transform, size)
    return known[size]


def _probe(transform: Any, size: tuple[int, int]) -> PixelBox | None:
    width, height = size
    across = np.broadcast_to(np.linspace(DARK, BRIGHT, width), (height, width))
    down = np.broadcast_to(np.linspace(DARK, BRIGHT, height)[:, None], (height, width))
    ramp = np.stack([across, down, across], -1)  # the same for transforms that turn RGB into BGR
    shown = [_channels(transform, ramp), _channels(transform, ramp)]
    plain = [_channels(transform, np.full_like(ramp, value)) for value in (DARK, BRIGHT)]
    if any(pixels is None or pixels.shape != shown[0].shape for pixels in (*shown, *plain)):  # type: ignore[union-attr]
        return None
    first, again, dark, bright = (pixels for pixels in (*shown, *plain) if pixels is not None)
    if not np.array_equal(first, again):
        return None  # random
    # Padding is the same in all pictures: there the range is 0, and nothing is fitted.
    span = bright - dark
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(np.abs(span) > 1e-6 * np.abs(span).max(initial=0), (first - dark) / span, np.nan)
    horizontal, vertical = _line(share[0], 1), _line(share[1], 0)
    if horizontal is None or vertical is None:
        return None
    # The ramp's first value stands at the centre of the first pixel, its last at the centre of the last.
    (left, right), (top, bottom) = (
        [share * (side - 1) + 0.5 for share in ends] for ends, side in ((horizontal, width), (vertical, height))
    )
    return left, top, right, bottom


def _channels(transform: Any, pixels: Pixels) -> Pixels | None:
    """Return (3, H, W) that a transform makes of a picture, or None if that is not what it makes."""
    result = transform(Image.fromarray(pixels.round().astype(np.uint8)))
    if isinstance(result, Mapping):
        result = result.get("pixel_values")
    if isinstance(result, (list, tuple)) and len(result) == 1:
        result = result[0]
    if hasattr(result, "detach"):
        result = result.detach().cpu()
    if result is None or isinstance(result, (list, tuple, Image.Image)):
        return None
    found = np.asarray(result, dtype=np.float64)
    found = found[0] if found.ndim == 4 and len(found) == 1 else found
    return found if found.ndim == 3 and found.shape[0] == 3 else None


def _line(share: Pixels, axis: int) -> tuple[float, float] | None:
    """Return where along a side (0 to 1) the view starts and ends, from the ramp's shares (H, W); None if it is bent.

    `axis` is the one along which the ramp rises. Along the other it must not change.
    """
    inside = np.isfinite(share) & (share > EDGE) & (share < 1 - EDGE)
    if not inside.any():
        return None
    count = inside.sum(1 - axis)
    used = np.flatnonzero(count >= max(1, count.max() // 2))
    if len(used) < FEWEST:
        return None
    values = np.where(inside, share, np.nan)
    middle = np.nanmedian(np.take(values, used, axis), axis=1 - axis)
    slope, offset = np.polyfit(used + 0.5, middle, 1)
    fitted = slope * (np.arange(share.shape[axis]) + 0.5) + offset
    bent = np.abs(values - (fitted if axis == 1 else fitted[:, None]))
    if slope <= 0 or float(np.nanmax(bent)) > STRAIGHT:
        return None
    return float(offset), float(slope * share.shape[axis] + offset)
