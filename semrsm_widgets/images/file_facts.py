"""What a picture's file says of itself before it is decoded, and why one cannot be read."""

from __future__ import annotations

import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from semrsm_widgets.common import message

from .pixels import CHANNEL_COUNTS, ONE, SIXTEEN_BITS, FileValues, Scale

_SUFFIX_LIST = "jpg jpeg jfif png webp avif bmp gif tif tiff ppm pgm pbm pnm jp2 tga heic heif"
SUFFIXES = frozenset(f".{name}" for name in _SUFFIX_LIST.split(" "))
HEIC_SUFFIXES = {".heic", ".heif"}
HEIC_TODO = "Pillow needs pillow-heif to read HEIC: pip install pillow-heif, or save the photograph as JPEG."
ORIENTATION_TAG = 0x0112
SIDEWAYS = {5, 6, 7, 8}  # EXIF orientations that swap width and height
BITS, PHOTOMETRIC, SAMPLES, SAMPLE_FORMAT = 258, 262, 277, 339  # tags of TIFF
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # sample formats of TIFF
WHITE_IS_ZERO = 0
_BIG_TIFF = 43

_FIRST_LOOK = threading.Lock()

WAYS_IN = {
    ".npy": "Give the array: load_images(np.load(path)).",
    ".npz": "Give one of its arrays: load_images(np.load(path)['images']).",
    ".dcm": "Read it with pydicom and say which values are black and white: "
    "load_images([pydicom.dcmread(path).pixel_array], scale=(low, high)).",
    ".nii": "Read it with nibabel and give its slices as arrays, with scale=(low, high).",
    ".gz": "Unpack it first.",
    ".zip": "Unpack it first, and give the folder.",
    ".tar": "Unpack it first, and give the folder; or give webdataset.WebDataset(path).",
    ".h5": "Give one of its arrays: load_images(h5py.File(path)['images']).",
    ".hdf5": "Give one of its arrays: load_images(h5py.File(path)['images']).",
    ".mat": "Give its array: load_images(scipy.io.loadmat(path)['images']).",
    ".zarr": "Give the array: load_images(zarr.open(path)).",
    ".pt": "Give the tensor: load_images(torch.load(path)).",
    ".parquet": "Read it as a table: load_images(pandas.read_parquet(path)).",
    ".xlsx": "Read it as a table, load_images(pandas.read_excel(path)), or save it as CSV.",
    ".json": "Read it, and give a list of paths and a list of labels.",
    ".jsonl": "Read it, and give a list of paths and a list of labels.",
    ".txt": "Give a list of paths, or a .csv with a column `path`.",
    ".svg": "Draw it as PNG first.",
    ".pdf": "Draw its pages as PNG first.",
    ".mp4": "Take frames from it first; a list of arrays is read.",
    ".avi": "Take frames from it first; a list of arrays is read.",
    ".mov": "Take frames from it first; a list of arrays is read.",
}
"""How the content of files that are no pictures for Pillow gets in."""


@dataclass(frozen=True)
class FileFacts:
    """What the header says.

    Attributes:
        size: (width, height), upright.
        frames: how many frames or pages there are.
        values: what the mode does not say of the values.
        scale: the values that are black and white unless others are said; None where a picture has 8 bits.
        is_cut_to_8_bits: whether Pillow reads colours of more bits as 8, so that no scale can be applied.
        has_more_bands: whether bands are left out.
        is_large: whether Pillow warns of its size.
    """

    size: tuple[int, int]
    frames: int
    values: FileValues
    scale: Scale | None
    is_cut_to_8_bits: bool
    has_more_bands: bool
    is_large: bool


