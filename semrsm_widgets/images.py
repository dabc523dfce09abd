"""Images: an ordered set of pictures with stable ids and labels, from folders, tables, arrays or datasets."""

from __future__ import annotations

import random
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets._decode import FileSource, Source
from semrsm_widgets._load import Entry, entries_of, with_labels
from semrsm_widgets.common import check_int, check_number, message

if TYPE_CHECKING:
    from PIL import Image

DEMO_NAMES = ("astronaut", "brick", "camera", "chelsea", "coffee", "hubble_deep_field", "retina", "rocket")
SMALLEST_CROP = 32  # pixels; below this a demo crop shows nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class Images:
    """N pictures in a fixed order; pixels are decoded on demand, thumbnails are remembered.

    Made by `load_images` and `demo_images`. Pictures come out as upright RGB: EXIF orientation is honoured,
    transparency is laid over white, 16-bit pictures are scaled down.

    Attributes:
        ids: a name for each picture, unique and stable: its path relative to the folder, never an absolute one.
        labels: a set of labels for each picture (empty: unlabelled), or None if nothing is labelled.
        note: what a reader should know about the choice of these pictures, without naming any; may be empty.
        left_out: names of the pictures that could not be read and were left out.

    Example:
        >>> images = demo_images()
        >>> len(images), images.ids[0], images.size(0)
        (16, 'astronaut/0', (225, 225))
    """

    ids: tuple[str, ...]
    sources: tuple[Source, ...] = field(repr=False)
    labels: tuple[frozenset[str], ...] | None = None
    note: str = ""
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.ids) == len(self.sources) == len(set(self.ids))
        assert self.labels is None or len(self.labels) == len(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self.image(i) for i in range(len(self)))

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.ids[:3])) + (", ..." if len(self) > 3 else "")
        kinds = len(frozenset().union(*self.labels)) if self.labels else 0
        parts = [
            f"{len(self)} image{'s' * (len(self) != 1)}",
            *([f"{kinds} label{'s' * (kinds != 1)}"] if kinds else []),
            *([self.note] if self.note else []),
        ]
        return f"Images({'; '.join(parts)}: {shown})"

    def image(self, i: int) -> Image.Image:
        """Return picture `i`, decoded now, as a new RGB PIL image.

        Raises:
            OSError: its file is damaged or gone; the text names the picture.
        """
        return self.sources[i].image()

    def size(self, i: int) -> tuple[int, int]:
        """Return (width, height) of picture `i` in pixels, upright, without decoding it where the file says so."""
        return self.sources[i].size()

    def thumbnail(self, i: int, size: int = 96) -> Image.Image:
        """Return picture `i` at no more than `size` pixels a side, without EXIF or other metadata; remembered."""
        return self.sources[i].thumbnail(check_int("size", size, minimum=1))

    def select(self, indices: Iterable[int]) -> Images:
        """Return the pictures at `indices`, in that order.

        Raises:
            IndexError: an index is outside the set.
            ValueError: an index comes twice.
        """
        chosen = [range(len(self))[check_int("indices", i, minimum=-len(self))] for i in indices]
        if len(set(chosen)) < len(chosen):
            raise ValueError(message("indices", "different integers", chosen))
        return replace(
            self,
            ids=tuple(self.ids[i] for i in chosen),
            sources=tuple(self.sources[i] for i in chosen),
            labels=None if self.labels is None else tuple(self.labels[i] for i in chosen),
        )


