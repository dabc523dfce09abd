"""Folders, tables, lists and datasets, brought to one form: `Images`."""

from __future__ import annotations

import csv
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from semrsm_widgets.common import message

from .image_set import Images
from .sources import FileSource, ItemSource, MemorySource, Source, to_pil

Labels = frozenset[str]

_SUFFIX_LIST = "jpg jpeg jfif png webp avif bmp gif tif tiff ppm pgm pbm pnm jp2 tga heic heif"
SUFFIXES = frozenset(f".{name}" for name in _SUFFIX_LIST.split(" "))
TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t"}
ACCEPTED = "a folder, a table, a list of paths, PIL images or arrays, or a dataset"


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
    return replace(images_of(readable), note=note, left_out=missing), failures


def images_of(entries: Sequence[Entry]) -> Images:
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


class Entry(NamedTuple):
    """One picture on its way into `Images`; labels None: nothing is known, empty: unlabelled."""

    id: str
    source: Source
    labels: Labels | None


def entries_of(source: Any) -> list[Entry]:
    """Return the entries of anything `load_images` accepts."""
    if isinstance(source, (str, os.PathLike)):
        return _from_path(Path(source).expanduser())
    if isinstance(source, Mapping) or (hasattr(source, "columns") and hasattr(source, "__getitem__")):
        return _from_table(source, Path())
    if hasattr(source, "samples") and hasattr(source, "classes"):  # torchvision's ImageFolder: it knows its files
        paths, targets = [Path(s[0]) for s in source.samples], [s[1] for s in source.samples]
        return _from_paths(paths, [label_set(source.classes[t]) for t in targets])
    if isinstance(source, Image.Image) or (getattr(source, "ndim", None) in (2, 3) and not _is_stack(source)):
        todo = "One picture goes in a list: load_images([picture])."
        raise TypeError(message("source", ACCEPTED, type(source).__name__, todo))
    if not isinstance(source, Iterable) and not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise TypeError(message("source", ACCEPTED, source))
    return _from_items(source)


def _is_stack(array: Any) -> bool:
    """Return whether a 3-D array is N grey pictures (N, H, W) and not one picture in colour."""
    return array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and not hasattr(array, "detach")


def _from_path(path: Path) -> list[Entry]:
    if path.is_dir():
        return _from_folder(path)
    if not path.exists():
        # The user typed this path, so it may be repeated as it came.
        raise FileNotFoundError(message("source", "an existing folder or file", repr(str(path)), "Check the spelling."))
    delimiter = TABLE_SUFFIXES.get(path.suffix.lower())
    if delimiter is None:
        return _from_paths([path], None)
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter=delimiter))
        columns = {key: [row[key] for row in rows] for key in (rows[0] if rows else {}) if key is not None}
    if not rows:
        raise ValueError(message("source", "a table with at least one row", repr(path.name)))
    return _from_table(columns, path.parent)


