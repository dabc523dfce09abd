"""Where the pixels of one image come from; every kind hands out an upright RGB picture."""

from __future__ import annotations

import hashlib
import io
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from semrsm_widgets.common import home_expanded, listed, message, without_path

from .file_facts import FileFacts, opened, read_facts, unreadable
from .pixels import Scale, ValueRangeError, is_array, to_pil, to_rgb

# A user's dataset, or a PIL image that is still to be read from its file, may not stand two threads at a time.
# Reentrant, as a dataset may take from another one.
_ONE_AT_A_TIME = threading.RLock()

ENCODED_KEYS = ("jpg", "jpeg", "png", "webp")
"""Under these a WebDataset keeps the bytes of a picture's file."""
PICTURE_KEYS = ("image", "img", "picture", "photo", "pixels", *ENCODED_KEYS)
"""What the picture is called in items that are mappings, in columns and in records."""
PATH_KEYS = ("path", "filepath", "file_path", "image_path", "filename", "file_name", "file")
LABEL_KEYS = ("label", "labels", "target", "class", "category", "fine_label", "cls", "y")
_PIXEL_RULE = 2  # raise it when the same file would give other pixels


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
    """A picture in a file, or the part of it inside `box` (left, top, right, bottom; pixels of the upright picture).

    Attributes:
        path: of the file.
        box: the part; None for all.
        scale: the values that are black and white, where it has more than 8 bits; None for its type's.
        frame: which of several frames or pages; None for the first.
    """

    path: Path
    box: tuple[int, int, int, int] | None = None
    scale: Scale | None = None
    frame: int | None = None
    _facts: list[FileFacts] = field(default_factory=list, init=False, repr=False)

    def facts(self) -> FileFacts:
        """Return what the file's header says, read once.

        Raises:
            OSError: it cannot be read; the text names the image.
        """
        if not self._facts:
            try:
                self._facts.append(read_facts(self.path, self.frame))
            except Exception as error:
                raise unreadable(self.name, self.path, error) from without_path(error)
        return self._facts[0]

    def image(self, draft: int | None = None) -> Image.Image:
        """Decode the file; errors name the image."""
        facts = self.facts()
        try:
            if self.scale is not None and facts.is_cut_to_8_bits:
                todo = "read it with tifffile or imageio and give the array"
                raise ValueError(f"Pillow cuts 16-bit colours to 8, so `scale` cannot be applied; {todo}")
            with opened(self.path, self.frame, quiet=facts.is_large) as raw:
                if draft is not None and self.box is None:
                    raw.draft(None, (draft, draft))  # lets libjpeg decode at 1/2, 1/4 or 1/8
                picture = to_rgb(raw, self.name, self.scale, facts.values)
        except ValueRangeError as error:
            raise OSError(str(error)) from error
        except Exception as error:
            raise unreadable(self.name, self.path, error) from without_path(error)
        return picture if self.box is None else picture.crop(self.box)

    def measure(self) -> tuple[int, int]:
        """Read the size from the header, without decoding."""
        if self.box is not None:
            return self.box[2] - self.box[0], self.box[3] - self.box[1]
        return self.facts().size

    def digest(self) -> str:
        """Return the hash of the file's bytes, without decoding it, and of the box."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise unreadable(self.name, self.path, error) from without_path(error)
        how = f"{self.box}"
        if self.facts().scale is not None or self.frame is not None:
            how += f" {self.scale} {self.frame} {_PIXEL_RULE}"
        return hashlib.sha256(how.encode() + content).hexdigest()


@dataclass(frozen=True, eq=False)
class MemorySource(Source):
    """A picture that is already in memory: a PIL image, an array, a tensor (C, H, W), or the bytes of a file."""

    data: Any
    scale: Scale | None = None

    def image(self, draft: int | None = None) -> Image.Image:
        """Convert to RGB; the user's object is not changed."""
        picture = as_picture(self.data, self.name, self.scale)
        with _ONE_AT_A_TIME:
            picture.load()
        return to_rgb(picture, self.name, self.scale)


@dataclass(frozen=True, eq=False)
class ItemSource(Source):
    """Item `index` of a dataset or of a lazy array, fetched on demand.

    Attributes:
        dataset: what is indexed.
        index: with what.
        key: under which an item that is a mapping has its picture; None to look for it.
        scale: as in `FileSource`.
    """

    dataset: Any
    index: int
    key: str | None = None
    scale: Scale | None = None

    def image(self, draft: int | None = None) -> Image.Image:
        """Fetch the item and convert it to RGB."""
        with _ONE_AT_A_TIME:
            item = self.dataset[self.index]
            picture = as_picture(picture_of(item, self.name, self.key), self.name, self.scale)
            picture.load()
        return to_rgb(picture, self.name, self.scale)


def picture_of(item: Any, name: str, key: str | None = None) -> Any:
    """Return the picture of an item: of a mapping by its name, of a pair the first, else the item itself.

    Raises:
        TypeError: a mapping in which none is found.
    """
    if isinstance(item, Mapping):
        found = key if key in item else find_key(item, (*PICTURE_KEYS, *PATH_KEYS))
        if found is None and {"bytes", "path"} <= set(item):
            return item  # an undecoded picture of Hugging Face
        if found is None:
            pictures = [each for each, value in item.items() if isinstance(value, Image.Image)]
            found = pictures[0] if len(pictures) == 1 else None
        if found is None:
            todo = "Give (picture, label) pairs: [(item['...'], item['...']) for item in dataset]."
            raise TypeError(message(f"image {name}", "under the key 'image'", f"the keys {listed(item)}", todo))
        return item[found]
    return item[0] if isinstance(item, tuple | list) and item else item


def find_key(names: Any, wanted: tuple[str, ...]) -> Any:
    """Return the first of the wanted names that is there, whatever its case and blanks; None if there is none."""
    plain: dict[str, Any] = {}
    for name in names:
        plain.setdefault(str(name).strip().casefold(), name)
    return next((plain[each] for each in wanted if each in plain), None)


def as_picture(data: Any, name: str, scale: Scale | None = None) -> Image.Image:
    """Return a PIL image from what an item holds: a picture, an array, a file's path or bytes.

    Raises:
        TypeError, ValueError: as `to_pil`.
        OSError: bytes that are no picture.
    """
    if isinstance(data, Mapping) and data.get("bytes") is not None:
        data = data["bytes"]
    elif isinstance(data, Mapping) and data.get("path"):
        data = data["path"]
    if isinstance(data, bytes | bytearray | memoryview):
        try:
            with Image.open(io.BytesIO(data)) as image:
                return image.copy()
        except Exception as error:
            raise unreadable(name, Path(), error) from error
    if isinstance(data, str | Path):
        return FileSource(name, home_expanded(name, data), scale=scale).image()
    return to_pil(data, name, scale)


def is_picture(data: Any) -> bool:
    """Return whether a value is something that `as_picture` reads, and no path."""
    return isinstance(data, Image.Image | bytes | bytearray) or is_array(data)
