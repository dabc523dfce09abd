"""Folders, tables, lists and datasets, brought to one form: `Images`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from semrsm_widgets.common import (
    Meter,
    Progress,
    ProgressOption,
    check_int,
    home_expanded,
    in_words_of,
    message,
    printable,
    shown_path,
)

from .datasets import from_items
from .entries import Entry, Found, images_of, named, of_file
from .file_facts import WAYS_IN
from .folders import from_folder
from .image_set import Images
from .labels import given_labels
from .pixels import Scale, check_scale, has_depth, is_array
from .refusals import ACCEPTED, check_stack, refuse_stranger
from .sources import FileSource, ItemSource, MemorySource
from .tables import TABLE_SUFFIXES, from_csv, from_table, is_table

_TOLD_EVERY = 16
"""Pictures: opening a file takes less than telling a notebook's bar of it."""


def load_images(
    source: Any,
    labels: Any = None,
    *,
    scale: float | tuple[float, float] | None = None,
    frame: int | None = None,
    skip_unreadable: bool = False,
    progress: ProgressOption = None,
) -> Images:
    """Return the pictures of a folder, a table, a list or a dataset, in a stable order.

    Pixels are decoded later, when they are needed. One picture is accepted, but an RSM needs at least two.

    Args:
        source: one of

            - a folder: every picture in it and in its sub-folders, sorted by path; the first folder level at which
              they differ is the label; links are followed; files whose name starts with a dot are left out, and what
              else is there is counted in `Images.note`;
            - a list of paths, PIL images, arrays (H, W), (H, W, 3), or torch tensors (3, H, W); one array
              (N, H, W, 3), in memory or not (zarr, dask, h5py, xarray). A fourth channel is transparency. An iterator
              of paths, such as `Path.rglob`'s, has no order of its own and is sorted;
            - a list of (image, label) pairs or of mappings with `image` and `label`, or a dataset with `len()` and
              indexing such as torchvision's, given *without* its normalising transform; torch's `Subset`,
              `random_split` and `ConcatDataset` of these; a Hugging Face dataset, with its class names;
            - a table with a column `path` (or `image`) and perhaps `label`: a data frame of any package, a mapping of
              columns, or the path of a .csv or .tsv file (whose paths may be relative to it);
            - an `Images`, to give it other labels or another scale.
        labels: a label, or a set of labels, for each picture in order, or a mapping from id; replaces those found. A
            label is a text or a number; None, NaN and NA are no label.
        scale: the value that is white in pictures of more than 8 bits or of floats, such as 4095 for 12-bit data, or
            the values (black, white); one for the whole set. None takes those of the type, whatever a picture holds:
            0 to 65535 for 16-bit files and arrays and 32-bit integer files, 0 to 1 for floats, 0 to 255 for other
            integers in memory. Pictures of 8 bits stay as they are. Values outside are refused.
        frame: which frame or page is read of an animated GIF, WebP, PNG or AVIF or a TIFF of several pages, from 0;
            negative from the end. None reads the first (of a PIL image the one at which it stands); `Images.note` says
            how many there are.
        skip_unreadable: go on without files that cannot be decoded, with a warning that names them. This decodes
            every file once.
        progress: as for `matched_gram`, with (files opened, pictures in all).

    Raises:
        FileNotFoundError: `source` or a listed file does not exist.
        OSError: a file is no readable picture; the text names it.
        ValueError: there are no pictures, or labels, scale or frame do not fit them.
        TypeError: `source` is none of the above, or a label is no text and no number.

    Example:
        >>> images = load_images([np.zeros((32, 48), np.uint8), np.ones((32, 32, 3))], labels=["black", "white"])
        >>> images
        Images(2 images; 2 labels: '0', '1')
    """
    with Meter("Opening the pictures", progress, unit="pictures") as meter:
        images, lines = open_images(
            source, labels, scale=scale, frame=frame, skip_unreadable=skip_unreadable, progress=meter
        )
    if scale is not None and not any(map(_takes_scale, images.sources)):
        todo = "Pictures of 8 bits have their own, 255. For another one give floats: x / white."
        raise ValueError(message("scale", "None for these pictures", scale, todo))
    if lines:
        warnings.warn(" ".join(lines), stacklevel=2)
    return images


