"""How the values of a picture become 8 bits of red, green and blue: one rule by type and mode, never by the content.

    type or mode                                 black   white
    8 bits (files, arrays, tensors)              0       255
    16 bits, unsigned (files, arrays, tensors)   0       65535
    16 bits, signed (files)                      0       32767
    12 bits packed (files)                       0       4095
    32-bit integers (files; Pillow's mode "I")   0       65535
    other integers (arrays, tensors)             0       255
    floats (files, arrays, tensors)              0       1
    bool, one bit                                0       1

Another scale is said for a whole set. Values outside are refused, but for what rounding adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

from semrsm_widgets.common import check_number, describe, message, read_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scale = tuple[float, float]
"""The values that are black and white."""

PREMULTIPLIED = {"RGBa": "RGBA", "La": "LA"}
EIGHT_BITS: Scale = (0.0, 255.0)
SIXTEEN_BITS: Scale = (0.0, 65535.0)
ONE: Scale = (0.0, 1.0)
_ROUNDING = 64
"""How many roundings of its type a value may be out of range, up to half a grey level."""
_LEAST_ROUNDING = 1e-5
"""As much as that in any type: values that were computed in float32 are handed on in others."""
CHANNEL_COUNTS = (1, 3, 4)
_WHITES = tuple(2.0**bits - 1 for bits in (8, 10, 12, 14, 16, 32))
BANDS_TODO = "Choose three of them, such as x[..., [3, 2, 1]]; a model of more bands sees none of the others here."


class ValueRangeError(ValueError):
    """Values that are no grey levels under the scale."""


def check_scale(scale: Any) -> Scale | None:
    """Return (black, white), or None for the scale of each type.

    Raises:
        TypeError, ValueError: it is neither a number above 0 nor two numbers in order.
    """
    if scale is None:
        return None
    expected = "the value that is white, or the values that are (black, white)"
    try:
        ends = [0.0, scale] if np.ndim(scale) == 0 else list(scale)
    except (TypeError, ValueError):
        raise TypeError(message("scale", expected, scale, "For 12-bit data: scale=4095.")) from None
    if isinstance(scale, bool | str) or len(ends) != 2:
        raise TypeError(message("scale", expected, scale, "For 12-bit data: scale=4095."))
    black, white = (check_number("scale", end) for end in ends)
    if black >= white:
        raise ValueError(message("scale", expected, scale, "White lies above black; invert the pictures otherwise."))
    return black, white


class FileValues(NamedTuple):
    """What a file says of its values that Pillow's mode does not.

    Attributes:
        scale: the values that are black and white in files of its kind; None for those of the mode.
        is_inverted: whether the largest value is black.
        is_unsigned: whether a negative 32-bit value stands for one above 2**31.
    """

    scale: Scale | None = None
    is_inverted: bool = False
    is_unsigned: bool = False


def to_rgb(
    image: Image.Image, name: str = "", scale: Scale | None = None, stored: FileValues | None = None
) -> Image.Image:
    """Return a new RGB copy: upright by EXIF, transparent parts over white, more than 8 bits scaled down to 8.

    Args:
        image: of any of Pillow's modes.
        name: of the picture, for errors.
        scale: the values that are black and white, where a picture has more than 8 bits; None for its type's.
        stored: what its file says of its values.

    Raises:
        ValueRangeError: values out of range, or NaN.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        stored = stored or FileValues()
        values = np.asarray(upright)
        if stored.is_unsigned:
            values = values.view(np.uint32)
        own = stored.scale or (ONE if upright.mode == "F" else SIXTEEN_BITS)
        grey = _levels(values, scale or own, f"image {name}", float(np.finfo(np.float32).eps))
        if stored.is_inverted:
            grey = 255 - grey
        clear = upright.info.get("transparency")
        if isinstance(clear, int):  # the grey value that a 16-bit PNG declares transparent
            grey = np.where(values == clear, np.uint8(255), grey)
        return Image.fromarray(grey).convert("RGB")
    if upright.mode == "LAB":  # its band "A" is a colour
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        seen = ImageCms.profileToProfile(upright, *profiles, outputMode="RGB")
        assert seen is not None  # a new image, as it is not asked to change the old one
        return seen
    upright = upright.convert(PREMULTIPLIED.get(upright.mode, upright.mode))
    if "A" in upright.getbands() or "transparency" in upright.info:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    rgb = upright.convert("RGB")
    return rgb.copy() if rgb is image else rgb


def to_pil(data: Any, name: str, scale: Scale | None = None) -> Image.Image:
    """Return a PIL image from a PIL image, an array (H, W), (H, W, 1 | 3 | 4), or a torch tensor (1 | 3 | 4, H, W).

    A fourth channel is transparency.

    Raises:
        TypeError: `data` is none of these.
        ValueError: the shape, dtype or range is not that of a picture; the text names the image.
    """
    if isinstance(data, Image.Image):
        return data
    if not is_array(data):
        todo = (
            "Give its pixels, with the values that are black and white in all: [each.pixel_array], scale=(low, high)."
        )
        is_dicom = hasattr(data, "PixelData")
        raise TypeError(message(f"image {name}", "a PIL image, an array or a tensor", data, todo if is_dicom else ""))
    is_tensor = hasattr(data, "detach")
    pixels, rounding = read_numbers(f"image {name}", data)
    _check_shape(pixels.shape, name, describe(data), is_tensor=is_tensor)
    if is_tensor and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return Image.fromarray(_to_uint8(pixels, name, scale, rounding))