def load_images(source: Any, labels: Any = None, *, skip_unreadable: bool = False) -> Images:
    """Return the pictures of a folder, a table, a list or a dataset, in a stable order.

    Pixels are decoded later, when they are needed. One picture is accepted, but an RSM needs at least two.

    Args:
        source: one of

            - a folder: every picture in it and in its sub-folders, sorted by path; the first folder level at which
              they differ is the label; files whose name starts with a dot are left out;
            - a list of paths, PIL images, arrays (H, W), (H, W, 3) of 0...255 integers or 0...1 floats, or torch
              tensors (3, H, W); one array (N, H, W, 3);
            - a list of (image, label) pairs, or a dataset with `len()` and indexing such as torchvision's, given
              *without* its normalising transform;
            - a table with a column `path` and perhaps `label`: a data frame, a mapping of columns, or the path of
              a .csv or .tsv file (whose paths may be relative to it);
            - an `Images`, to give it other labels.
        labels: a label, or a set of labels, for each picture in order, or a mapping from id; replaces those found.
        skip_unreadable: go on without files that cannot be decoded, with a warning that names them. This decodes
            every file once.

    Raises:
        FileNotFoundError: `source` or a listed file does not exist.
        OSError: a file is no readable picture; the text names it.
        ValueError: there are no pictures, or labels do not fit them.
        TypeError: `source` is none of the above.

    Example:
        >>> images = load_images([np.zeros((32, 48), np.uint8), np.ones((32, 32, 3))], labels=["black", "white"])
        >>> images
        Images(2 images; 2 labels: '0', '1')
    """
    images, failures = open_images(source, labels, skip_unreadable=skip_unreadable)
    if failures:
        shown = " ".join(str(error) for error in failures[:3]) + (" ..." if len(failures) > 3 else "")
        total = len(images) + len(failures)
        warnings.warn(f"{len(failures)} of {total} images left out. {shown}", stacklevel=2)
    return images


def open_images(source: Any, labels: Any = None, *, skip_unreadable: bool = False) -> tuple[Images, list[OSError]]:
    """Return what `load_images` does, with the errors of what was left out in place of a warning."""
    if isinstance(source, Images):
        found = [Entry(i, s, None) for i, s in zip(source.ids, source.sources, strict=True)]
        if source.labels is not None:
            found = [e._replace(labels=names) for e, names in zip(found, source.labels, strict=True)]
    else:
        found = entries_of(source)
    if not found:
        raise ValueError(message("source", "a folder, list or table with at least one picture", "none"))
    if labels is not None:
        found = with_labels(found, labels)
    readable, failures = _readable(found, skip_unreadable=skip_unreadable)
    kept = {id(entry) for entry in readable}
    missing = tuple(entry.id for entry in found if id(entry) not in kept)
    note = f"{len(missing)} of {len(found)} left out, unreadable" if missing else ""
    return replace(_images_of(readable), note=note, left_out=missing), failures