def as_images(images: Any, name: str = "images", *, progress: ProgressOption = None) -> Images:
    """Return Images, or what `load_images` makes of something else.

    Args:
        images: of a caller.
        name: what the caller's argument is called.
        progress: the caller's, whose function is told of its own steps alone.
    """
    if isinstance(images, Images):
        return images
    with in_words_of({"`source`": f"`{name}`"}):
        return load_images(images, progress=False if callable(progress) else progress)


def check_source(source: Any) -> None:
    """Raise, without reading any picture, for what is seen to be none of the things that `load_images` accepts.

    Raises:
        TypeError, ValueError: as in `load_images`.
    """
    if isinstance(source, str) and not source.strip():  # to a path it is the folder at hand
        raise ValueError(message("source", ACCEPTED, "an empty text", "The folder at hand is '.'."))
    if isinstance(source, str | os.PathLike):
        return
    refuse_stranger(source)
    if is_array(source) and not is_table(source):
        check_stack(source)


def open_images(
    source: Any,
    labels: Any = None,
    *,
    scale: Any = None,
    frame: int | None = None,
    skip_unreadable: bool = False,
    progress: Progress | None = None,
) -> tuple[Images, list[str]]:
    """Return what `load_images` does, with the lines of its warning in place of it; a scale need not apply."""
    given = check_scale(scale)
    if frame is not None:
        check_int("frame", frame, minimum=-(2**31))
    in_order = labels is not None and not isinstance(labels, Mapping)
    found = _found(source, given, frame, labelled=labels is None, in_order=in_order, skip_unreadable=skip_unreadable)
    if not found.entries:
        raise ValueError(message("source", "a folder, list or table with at least one picture", "none"))
    entries = [entry._replace(source=_settled(entry.source, given, frame)) for entry in found.entries]
    if labels is not None:
        ids = images_of(entries).ids
        known = given_labels(labels, ids)
        entries = [entry._replace(labels=names) for entry, names in zip(entries, known, strict=True)]
    readable, failures = _readable(entries, skip_unreadable=skip_unreadable, progress=progress)
    kept = {id(entry) for entry in readable}
    missing = tuple(entry.id for entry in entries if id(entry) not in kept)
    notes = [f"{len(missing)} of {len(entries)} left out, unreadable"] if missing else []
    lines = list(found.warnings)
    if failures:
        shown = " ".join(str(error) for error in failures[:3]) + (" ..." if len(failures) > 3 else "")
        lines.insert(0, f"{len(failures)} of {len(entries)} images left out. {shown}")
    notes += [*found.notes, *_notes([entry.source for entry in readable], given, frame)]
    images = replace(images_of(readable), note="; ".join(dict.fromkeys(notes)), left_out=missing, scale=given)
    if isinstance(source, Images):
        images = replace(images, left_out=source.left_out + missing, scale=given or source.scale)
    return images, lines


def _found(
    source: Any, scale: Scale | None, frame: int | None, *, labelled: bool, in_order: bool, skip_unreadable: bool
) -> Found:
    """Return the pictures of anything `load_images` accepts."""
    if isinstance(source, Images):
        known = source.labels or [None] * len(source)
        entries = [Entry(i, s, names) for i, s, names in zip(source.ids, source.sources, known, strict=True)]
        return Found(entries, [source.note] if source.note else [])
    check_source(source)
    if isinstance(source, str | os.PathLike):
        if isinstance(source, str) and "://" in source:
            return Found([of_file(source, None)])
        return _from_path(home_expanded("source", source), labelled=labelled, skip_unreadable=skip_unreadable)
    if is_table(source):
        return Found(from_table(source, Path(), labelled=labelled, scale=scale))
    return from_items(source, labelled=labelled, in_order=in_order, scale=scale, frame=frame)


