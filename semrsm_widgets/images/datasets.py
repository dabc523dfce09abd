"""Datasets, lists and arrays of pictures: what this field's people hold them in, read or refused with the way in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from semrsm_widgets.common import message, printable

from .entries import Entry, Found, named, of_file
from .file_facts import SUFFIXES
from .labels import label_set
from .pixels import Scale, is_array, to_rgb
from .refusals import ACCEPTED, channels_last, check_stack
from .sources import LABEL_KEYS, PICTURE_KEYS, ItemSource, MemorySource, as_picture, find_key, is_picture, picture_of

_OWN_LOADERS = {"default_loader", "pil_loader", "accimage_loader"}


@dataclass
class Members:
    """What is gathered on the way through nested datasets.

    Attributes:
        labelled: whether labels are wanted.
        scale: for pictures in memory.
        frame: which frame of a PIL image; None for the one at which it stands.
        roots: the folders of datasets that know their files.
        is_transformed: whether a dataset has a transform of its own, which its files are read without.
    """

    labelled: bool
    scale: Scale | None
    frame: int | None
    roots: list[Path] = field(default_factory=list)
    is_transformed: bool = False

    def of(self, source: Any, chosen: Sequence[int] | None = None) -> list[Entry]:
        """Return the pictures of a dataset, or the chosen ones of them; files are still to be named."""
        if _is_torch(source, "Subset"):
            indices = [int(index) for index in source.indices]
            return self.of(source.dataset, indices if chosen is None else [indices[k] for k in chosen])
        if _is_torch(source, "ConcatDataset"):
            return self._of_parts(source.datasets, chosen)
        if _knows_files(source):
            return self._of_files(source, chosen)
        if is_array(source):
            return self._of_array(source, chosen)
        return self._of_items(source, chosen)

    def _of_parts(self, parts: Sequence[Any], chosen: Sequence[int] | None) -> list[Entry]:
        """Return the pictures of datasets, one after the other."""
        places = [(part, k) for part, dataset in enumerate(parts) for k in range(len(dataset))]
        wanted = places if chosen is None else [places[k] for k in chosen]
        queues: list[Iterator[Entry]] = []
        for part, dataset in enumerate(parts):
            own = [k for where, k in wanted if where == part]
            queues.append(iter(self.of(dataset, own) if own else []))
        return [next(queues[part]) for part, _ in wanted]

    def _of_files(self, source: Any, chosen: Sequence[int] | None) -> list[Entry]:
        """Return the pictures of a dataset that lists its files, as torchvision's do, without opening them."""
        paths, targets = _files_of(source)
        where = range(len(paths)) if chosen is None else chosen
        classes = getattr(source, "classes", None)
        if getattr(source, "root", None):
            self.roots.append(Path(source.root))
        loader = getattr(source, "loader", None)
        own_loader = loader is not None and getattr(loader, "__name__", "") not in _OWN_LOADERS
        entries = []
        for k in where:
            path = Path(paths[k])
            labels = label_set(targets[k], classes, image=path.name) if self.labelled else None
            entry = of_file(path, labels)
            if own_loader or path.suffix.lower() not in SUFFIXES:
                name = printable(os.path.relpath(path, getattr(source, "root", path.parent)))
                entry = Entry(name, ItemSource(name, source, k, scale=self.scale), labels)
            else:
                self.is_transformed |= any(getattr(source, each, None) for each in ("transform", "transforms"))
            entries.append(entry)
        return entries

    def _of_array(self, array: Any, chosen: Sequence[int] | None) -> list[Entry]:
        """Return the pictures of an array (N, H, W, 3) or (N, H, W), of a tensor (N, 3, H, W)."""
        stack = channels_last(array)
        count = int(stack.shape[0])
        where = range(count) if chosen is None else chosen
        if is_lazy := not _is_in_memory(stack):
            first = ItemSource("0", stack, 0, scale=self.scale)
            if count:
                first.image()  # a wrong shape is an error of the call; the others are read when they are needed
        entries = []
        for k in where:
            name = str(k)
            if is_lazy:
                entries.append(Entry("", ItemSource(name, stack, int(k), scale=self.scale), None))
            else:
                as_picture(stack[k], name, self.scale)
                entries.append(Entry("", MemorySource(name, stack[k], self.scale), None))
        return entries

    def _of_items(self, source: Any, chosen: Sequence[int] | None) -> list[Entry]:
        """Return the items of a list, an iterable or a dataset: pictures, paths, pairs or mappings."""
        is_listed = isinstance(source, list | tuple)
        in_memory = is_listed or not (hasattr(source, "__getitem__") and hasattr(source, "__len__"))
        items = _kept(source) if in_memory and not is_listed else source
        if is_listed:
            _refuse_one_for_all(items)
        where = range(len(items)) if chosen is None else chosen
        columns = _Columns.of(source)
        targets = None if in_memory else columns.targets
        if targets is not None and len(targets) == len(items):
            # The dataset knows its labels, so nothing has to be decoded to learn them; one item shows if it fits.
            if len(where):
                ItemSource(str(where[0]), source, where[0], columns.picture, self.scale).image()
            sources = [ItemSource(str(k), source, k, columns.picture, self.scale) for k in where]
            known = [self._labels(targets[k], columns, k) for k in where]
            return [Entry("", item, labels) for item, labels in zip(sources, known, strict=True)]
        return [self._of_item(items[k], k, None if in_memory else source, columns) for k in where]

    def _of_item(self, item: Any, k: int, dataset: Any, columns: _Columns) -> Entry:
        """Return the picture of one item; it is fetched again later if it is of a dataset."""
        name = printable(str(item["__key__"])) if isinstance(item, Mapping) and "__key__" in item else ""
        picture = picture_of(item, name or str(k), columns.picture)
        has_label, label = _label_of(item, columns.label)
        labels = self._labels(label, columns, name or k) if has_label else None
        if isinstance(picture, str | os.PathLike):
            return of_file(picture, labels)
        if isinstance(picture, Image.Image):
            if dataset is None and _has_frames(picture):
                picture = self._frame_of(picture)
            if picture.mode.startswith(("I", "F")):
                to_rgb(picture, name or str(k), self.scale)
        else:
            as_picture(picture, name or str(k), self.scale)  # a wrong shape or range is an error of the call
        if dataset is None:
            return Entry(name, MemorySource(name or str(k), picture, self.scale), labels)
        return Entry(name, ItemSource(name or str(k), dataset, k, columns.picture, self.scale), labels)

    def _frame_of(self, picture: Image.Image) -> Image.Image:
        """Return a frame of a picture as one of its own: the user may go on through the frames of theirs."""
        if self.frame is None:
            return picture.copy()
        before = picture.tell()
        picture.seek(self.frame % picture.n_frames)  # type: ignore[attr-defined]
        frame = picture.copy()
        picture.seek(before)
        return frame

    def _labels(self, label: Any, columns: _Columns, image: int | str) -> frozenset[str] | None:
        if not self.labelled:
            return None
        return label_set(label, columns.classes, image=str(image), indices=columns.are_indices)


