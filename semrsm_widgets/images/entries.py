"""Pictures on their way into `Images`: each with its source and labels, and then with an id of its own."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from semrsm_widgets.common import clipped, home_expanded, message, printable

from .image_set import Images
from .labels import Labels
from .sources import FileSource, Source

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class Entry(NamedTuple):
    """One picture; labels None: nothing is known, empty: unlabelled."""

    id: str
    source: Source
    labels: Labels | None


@dataclass
class Found:
    """What a source of pictures held.

    Attributes:
        entries: the pictures.
        notes: what a reader should know of the choice, without naming any.
        warnings: what was passed over, by name.
    """

    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def images_of(entries: Sequence[Entry]) -> Images:
    """Return Images; ids are made unique, and pictures without a label in a labelled set get the empty set."""
    labelled = any(e.labels is not None for e in entries)
    return Images(
        ids=unique_ids([e.id for e in entries]),
        sources=tuple(e.source for e in entries),
        labels=tuple(e.labels or frozenset() for e in entries) if labelled else None,
    )


def unique_ids(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names with "#2", "#3", ... after repeated ones."""
    seen: dict[str, int] = defaultdict(int)
    taken = set(names)
    result: list[str] = []
    for name in names:
        seen[name] += 1
        made = name
        while seen[name] > 1 and (made := f"{name}#{seen[name]}") in taken:
            seen[name] += 1  # somebody's own name ends so
        taken.add(made)
        result.append(made)
    return tuple(result)


def named(entries: Sequence[Entry], folder: Path | None = None) -> list[Entry]:
    """Return the entries with their ids: files by path, others by position.

    Paths are relative to `folder` if all files lie in it, else to the deepest folder that holds them all.
    """
    paths = [entry.source.path for entry in entries if isinstance(entry.source, FileSource)]
    names = iter(_relative(paths, folder))
    result = []
    for k, entry in enumerate(entries):
        name = next(names) if isinstance(entry.source, FileSource) else entry.id or str(k)
        result.append(Entry(name, replace(entry.source, name=name), entry.labels))
    return result


def _relative(paths: Sequence[Path], folder: Path | None) -> list[str]:
    if not paths:
        return []
    whole = [os.path.abspath(path) for path in paths]
    base = os.path.abspath(folder) if folder is not None else ""
    try:
        if not base or os.path.commonpath([base, *whole]) != base:
            base = os.path.commonpath([os.path.dirname(path) for path in whole])
        return [printable(Path(os.path.relpath(path, base)).as_posix()) for path in whole]
    except ValueError:  # on different drives
        return [printable(path.name) for path in paths]


def of_file(path: str | os.PathLike[str], labels: Labels | None) -> Entry:
    """Return a file that is still to be named.

    Raises:
        ValueError: it is an address in a network.
    """
    if isinstance(path, str) and _ADDRESS.match(path):
        todo = "Fetch it first, and give the file."
        raise ValueError(message("source", "files on this machine", clipped(repr(path)), todo))
    path = Path(path)
    return Entry("", FileSource("", Path(os.path.abspath(home_expanded("source", path)))), labels)