def _images_of(entries: Sequence[Entry]) -> Images:
    """Return Images; ids are made unique, and pictures without a label in a labelled set get the empty set."""
    labelled = any(e.labels is not None for e in entries)
    return Images(
        ids=_unique([e.id for e in entries]),
        sources=tuple(e.source for e in entries),
        labels=tuple(e.labels or frozenset() for e in entries) if labelled else None,
    )


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with "#2", "#3", ... after repeated ones."""
    seen: dict[str, int] = defaultdict(int)
    result: list[str] = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(result)


def _readable(entries: list[Entry], *, skip_unreadable: bool) -> tuple[list[Entry], list[OSError]]:
    """Return the entries whose files can be read, and what was wrong with the others.

    Only headers are looked at, unless the others are to be skipped.
    """
    good: list[Entry] = []
    failures: list[OSError] = []
    for entry in entries:
        try:
            if isinstance(entry.source, FileSource):
                # A damaged file may have a sound header; only decoding tells. Reduced JPEG decoding is cheap enough.
                entry.source.image(draft=1) if skip_unreadable else entry.source.size()
            good.append(entry)
        except OSError as error:
            if not skip_unreadable:
                raise
            failures.append(error)
    if not good:
        raise failures[0]
    return good, failures


def subset(images: Images, n: int, seed: int = 0) -> Images:
    """Return at most `n` of the pictures, chosen at random but spread evenly over the labels, in their old order.

    Args:
        images: the pictures to choose from; returned as they are if there are no more than `n`.
        n: how many to keep, at least 1.
        seed: the choice depends on this and on the ids alone.
    """
    check_int("n", n, minimum=1)
    if len(images) <= n:
        return images
    rng = random.Random(check_int("seed", seed, minimum=0))
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i in range(len(images)):
        groups[tuple(sorted(images.labels[i])) if images.labels else ()].append(i)
    piles = [rng.sample(group, len(group)) for _, group in sorted(groups.items())]
    rng.shuffle(piles)  # with fewer places than labels, which labels come must not depend on the alphabet
    chosen: list[int] = []
    while len(chosen) < n:
        for pile in piles:
            if pile and len(chosen) < n:
                chosen.append(pile.pop())
    notes = [*filter(None, [images.note]), f"{n} of {len(images)}, seed {seed}"]
    return replace(images.select(sorted(chosen)), note="; ".join(notes))


def demo_images(crops: int = 2, overlap: float = 0.5, seed: int = 0) -> Images:
    """Return overlapping square crops of eight photographs that ship with the package.

    The crops of one photograph show the same things at shifted places: alike when patches may be compared wherever
    they are, unlike when each is compared with the patch at its own place (Wald et al. 2024, figure 2). Ids are
    "astronaut/0", "astronaut/1", ...; the label is the photograph's name. Sources and licences are in CREDITS.md
    beside the files.

    Args:
        crops: crops of each photograph; each is shifted by the same step from the one before, and all have the
            largest side that fits.
        overlap: the share of its *area* that a crop has in common with the next one, in [0, 1), up to rounding to
            whole pixels.
        seed: decides the direction of the step (along or across, diagonal or not) and where the row of crops lies.

    Raises:
        ValueError: an argument is out of range, or so many crops so far apart would be under 32 pixels wide.

    Example:
        >>> demo_images(crops=3).ids[:4]
        ('astronaut/0', 'astronaut/1', 'astronaut/2', 'brick/0')
    """
    check_int("crops", crops, minimum=1)
    check_number("overlap", overlap, minimum=0)
    if overlap >= 1:
        raise ValueError(message("overlap", "below 1", overlap, "Crops that share everything are the same picture."))
    rng = random.Random(check_int("seed", seed, minimum=0))
    entries: list[Entry] = []
    for name in DEMO_NAMES:
        path = Path(str(files(__package__) / "data" / f"{name}.jpg"))
        width, height = FileSource(name, path).size()
        for k, box in enumerate(crop_boxes(width, height, crops, overlap, rng)):
            ident = f"{name}/{k}"
            entries.append(Entry(ident, FileSource(ident, path, box), frozenset({name})))
    return _images_of(entries)


def crop_boxes(
    width: int, height: int, crops: int, overlap: float, rng: random.Random
) -> list[tuple[int, int, int, int]]:
    """Return `crops` square boxes in a row, each sharing `overlap` of its area with the next, as large as fits."""
    # In units of the side, a step (u, v) leaves (1 - u)(1 - v) in common.
    u = rng.uniform(0, 1 - overlap)
    v = 1 - overlap / (1 - u)
    if rng.random() < 0.5:
        u, v = v, u
    side = int(min(width / (1 + (crops - 1) * u), height / (1 + (crops - 1) * v)))
    if side < SMALLEST_CROP:
        todo = f"{crops} crops with overlap {overlap:g} do not fit into {width} x {height} pixels."
        raise ValueError(message("crops", "few enough to be seen", crops, todo))
    left, top = (rng.uniform(0, room - side * (1 + (crops - 1) * step)) for room, step in ((width, u), (height, v)))
    flip = rng.random() < 0.5
    boxes: list[tuple[int, int, int, int]] = []
    for k in range(crops):
        x = int(left + k * u * side)
        y = int(top + (crops - 1 - k if flip else k) * v * side)
        boxes.append((x, y, x + side, y + side))
    return boxes