def from_items(source: Any, *, labelled: bool, in_order: bool, scale: Scale | None, frame: int | None) -> Found:
    """Return the pictures of a list, an array, an iterable or a dataset.

    Args:
        source: what holds them.
        labelled: whether their own labels are wanted.
        in_order: whether labels are given one for each in order.
        scale: for pictures in memory.
        frame: for PIL images of several frames.

    Raises:
        TypeError: it is none of these; the text says how such pictures get in, where that is known.
        ValueError: labels in order for pictures that have none.
    """
    if is_array(source):
        check_stack(source)
        if getattr(source, "ndim", 0) == 1:
            source = list(source)
    elif hasattr(source, "to_pylist"):  # a column of pyarrow
        source = source.to_pylist()
    elif isinstance(source, set | frozenset) or hasattr(source, "__next__"):
        source = _ordered(_kept(source), source, in_order=in_order)
    gathered = Members(labelled, scale, frame)
    entries = gathered.of(source)
    root = Path(os.path.commonpath([root.absolute() for root in gathered.roots])) if gathered.roots else None
    notes = ["read without the dataset's own transform"] if gathered.is_transformed else []
    return Found(named(entries, root), notes)


@dataclass(frozen=True)
class _Columns:
    """What a dataset says of its items.

    Attributes:
        picture: the key of the picture in items that are mappings; None where that is to be looked for.
        label: the key of the label.
        classes: names that integers stand for.
        targets: all labels in order, known without fetching an item.
        are_indices: whether a list of labels holds class numbers.
    """

    picture: str | None = None
    label: str | None = None
    classes: Sequence[Any] | None = None
    targets: Sequence[Any] | None = None
    are_indices: bool = False

    @classmethod
    def of(cls, source: Any) -> _Columns:
        """Return what is known: of torchvision's datasets, of Hugging Face's by their features."""
        features = getattr(source, "features", None)
        if isinstance(features, Mapping):
            return cls._of_features(source, features)
        targets = next((t for each in ("targets", "labels") if _is_column(t := getattr(source, each, None))), None)
        return cls(classes=_classes(source), targets=targets)

    @classmethod
    def _of_features(cls, source: Any, features: Mapping[str, Any]) -> _Columns:
        names = list(features)
        pictures = [name for name in names if type(features[name]).__name__ == "Image"]
        picture = pictures[0] if len(pictures) == 1 else find_key(pictures or names, PICTURE_KEYS)
        with_names = [name for name in names if _class_names(features[name]) is not None]
        label = find_key(names, LABEL_KEYS) or (with_names[0] if len(with_names) == 1 else None)
        classes = None if label is None else _class_names(features[label])
        targets = None
        if label is not None and hasattr(source, "__len__"):
            targets = list(source[label])  # a column alone: no picture is decoded
        is_list = label is not None and not hasattr(features[label], "names")
        return cls(picture, label, classes, targets, classes is not None and is_list)


