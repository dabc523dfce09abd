"""Where the pixels of one image come from, and how they become an upright RGB picture."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from semrsm_widgets.common import describe, message

if TYPE_CHECKING:
    from pathlib import Path

ORIENTATION_TAG = 0x0112
PREMULTIPLIED = {"RGBa": "RGBA", "La": "LA"}
SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height

# A user's dataset, or a PIL image that is still to be read from its file, may not stand two threads at a time.
# Reentrant, as a dataset may take from another one.
_ONE_AT_A_TIME = threading.RLock()

HEIC_SUFFIXES = {".heic", ".heif"}
HEIC_TODO = "Pillow needs pillow-heif to read HEIC: pip install pillow-heif, or save the photograph as JPEG."


@dataclass(frozen=True, eq=False)
class Source(ABC):
    """One image, decoded on demand; thumbnails and the size are remembered, full pixels are not.

    Attributes:
        name: what the image is called in error messages (its id; never an absolute path).
    """

    name: str
    _thumbnails: dict[int, Image.Image] = field(default_factory=dict, init=False, repr=False)
    _size: list[tuple[int, int]] = field(default_factory=list, init=False, repr=False)

    @abstractmethod
    def image(self, draft: int | None = None) -> Image.Image:
        """Return a new upright RGB picture; `draft` allows a cheaper, smaller one of at least `draft` pixels a side."""

    def size(self) -> tuple[int, int]:
        """Return (width, height) of the upright picture in pixels."""
        if not self._size:
            self._size.append(self.measure())
        return self._size[0]

    def measure(self) -> tuple[int, int]:
        """Return the size by decoding; sources that know better override it."""
        return self.image().size

    def digest(self) -> str:
        """Return a hash of the picture's content, read anew each time: a changed picture has another."""
        picture = self.image()
        return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()

    def thumbnail(self, size: int) -> Image.Image:
        """Return a copy of at most `size` pixels a side that carries no metadata."""
        if size not in self._thumbnails:
            small = self.image(draft=2 * size)
            small.thumbnail((size, size), Image.Resampling.LANCZOS)
            # A picture rebuilt from its bytes has no EXIF, no ICC profile, no comment.
            self._thumbnails[size] = Image.frombytes("RGB", small.size, small.tobytes())
        return self._thumbnails[size].copy()


@dataclass(frozen=True, eq=False)
class FileSource(Source):
    """A picture in a file, or the part of it inside `box` (left, top, right, bottom; pixels of the upright picture)."""

    path: Path
    box: tuple[int, int, int, int] | None = None

    def image(self, draft: int | None = None) -> Image.Image:
        """Decode the file; errors name the image."""
        try:
            with self._open() as raw:
                if draft is not None and self.box is None:
                    raw.draft(None, (draft, draft))  # lets libjpeg decode at 1/2, 1/4 or 1/8
                picture = to_rgb(raw)
        except Exception as error:
            raise self._unreadable(error) from error
        return picture if self.box is None else picture.crop(self.box)

    def measure(self) -> tuple[int, int]:
        """Read the size from the header, without decoding."""
        if self.box is not None:
            return self.box[2] - self.box[0], self.box[3] - self.box[1]
        try:
            with self._open() as raw:
                width, height = raw.size
                sideways = raw.getexif().get(ORIENTATION_TAG) in SIDEWAYS
        except Exception as error:
            raise self._unreadable(error) from error
        return (height, width) if sideways else (width, height)

    def digest(self) -> str:
        """Return the hash of the file's bytes, without decoding it, and of the box."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise self._unreadable(error) from error
        return hashlib.sha256(f"{self.box}".encode() + content).hexdigest()

    def _open(self) -> Image.Image:
        if self.path.suffix.lower() in HEIC_SUFFIXES:
            _register_heif()
        return Image.open(self.path)

    def _unreadable(self, error: Exception) -> OSError:
        if isinstance(error, FileNotFoundError):
            return FileNotFoundError(f"image {self.name!r} does not exist (any more).")
        if self.path.suffix.lower() in HEIC_SUFFIXES:
            return OSError(f"image {self.name!r} cannot be read. {HEIC_TODO}")
        # Pillow's own text for an unknown format repeats the absolute path, which must not leave this machine.
        why = "it is in no format that Pillow knows" if isinstance(error, UnidentifiedImageError) else str(error)
        todo = "Replace the file, or leave it out with load_images(..., skip_unreadable=True)."
        return OSError(f"image {self.name!r} cannot be read: {why}. {todo}")


@dataclass(frozen=True, eq=False)
class MemorySource(Source):
    """A picture that is already in memory: a PIL image, an array, or a tensor (C, H, W)."""

    data: Any

    def image(self, draft: int | None = None) -> Image.Image:
        """Convert to RGB; the user's object is not changed."""
        picture = to_pil(self.data, self.name)
        with _ONE_AT_A_TIME:
            picture.load()
        return to_rgb(picture)


