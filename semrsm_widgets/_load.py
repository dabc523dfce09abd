"""What `load_images` accepts, brought to one form: a list of entries."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from semrsm_widgets._decode import FileSource, ItemSource, MemorySource, Source, to_pil
from semrsm_widgets.common import message

Labels = frozenset[str]

_SUFFIX_LIST = "jpg jpeg jfif png webp avif bmp gif tif tiff ppm pgm pbm pnm jp2 tga heic heif"
SUFFIXES = frozenset(f".{name}" for name in _SUFFIX_LIST.split(" "))
TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t"}
ACCEPTED = "a folder, a table, a list of paths, PIL images or arrays, or a dataset"


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
