"""Images: an ordered set of pictures with stable ids and labels."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from semrsm_widgets.common import check_int, message

from .sources import Source

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, eq=False, kw_only=True)
class Images:
    """N pictures in a fixed order; pixels are decoded on demand, thumbnails are remembered.

    Made by `load_images` and `demo_images`. Pictures come out as upright RGB: EXIF orientation is honoured,
    transparency is laid over white, more than 8 bits are scaled down by the type or by `scale`, never by what a picture
    holds. Of a file of several frames or pages one is read: the first, unless another was chosen.

    Attributes:
        ids: a name for each picture, unique and stable: its path relative to the folder, never an absolute one.
        labels: a set of labels for each picture (empty: unlabelled), or None if nothing is labelled.
        note: what a reader should know about the choice of these pictures, without naming any; may be empty.
        left_out: names of the pictures that could not be read and were left out.
        scale: the values that are black and white in pictures of more than 8 bits, if they were said.

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
    scale: tuple[float, float] | None = None

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
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)  # sorted as text: another order is another choice
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