def _from_folder(folder: Path) -> list[Entry]:
    """Return every picture under `folder`, sorted by relative path, labelled by sub-folder."""
    names: list[str] = []
    for root, folders, found in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(root).relative_to(folder)
        names += [
            (inside / name).as_posix()
            for name in found
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    if not names:
        kinds = ", ".join(sorted(SUFFIXES))
        raise ValueError(message("source", f"a folder with pictures ({kinds})", f"none in {str(folder)!r}"))
    names.sort()
    return [
        Entry(name, FileSource(name, folder / name), labels)
        for name, labels in zip(names, _folder_labels(names), strict=True)
    ]


def _folder_labels(names: Sequence[str]) -> list[Labels | None]:
    """Return the first folder level at which the paths differ, so that photos/train/<label>/ works as well."""
    parents = [name.split("/")[:-1] for name in names]
    shared = 0
    while all(len(parts) > shared and parts[shared] == parents[0][shared] for parts in parents):
        shared += 1
    if all(len(parts) == shared for parts in parents):
        return [None] * len(names)
    return [frozenset(parts[shared : shared + 1]) for parts in parents]


def _from_table(table: Any, folder: Path) -> list[Entry]:
    """Return the rows of a mapping of columns or a data frame; relative paths start at `folder`."""
    columns = [str(name) for name in (table.columns if hasattr(table, "columns") else table)]
    if "path" not in columns:
        got = f"the columns {', '.join(columns) or 'none'}"
        raise ValueError(message("source", "a table with a column 'path' (and perhaps 'label')", got))
    paths = [folder / Path(os.fspath(path)).expanduser() for path in table["path"]]
    labels = [label_set(label) for label in table["label"]] if "label" in columns else None
    return _from_paths(paths, labels, folder)


def _from_paths(paths: Sequence[Path], labels: Sequence[Labels] | None, folder: Path | None = None) -> list[Entry]:
    """Return files with ids relative to `folder` if all lie in it, else to the deepest folder that holds them all."""
    whole = [os.path.abspath(path) for path in paths]
    base = os.path.abspath(folder) if folder is not None else ""
    try:
        if not base or os.path.commonpath([base, *whole]) != base:
            base = os.path.commonpath([os.path.dirname(path) for path in whole])
        names = [Path(os.path.relpath(path, base)).as_posix() for path in whole]
    except ValueError:  # on different drives, or an empty list
        names = [path.name for path in paths]
    known: Sequence[Labels | None] = labels if labels is not None else [None] * len(names)
    return [
        Entry(name, FileSource(name, Path(path)), label) for name, path, label in zip(names, whole, known, strict=True)
    ]


def _from_items(source: Any) -> list[Entry]:
    """Return the items of a list, array or dataset: paths, pictures, or (picture or path, label) pairs."""
    in_memory = isinstance(source, (list, tuple)) or hasattr(source, "ndim") or not hasattr(source, "__getitem__")
    items = list(source) if in_memory else None
    count = len(source) if items is None else len(items)
    classes = getattr(source, "classes", None)
    targets = getattr(source, "targets", None)
    if items is None and targets is not None and len(targets) == count:
        # The dataset knows its labels, so nothing has to be decoded to learn them; item 0 shows if it fits at all.
        if count:
            ItemSource("0", source, 0).image()
        return [Entry(str(i), ItemSource(str(i), source, i), label_set(targets[i], classes)) for i in range(count)]
    entries: list[Entry] = []
    for i in range(count):
        item = source[i] if items is None else items[i]
        picture, label = item[:2] if isinstance(item, (tuple, list)) and len(item) >= 2 else (item, None)
        known = None if label is None else label_set(label, classes)
        if isinstance(picture, (str, os.PathLike)):
            entries.append(Entry("", FileSource("", Path(picture).expanduser()), known))
            continue
        if not isinstance(picture, Image.Image):
            to_pil(picture, str(i))  # a wrong shape or range is an error of the call, not of a later one
        made = MemorySource(str(i), picture) if items is not None else ItemSource(str(i), source, i)
        entries.append(Entry(str(i), made, known))
    return _name_files(entries)


def _name_files(entries: list[Entry]) -> list[Entry]:
    """Return the entries with the ids of those that are files, which depend on all of them."""
    at = [i for i, entry in enumerate(entries) if isinstance(entry.source, FileSource)]
    if at:
        for i, named in zip(at, _from_paths([_path(entries[i]) for i in at], None), strict=True):
            entries[i] = named._replace(labels=entries[i].labels)
    return entries


def _path(entry: Entry) -> Path:
    assert isinstance(entry.source, FileSource)
    return entry.source.path


def label_set(label: Any, classes: Sequence[Any] | None = None) -> Labels:
    """Return a label, or several, as a set of str; None, NaN and "" are no label; an integer may index `classes`."""
    if isinstance(label, (set, frozenset, list, tuple)):
        return frozenset().union(*(label_set(one, classes) for one in label))
    if hasattr(label, "item"):  # a NumPy or torch scalar
        label = label.item()
    if label is None or label == "" or label != label:
        return frozenset()
    if classes is not None and isinstance(label, int) and 0 <= label < len(classes):
        label = classes[label]
    return frozenset({str(label)})


def with_labels(entries: list[Entry], labels: Any) -> list[Entry]:
    """Return the entries with the labels a user gave: one for each in order, or by id."""
    if isinstance(labels, Mapping):
        unknown = [key for key in labels if key not in {entry.id for entry in entries}]
        if unknown:
            raise ValueError(message("labels", "a mapping from ids of these images", f"the key {unknown[0]!r}"))
        return [entry._replace(labels=label_set(labels.get(entry.id))) for entry in entries]
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise TypeError(message("labels", "one label, or set of labels, for each image", labels))
    given = list(labels)
    if len(given) != len(entries):
        raise ValueError(message("labels", f"{len(entries)} labels, one for each image", f"{len(given)}"))
    return [entry._replace(labels=label_set(label)) for entry, label in zip(entries, given, strict=True)]