def _class_names(feature: Any) -> Sequence[Any] | None:
    """Return the class names of a feature of Hugging Face, or of the members of a list of them."""
    inner = getattr(feature, "feature", None)
    if inner is None and isinstance(feature, list) and len(feature) == 1:
        inner = feature[0]
    names = getattr(inner if inner is not None else feature, "names", None)
    return names if isinstance(names, list | tuple) else None


def _classes(source: Any) -> Sequence[Any] | None:
    """Return the class names of a dataset, or of the one that it wraps."""
    for _ in range(8):
        names = getattr(source, "classes", None)
        if isinstance(names, list | tuple):
            return names
        source = getattr(source, "dataset", None)
    return None


def _is_column(value: Any) -> bool:
    return (
        value is not None and hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str)
    )


def _label_of(item: Any, key: str | None) -> tuple[bool, Any]:
    """Return whether an item has a label, and that."""
    if isinstance(item, Mapping):
        found = key if key in item else find_key(item, LABEL_KEYS)
        return found is not None, None if found is None else item[found]
    if isinstance(item, tuple | list) and len(item) >= 2:
        return item[1] is not None, item[1]
    return False, None


def _is_torch(source: Any, kind: str) -> bool:
    """Return whether a dataset is one of torch's own wrappers, whose items are those of what it wraps.

    A class of a user's that fetches items in its own way, to transform them say, is a dataset like others.
    """
    torch = sys.modules.get("torch.utils.data")
    wrapper = getattr(torch, kind, None)
    return wrapper is not None and isinstance(source, wrapper) and type(source).__getitem__ is wrapper.__getitem__


def _knows_files(source: Any) -> bool:
    """Return whether a dataset lists its files and labels, in one of torchvision's ways."""
    if isinstance(getattr(source, "samples", None), list) and hasattr(source, "classes"):
        return all(isinstance(each, tuple) and len(each) == 2 for each in source.samples[:1])
    return any(_is_column(getattr(source, each, None)) for each in ("_image_files", "_images")) and _is_column(
        getattr(source, "_labels", None)
    )


def _files_of(source: Any) -> tuple[list[Any], Sequence[Any]]:
    if hasattr(source, "samples"):
        return [sample[0] for sample in source.samples], [sample[1] for sample in source.samples]
    return list(getattr(source, "_image_files", None) or source._images), source._labels


def _is_in_memory(array: Any) -> bool:
    """Return whether an array's pictures are views of it, rather than read from a file or computed."""
    return hasattr(array, "detach") or hasattr(array, "__array_interface__")


def _kept(source: Iterable[Any]) -> list[Any]:
    """Return what an iterable yields; frames copied, as one object shows them one after the other."""
    items = []
    for item in source:
        if _has_frames(item):
            items.append(item.copy())
        elif isinstance(item, tuple) and item and _has_frames(item[0]):
            items.append((item[0].copy(), *item[1:]))
        else:
            items.append(item)
    return items


def _has_frames(item: Any) -> bool:
    return isinstance(item, Image.Image) and getattr(item, "n_frames", 1) > 1


def _refuse_one_for_all(items: Sequence[Any]) -> None:
    """Refuse the frames of a picture where they are one object, which shows the last of them."""
    several = [id(item) for item in items if _has_frames(item)]
    if len(set(several)) < len(several):
        todo = "A copy of each keeps them: [frame.copy() for frame in ImageSequence.Iterator(picture)]."
        raise ValueError(message("source", "different pictures", "one object of several frames, again and again", todo))


def _ordered(items: list[Any], source: Any, *, in_order: bool) -> list[Any]:
    """Return what an iterator or a set yields; bare paths sorted, as their order is a file system's, or none."""
    is_set = isinstance(source, set | frozenset)
    if not (is_set or (items and all(isinstance(item, str | os.PathLike) for item in items))):
        return items
    if in_order:
        todo = "Give a list, such as sorted(paths), or labels by id."
        got = f"a {type(source).__name__}, whose order is not fixed"
        raise ValueError(message("source", "a list where labels come one for each in order", got, todo))
    if any(is_picture(item) for item in items):
        raise TypeError(message("source", ACCEPTED, "a set, which has no order", "Give a list."))
    if not all(isinstance(item, str | os.PathLike) for item in items):
        raise TypeError(message("source", ACCEPTED, f"a set that holds a {type(next(iter(items))).__name__}"))
    return sorted(items, key=os.fspath)