def _from_path(path: Path, *, labelled: bool, skip_unreadable: bool) -> Found:
    if os.path.isdir(path):  # a name that is too long raises nothing here
        return from_folder(path, skip_unreadable=skip_unreadable)
    if not os.path.exists(path):
        expected = "an existing folder or file"
        raise FileNotFoundError(message("source", expected, repr(shown_path(path)), "Check the spelling."))
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return Found(from_csv(path, labelled=labelled))
    if suffix in WAYS_IN:
        raise ValueError(
            message("source", "a folder, a table or a picture", repr(printable(path.name)), WAYS_IN[suffix])
        )
    return Found(named([of_file(path, None)]))


def _settled(source: Any, scale: Scale | None, frame: int | None) -> Any:
    """Return a source under a scale and a frame that were said."""
    if scale is not None and isinstance(source, FileSource | MemorySource | ItemSource) and source.scale != scale:
        source = replace(source, scale=scale)
    if frame is not None and isinstance(source, FileSource):
        source = replace(source, frame=frame)
    return source


def _takes_scale(source: Any) -> bool:
    """Return whether a scale changes a picture, or may: of an item that was not fetched that is not known."""
    if isinstance(source, FileSource):
        return source.facts().scale is not None or source.facts().is_cut_to_8_bits
    if isinstance(source, MemorySource):
        return str(getattr(source.data, "mode", "")).startswith(("I", "F")) or (
            hasattr(source.data, "dtype") and has_depth(source.data)
        )
    return True


def _notes(sources: list[Any], scale: Scale | None, frame: int | None) -> list[str]:
    """Return what is to be said of how the pictures are read: frames, scale, bands."""
    facts = [source.facts() for source in sources if isinstance(source, FileSource) and source.box is None]
    notes = []
    several = [each.frames for each in facts if each.frames > 1]
    if several:
        which = "the first of each is read" if frame is None else f"frame {frame} of each is read (the first is 0)"
        if len(several) == 1:
            which = which.replace("the first of each", "the first").replace("of each ", "")
        whose = f"{len(several)} picture{'s' * (len(several) != 1)} of {sum(several)} frames"
        notes.append(f"{whose}, {which}")
    whites = {each.scale for each in facts if each.scale is not None}
    whites |= {
        (0.0, 65535.0) for source in sources if isinstance(source, MemorySource) and _is_sixteen_bits(source.data)
    }
    if scale is not None:
        notes.append(f"black is {scale[0]:g}, white is {scale[1]:g} in pictures of more than 8 bits")
    elif deep := sorted(white for _, white in whites if white > 1):
        notes.append(f"white is {' or '.join(f'{white:g}' for white in deep)} in pictures of more than 8 bits")
    more = sum(each.has_more_bands for each in facts)
    if more:
        notes.append(f"{more} with further bands, which are not read")
    return notes


def _is_sixteen_bits(data: Any) -> bool:
    return str(getattr(data, "mode", "")).startswith("I") or str(getattr(data, "dtype", "")).endswith("uint16")


def _readable(
    entries: list[Entry], *, skip_unreadable: bool, progress: Progress | None
) -> tuple[list[Entry], list[OSError]]:
    """Return the entries whose files can be read, and what was wrong with the others.

    Only headers are looked at, unless the others are to be skipped.
    """
    good: list[Entry] = []
    failures: list[OSError] = []
    for done, entry in enumerate(entries):
        if progress is not None and done % _TOLD_EVERY == 0:
            progress(done, len(entries))
        try:
            if isinstance(entry.source, FileSource):
                entry.source.size()
                # A damaged file may have a sound header; only decoding tells. Reduced JPEG decoding is cheap enough.
                if skip_unreadable:
                    entry.source.image(draft=1)
            good.append(entry)
        except OSError as error:
            if not skip_unreadable:
                raise
            failures.append(error)
    if progress is not None:
        progress(len(entries), len(entries))
    if not good:
        raise failures[0]
    return good, failures