@dataclass(frozen=True, eq=False)
class ItemSource(Source):
    """Item `index` of a dataset, fetched on demand; an item is an image or (image, label, ...)."""

    dataset: Any
    index: int

    def image(self, draft: int | None = None) -> Image.Image:
        """Fetch the item and convert it to RGB."""
        with _ONE_AT_A_TIME:
            item = self.dataset[self.index]
        return to_rgb(to_pil(item[0] if isinstance(item, (tuple, list)) else item, self.name))


def _register_heif() -> None:
    """Let Pillow read HEIC if pillow-heif is installed; otherwise opening the file fails with a hint."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    register_heif_opener()


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a new RGB copy: upright by EXIF, transparent parts over white, more than 8 bits scaled down to 8."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        return _scale_to_8_bits(upright)
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


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    """Return RGB from a mode with 16 or 32 bits, which Pillow's own convert() would clip to white."""
    values = np.asarray(image, dtype=np.float64)
    top = (
        1.0 if image.mode == "F" and values.max(initial=0) <= 1 else 255.0 if values.max(initial=0) <= 255 else 65535.0
    )
    return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8)).convert("RGB")


def to_pil(data: Any, name: str) -> Image.Image:
    """Return a PIL image from a PIL image, an array (H, W), (H, W, 1 | 3 | 4), or a torch tensor (1 | 3 | 4, H, W).

    Raises:
        TypeError: `data` is none of these.
        ValueError: the shape, dtype or range is not that of a picture; the text names the image.
    """
    if isinstance(data, Image.Image):
        return data
    is_tensor = hasattr(data, "detach")
    if not is_tensor and not isinstance(data, np.ndarray):
        raise TypeError(message(f"image {name}", "a PIL image, an array or a tensor", data))
    pixels = np.asarray(data.detach().cpu() if is_tensor else data)
    if is_tensor and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.size == 0 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (3, 4))):
        todo = "Channels come last in arrays: np.moveaxis(x, 0, -1)." if not is_tensor else ""
        raise ValueError(message(f"image {name}", "(H, W) or (H, W, 3)", describe(data), todo))
    return Image.fromarray(_to_uint8(pixels, name))


def _to_uint8(pixels: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return 8-bit pixels from 0...255 integers or 0...1 floats; anything else is refused, not guessed."""
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    low, high = pixels.min(), pixels.max()
    if np.issubdtype(pixels.dtype, np.integer) and low >= 0 and high <= 255:
        return np.ascontiguousarray(pixels, dtype=np.uint8)
    if np.issubdtype(pixels.dtype, np.floating) and low >= 0 and high <= 1:  # False for NaN
        return (pixels * 255).round().astype(np.uint8)
    got = f"{pixels.dtype} from {low:g} to {high:g}"
    todo = "Give the picture itself, before any normalisation: the model's transform is applied later."
    raise ValueError(message(f"image {name}", "integers from 0 to 255 or floats from 0 to 1", got, todo))
