"""Where a token looks: token index to pixel box in the original image, back through resizing and cropping.

Pixel i covers [i, i + 1), so boxes are (left, top, right, bottom) in continuous pixel coordinates. NumPy only: the
transforms are recognised by the names and attributes that torchvision and timm give them; others are sent ramps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from semrsm_widgets.common import PixelBox, check_int, message

from .ramp_probe import probed_box

# Steps that move no pixel. Anything not named here or below makes the whole transform unknown.
_POINTWISE_NAMES = (
    "ConvertDtype ConvertImageDtype Grayscale Identity MaybePILToTensor MaybeToTensor Normalize ObjectDetection "
    "PILToTensor RGB ToDtype ToImage ToNumpy ToPILImage ToPureTensor ToTensor"
)
PRESETS = ("ImageClassification", "SemanticSegmentation")
POINTWISE = frozenset(_POINTWISE_NAMES.split(" "))


@dataclass
class _View:
    """What is left of the original after some steps: pixel u of `size` shows original pixel scale * u + offset."""

    size: list[int]  # width, height
    scale: list[float]
    offset: list[float]

    def resize(self, size: Sequence[int]) -> None:
        for axis in (0, 1):
            self.scale[axis] *= self.size[axis] / size[axis]
        self.size = list(size)

    def centre_crop(self, size: Sequence[int]) -> None:
        """Crop around the centre, padding what is too small, rounded as torchvision and timm round."""
        for axis in (0, 1):
            padded = max(0, (size[axis] - self.size[axis]) // 2)
            start = round((max(self.size[axis], size[axis]) - size[axis]) / 2)
            self.offset[axis] += self.scale[axis] * (start - padded)
        self.size = list(size)

    def pad(self, padding: Any) -> None:
        """Add a border as torchvision does: one width, (x, y), or (left, top, right, bottom)."""
        sides = [padding] if isinstance(padding, int) else list(padding)
        left, top, right, bottom = (sides * (4 // len(sides)))[:4]
        for axis, before, after in ((0, left, right), (1, top, bottom)):
            self.offset[axis] -= self.scale[axis] * before
            self.size[axis] += before + after

    def trim(self, border: int) -> None:
        for axis in (0, 1):
            self.offset[axis] += self.scale[axis] * border
            self.size[axis] -= 2 * border


def visible_box(transform: Any, size: tuple[int, int]) -> PixelBox | None:
    """Return which part of an image reaches the model, as (left, top, right, bottom) in pixels of the original.

    Args:
        transform: an evaluation transform of torchvision or timm: a composition of resizing (shortest edge, longest
            edge, or squashed), centre cropping with or without padding, border trimming, padding and pointwise steps.
            Any other transform to (3, H, W) is sent a picture of coordinates, to see where its pixels come from.
        size: (width, height) of the original in pixels.

    Returns:
        The box; outside the image where the transform pads. None if the transform does anything but resize, crop and
        pad (it mirrors, warps, or is random): draw on the model's input (`model_view`) then.

    Raises:
        ValueError: `size` is no pair of positive integers.

    Example:
        >>> visible_box(load_model().transform, (640, 480))  # shortest edge to 256, centre 224 x 224
        (108.85..., 30.0, 529.26..., 450.0)
    """
    if not isinstance(size, tuple) or len(size) != 2:
        raise ValueError(message("size", "(width, height)", size))
    width, height = (check_int("size", side, minimum=1) for side in size)
    view = _View([width, height], [1.0, 1.0], [0.0, 0.0])
    steps = list(_steps(transform))
    if any(type(step).__name__.startswith("Random") for step in steps):
        return None  # what one picture shows says nothing of the next
    if not all(_apply(step, view) for step in steps):
        return probed_box(transform, (width, height))
    if min(view.size) <= 0:
        return None
    (left, top), (across, down) = view.offset, view.scale
    return left, top, left + across * view.size[0], top + down * view.size[1]


def _steps(transform: Any) -> Iterable[Any]:
    """Yield the single steps of a composition, nested or not."""
    name = type(transform).__name__
    inner = transform.transforms if name == "Compose" else transform if name == "Sequential" else None
    if inner is None:
        yield transform
        return
    for step in inner:
        yield from _steps(step)


def _apply(step: Any, view: _View) -> bool:
    """Carry one step out on the view; return whether it is understood."""
    name = type(step).__name__
    if name in POINTWISE:
        return True
    if name == "Resize":
        target = _resized(view.size, step.size, getattr(step, "max_size", None))
        if target is None:
            return False
        view.resize(target)
    elif name == "ResizeKeepRatio":
        if step.random_scale_prob or step.random_aspect_prob:
            return False
        view.resize(_kept_ratio(view.size, step.size, step.longest))
    elif name in ("CenterCrop", "CenterCropOrPad"):
        view.centre_crop(_width_height(step.size))
    elif name == "TrimBorder":
        view.trim(step.border_size)
    elif name == "Pad":
        if step.padding_mode != "constant":
            return False  # what is mirrored or wrapped into the border has places of its own
        view.pad(step.padding)
    elif name in PRESETS:  # the transforms that come with torchvision's weights
        target = _resized(view.size, step.resize_size, None)
        if target is None:
            return False
        view.resize(target)
        if hasattr(step, "crop_size"):
            view.centre_crop(_width_height(step.crop_size))
    else:
        return False
    return True


def _width_height(size: Any) -> tuple[int, int]:
    """Return (width, height) of a torchvision size: an int, (side,) or (height, width)."""
    sides = [size] if isinstance(size, int) else list(size)
    return int(sides[-1]), int(sides[0])


def _resized(size: Sequence[int], target: Any, longest: int | None) -> tuple[int, int] | None:
    """Return (width, height) after torchvision's Resize: one number is for the shorter edge, two for both."""
    if target is None:
        return None
    if not isinstance(target, int) and len(target) == 2:
        return _width_height(target)
    short_side, long_side = min(size), max(size)
    short = int(target if isinstance(target, int) else target[0])
    long = int(short * long_side / short_side)
    if longest is not None and long > longest:
        short, long = int(longest * short / long), longest
    return (short, long) if size[0] <= size[1] else (long, short)


def _kept_ratio(size: Sequence[int], target: Sequence[int], longest: float) -> tuple[int, int]:
    """Return (width, height) after timm's ResizeKeepRatio; `target` is (height, width)."""
    ratios = size[0] / target[1], size[1] / target[0]
    ratio = max(ratios) * longest + min(ratios) * (1 - longest)
    return round(size[0] / ratio), round(size[1] / ratio)