@contextmanager
def opened(path: Path, frame: int | None, *, quiet: bool) -> Iterator[Image.Image]:
    """Give a picture's file, not decoded, at one of its frames.

    Args:
        path: of the file.
        frame: which; None for the first.
        quiet: whether Pillow's warning of a large picture is kept back. Filters belong to all threads, so that only one
            thread at a time may do so.

    Raises:
        OSError: no picture; its text may hold the path.
        ValueError: there is no such frame.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):  # to open a pipe would wait for a writer
        kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
        what = next((words for test, words in kinds if test(mode)), "a device")
        raise OSError(f"it is {what}, no file")
    if path.suffix.lower() in HEIC_SUFFIXES:
        _register_heif()
    if quiet:
        with _FIRST_LOOK, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
    else:
        image = Image.open(path)
    with image:
        if frame is not None:
            count = getattr(image, "n_frames", 1)
            if not -count <= frame < count:
                had = f"{count} frame{'s' * (count != 1)}"
                todo = f"Choose load_images(..., frame=...) from 0 to {count - 1}."
                raise ValueError(message("frame", "one that every picture has", f"{frame} where there are {had}", todo))
            image.seek(frame % count)
        yield image


def read_facts(path: Path, frame: int | None) -> FileFacts:
    """Return what the header says, without decoding.

    Raises:
        OSError, ValueError: as `opened`; or values that Pillow would read wrongly.
    """
    with opened(path, frame, quiet=True) as raw:
        stored = str(getattr(raw, "tile", ""))  # before getexif, which decodes a PNG
        width, height = raw.size
        if raw.getexif().get(ORIENTATION_TAG) in SIDEWAYS:
            width, height = height, width
        limit = Image.MAX_IMAGE_PIXELS
        is_deep = raw.mode.startswith(("I", "F"))
        values, scale, more = FileValues(), None, False
        if raw.format == "TIFF":
            values, more = _tiff_values(raw.tag_v2, raw.mode)  # type: ignore[attr-defined]
        if is_deep:
            scale = values.scale or (ONE if raw.mode == "F" else SIXTEEN_BITS)
        return FileFacts(
            size=(width, height),
            frames=int(getattr(raw, "n_frames", 1)) if getattr(raw, "is_animated", False) else 1,
            values=values,
            scale=scale,
            is_cut_to_8_bits=not is_deep and ";16" in stored,
            has_more_bands=more,
            is_large=limit is not None and width * height > limit,
        )


def unreadable(name: str, path: Path, error: Exception) -> OSError:
    """Return the error that names a picture and says why it cannot be read; never with an absolute path."""
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return FileNotFoundError(f"image {name!r} is a link to a file that does not exist (any more).")
        return FileNotFoundError(f"image {name!r} does not exist (any more).")
    suffix = path.suffix.lower()
    if suffix in HEIC_SUFFIXES:
        return OSError(f"image {name!r} cannot be read. {HEIC_TODO}")
    todo = "Replace the file, or leave it out with load_images(..., skip_unreadable=True)."
    if isinstance(error, UnidentifiedImageError):
        # Pillow's own text repeats the absolute path, which must not leave this machine.
        if suffix in WAYS_IN and suffix not in SUFFIXES:
            return OSError(f"image {name!r} cannot be read: {suffix} is no picture to Pillow. {WAYS_IN[suffix]}")
        is_empty = path.is_file() and path.stat().st_size == 0
        why = "the file is empty" if is_empty else _why_no_tiff(path) or "it is in no format that Pillow knows"
    elif isinstance(error, Image.DecompressionBombError):
        why = _why_too_large(str(error))
    elif isinstance(error, OSError) and error.strerror:
        why = error.strerror
    else:
        why = str(error) or type(error).__name__
    return OSError(f"image {name!r} cannot be read: {' '.join(why.split()).rstrip('.')}. {todo}")


def _tiff_values(tags: Any, mode: str) -> tuple[FileValues, bool]:
    """Return what a TIFF says of its values, and whether it has bands that Pillow passes over."""
    bits = _first(tags.get(BITS), 1)
    kind = _first(tags.get(SAMPLE_FORMAT), UNSIGNED)
    if kind == SIGNED and bits == 8:
        raise ValueError("it holds signed 8-bit values, which Pillow reads as unsigned; save them as 16-bit ones")
    scales = {(12, UNSIGNED): (0.0, 4095.0), (16, SIGNED): (0.0, 32767.0)}
    values = FileValues(
        scale=scales.get((bits, kind)) if mode.startswith("I") else None,
        is_inverted=mode.startswith(("I", "F")) and tags.get(PHOTOMETRIC) == WHITE_IS_ZERO,
        is_unsigned=mode == "I" and bits == 32 and kind == UNSIGNED,
    )
    shown = {"L": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "LA": 2, "RGB": 3}.get(mode, 4)
    return values, int(tags.get(SAMPLES, 1)) > shown


def _first(value: Any, default: int) -> int:
    return default if value is None else int(value[0] if isinstance(value, tuple) else value)


def _why_no_tiff(path: Path) -> str:
    """Return what a TIFF holds that Pillow does not read; "" if it is none."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start[:2] not in (b"II", b"MM"):
                return ""
            start += file.read(8) if _BIG_TIFF in start[2:4] else b""
            tags = TiffImagePlugin.ImageFileDirectory_v2(start)
            file.seek(tags.next)
            tags.load(file)
    except Exception:
        return ""
    bits, samples = _first(tags.get(BITS), 1), int(tags.get(SAMPLES, 1))
    kind = {SIGNED: "signed integers", FLOAT: "floats"}.get(_first(tags.get(SAMPLE_FORMAT), UNSIGNED), "integers")
    bands = f"{samples} bands of " if samples > 1 else ""
    what = f"it is a TIFF of {bands}{bits}-bit {kind}"
    if samples in CHANNEL_COUNTS:
        return f"{what}, which Pillow does not read; give the array: load_images([tifffile.imread(path)])"
    return f"{what}, and pictures are grey or RGB; choose three bands of tifffile.imread(path), and give the array"


def _why_too_large(text: str) -> str:
    """Return Pillow's refusal of a picture of very many pixels, with what lifts it."""
    count, limit = ([int(number) for number in re.findall(r"\d+", text)] + [0, 0])[:2]
    return (
        f"it has {count:,} pixels, and Pillow opens no more than {limit:,}; if you trust it, set "
        "PIL.Image.MAX_IMAGE_PIXELS = None before"
    )


def _register_heif() -> None:
    """Let Pillow read HEIC if pillow-heif is installed; otherwise opening the file fails with a hint."""
    try:
        from pillow_heif import register_heif_opener  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return
    register_heif_opener()