def is_array(data: Any) -> bool:
    """Return whether a value is an array or a tensor, of whatever package, and no array of one number."""
    is_like = hasattr(data, "__array__") or hasattr(data, "detach") or hasattr(data, "__array_interface__")
    return is_like and not isinstance(data, Image.Image) and getattr(data, "ndim", 0) > 0


def has_depth(data: Any) -> bool:
    """Return whether an array has values that a scale applies to: neither 8 bits nor one."""
    return str(getattr(data, "dtype", "")).removeprefix("torch.") not in ("uint8", "bool")


def _check_shape(shape: tuple[int, ...], name: str, got: str, *, is_tensor: bool) -> None:
    """Refuse what is no picture's shape, with a hint that applies."""
    if 0 not in shape and (len(shape) == 2 or (len(shape) == 3 and shape[0 if is_tensor else 2] in CHANNEL_COUNTS)):
        return
    expected = "(3, H, W) or (H, W)" if is_tensor else "(H, W) or (H, W, 3)"
    todo = ""
    if 0 in shape:
        todo = "It is empty."
    elif len(shape) == 4 and 1 in shape:
        todo = "A batch of one picture is x[0]."
    elif len(shape) == 3:
        if shape[2 if is_tensor else 0] in CHANNEL_COUNTS:
            todo = (
                "Channels come first in tensors: x.permute(2, 0, 1)."
                if is_tensor
                else "Channels come last in arrays: np.moveaxis(x, 0, -1)."
            )
        else:
            bands = min(shape[0], shape[2])
            todo = f"Pictures are grey or RGB, and this one seems to have {bands} bands. {BANDS_TODO}"
    raise ValueError(message(f"image {name}", expected, got, todo))


def _to_uint8(pixels: NDArray[Any], name: str, scale: Scale | None, rounding: float) -> NDArray[np.uint8]:
    """Return 8-bit pixels; what is out of range is refused, not guessed."""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    where = f"image {name}"
    if pixels.dtype.kind not in "iuf":
        raise ValueError(message(where, "of real numbers", f"dtype {pixels.dtype}"))
    is_sixteen_bits = pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2
    own = ONE if pixels.dtype.kind == "f" else SIXTEEN_BITS if is_sixteen_bits else EIGHT_BITS
    if scale is not None and pixels.ndim == 3 and pixels.shape[-1] == 4:
        todo = "The scale says nothing of transparency: give x[..., :3]."
        raise ValueError(message(where, "(H, W) or (H, W, 3) with a scale of its own", str(pixels.shape), todo))
    is_free = scale is None and not is_sixteen_bits
    expected = "integers from 0 to 255 or floats from 0 to 1" if is_free else ""
    return _levels(pixels, scale or own, where, rounding, expected=expected)


def _levels(
    values: NDArray[Any], scale: Scale, where: str, rounding: float, *, expected: str = ""
) -> NDArray[np.uint8]:
    """Return values (...) as 0 for black to 255 for white."""
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    black, white = scale
    low, high = values.min(), values.max()
    is_float = values.dtype.kind == "f"
    slack = _slack(scale, rounding) if is_float else 0.0
    if not (low >= black - slack and high <= white + slack):  # also for NaN
        raise ValueRangeError(_range_fault(values, scale, where, expected))
    if values.dtype == np.uint16:
        table = ((np.arange(65536.0) - black) * (255 / (white - black))).clip(0, 255).round().astype(np.uint8)
        levels: NDArray[np.uint8] = table[values]
        return levels
    scaled = (values.astype(np.float64) - black) * (255 / (white - black))
    return scaled.clip(0, 255).round().astype(np.uint8)


def _slack(scale: Scale, rounding: float) -> float:
    """Return how far beyond the ends a value may be and still be rounding: at most half a grey level, or one ulp."""
    black, white = scale
    peak = max(abs(black), abs(white))
    return max(rounding * peak, min(max(_ROUNDING * rounding, _LEAST_ROUNDING) * peak, (white - black) / 510))


def _range_fault(values: NDArray[Any], scale: Scale, where: str, expected: str) -> str:
    """Return the error text: what was expected, what range was found, and what to pass."""
    finite = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    known = values[finite]
    low, high = (known.min(), known.max()) if known.size else (values.min(), values.max())
    got = f"{values.dtype} from {low!s} to {high!s}"
    missing = values.size - known.size
    black, white = scale
    is_in_memory = bool(expected)
    expected = expected or f"in the range from {black:.15g} to {white:.15g}"
    if missing:
        got += f" and {missing} of {values.size} values NaN or infinite"
        todo = "Fill what is missing, such as np.nan_to_num(x), or leave the picture out."
        return message(where, expected, got, todo)
    if values.dtype.kind == "f" and black - 0.5 * (white - black) <= low and high <= white + 0.5 * (white - black):
        todo = f"Where an interpolation overshot, clip it: x.clip({black:g}, {white:g}). "
    else:
        todo = ""
    if is_in_memory:
        todo += "Give the picture itself, before any normalisation: the model's transform is applied later. Or say "
    else:
        todo += "Say "
    todo += f"which values are black and white in the whole set, such as load_images(..., scale={_likely(low, high)})."
    return message(where, expected, got, todo)


def _likely(low: Any, high: Any) -> str:
    """Return a scale that holds such values: of a number of bits that is in use, or the range found."""
    is_integer = np.issubdtype(low.dtype, np.integer)
    white = next((white for white in _WHITES if white >= high), None)
    if low >= 0 and white is not None and (is_integer or white == EIGHT_BITS[1]):
        return f"{white:.0f}"
    return f"({low!s}, {high!s})" if low < high else "(black, white)"
