"""Selection: some of a set of images, in an order, by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from semrsm_widgets.common import check_int, data_frame, listed, message, suggest

from .image_set import Images
from .labels import sorted_labels


@dataclass(frozen=True, eq=False)
class Selection(Sequence[str]):
    """Some images of a set, in an order: a sequence of their ids.

    Attributes:
        images: the set.
        indices: where the images chosen stand in it.

    Example:
        >>> chosen = Selection.of(srsm.demo_images(), ["coffee/0", "chelsea/1"])
        >>> list(chosen), chosen.indices
        (['coffee/0', 'chelsea/1'], (8, 7))
    """

    images: Images = field(repr=False)
    indices: tuple[int, ...] = ()

    @classmethod
    def of(cls, images: Images, chosen: Any, *, name: str = "selection") -> Selection:
        """Return the images chosen, once each is known.

        Args:
            images: the set.
            chosen: their ids, or indices; a Selection, also of another set that has these ids; None for none. A column
                of a data frame will do.
            name: of the parameter, for the error.

        Raises:
            TypeError: it is no sequence of ids or indices; one id alone is none.
            ValueError: an image is unknown, or comes twice.
        """
        if chosen is None:
            return cls(images)
        if isinstance(chosen, Selection) and chosen.images is images:
            return chosen
        expected = f"ids, or indices, of some of the {len(images)} images"
        todo = "Give a list: [...]."
        if isinstance(chosen, str | bytes) or not isinstance(chosen, Iterable):
            raise TypeError(message(name, expected, chosen, todo))
        try:
            chosen = list(chosen)
        except TypeError:  # an array of no axes
            raise TypeError(message(name, expected, chosen, todo)) from None
        place = {each: k for k, each in enumerate(images.ids)}
        indices = []
        for each in chosen:
            if isinstance(each, str):
                if each not in place:
                    raise ValueError(message(name, expected, repr(each), suggest(each, images.ids)))
                indices.append(place[each])
            else:
                indices.append(check_int(name, each, minimum=0, maximum=len(images) - 1, todo="Ids are strings."))
        twice = {images.ids[k] for k in indices if indices.count(k) > 1} if len(set(indices)) < len(indices) else set()
        if twice:
            raise ValueError(message(name, f"{expected}, each once", f"{listed(sorted(twice))} twice"))
        return cls(images, tuple(indices))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the images chosen, in their order."""
        return tuple(self.images.ids[k] for k in self.indices)

    def to_images(self) -> Images:
        """Return the images chosen, in their order."""
        return self.images.select(self.indices)

    def to_frame(self) -> Any:
        """Return a `pandas.DataFrame` with a line for each image: id, index, and labels joined by commas.

        Raises:
            ImportError: pandas is not installed; the text says what to install.

        Example:
            >>> frame = explorer.selection.to_frame()
            >>> explorer.selection = frame.loc[frame.labels == "cat", "id"]
        """
        labels = self.images.labels
        words = ["" if labels is None else ", ".join(sorted_labels(labels[k])) for k in self.indices]
        return data_frame({"id": list(self.ids), "index": list(self.indices), "labels": words})

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    @overload
    def __getitem__(self, k: int) -> str: ...
    @overload
    def __getitem__(self, k: slice) -> tuple[str, ...]: ...
    def __getitem__(self, k: int | slice) -> str | tuple[str, ...]:
        return self.ids[k]

    def __eq__(self, other: object) -> bool:
        return self.ids == other.ids if isinstance(other, Selection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        ids = f": {listed(self.ids)}" if self.indices else ""
        return f"Selection({len(self)} of {len(self.images)} images{ids})"
