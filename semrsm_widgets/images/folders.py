"""Pictures in a folder and below it, labelled by sub-folder; what else is there is counted."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from semrsm_widgets.common import Meter, message, printable

from .entries import Entry, Found
from .file_facts import SUFFIXES, WAYS_IN
from .labels import Labels
from .sources import FileSource

_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
_SUFFIX = re.compile(r"\.[a-z0-9]{1,7}")
"""What is said of a file's kind; a longer ending may be part of somebody's name."""
_MOST_KINDS = 6
_TOLD_EVERY = 256
"""Pictures: finding one takes a microsecond or two."""
_ZARR_FILES = (".zarray", ".zgroup", "zarr.json")


def from_folder(folder: Path, *, skip_unreadable: bool) -> Found:
    """Return every picture under a folder, sorted by relative path, labelled by sub-folder.

    Links are followed, to files and to folders, as torchvision's ImageFolder does; one that leads back into a folder
    in which it stands is passed over and named.

    Raises:
        OSError: a sub-folder cannot be opened.
        ValueError: there are no pictures.
    """
    walk = _Walk(folder, skip_unreadable=skip_unreadable)
    names: list[str] = []
    with Meter("Looking through the folder", unit="pictures") as meter:
        for name in walk.pictures(folder, "", ()):
            if len(names) % _TOLD_EVERY == 0:
                meter(len(names), 0)
            names.append(name)
    names.sort()
    if not names:
        raise ValueError(_none_in(folder, walk.others))
    entries = [
        Entry(shown, FileSource(shown, folder / name), labels)
        for name, shown, labels in zip(names, map(printable, names), _folder_labels(names), strict=True)
    ]
    notes = [f"not read: {kinds_of(walk.others)}"] if walk.others else []
    if walk.loops:
        count = len(walk.loops)
        notes.append(f"{count} link{'s' * (count > 1)} back into a folder around it not followed")
    warnings = [f"The link {name!r} leads back into a folder around it and was not followed." for name in walk.loops]
    return Found(entries, notes, warnings + walk.closed)


class _Walk:
    """A walk through a folder; remembers what was passed over."""

    def __init__(self, folder: Path, *, skip_unreadable: bool) -> None:
        self.folder = folder
        self.skip_unreadable = skip_unreadable
        self.others: Counter[str] = Counter()
        self.loops: list[str] = []
        self.closed: list[str] = []

    def pictures(self, folder: Path, inside: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
        """Yield the relative paths of the pictures under a folder.

        Args:
            folder: where to look.
            inside: its relative path with a slash; "" for the first.
            above: what tells the folders apart in which it stands.
        """
        try:
            facts = os.stat(folder)
            with os.scandir(folder) as found:
                members = sorted(found, key=lambda each: each.name)
        except OSError as error:
            self._refuse(inside, error)
            return
        above = (*above, (facts.st_dev, facts.st_ino))
        for member in members:
            if member.name.startswith("."):
                continue
            name = f"{inside}{member.name}"
            if member.is_dir():
                target = member.stat()
                if (target.st_dev, target.st_ino) in above:
                    self.loops.append(printable(name))
                else:
                    yield from self.pictures(folder / member.name, f"{name}/", above)
            elif Path(member.name).suffix.lower() in SUFFIXES:
                yield name
            elif member.name.lower() not in _SYSTEM_FILES:
                suffix = Path(member.name).suffix.lower()
                self.others[suffix if not suffix or _SUFFIX.fullmatch(suffix) else "other"] += 1

    def _refuse(self, inside: str, error: OSError) -> None:
        where = f"the sub-folder {printable(inside)!r}" if inside else f"the folder {self.folder.name!r}"
        text = f"{where} cannot be opened: {error.strerror or type(error).__name__}"
        if not self.skip_unreadable or not inside:
            raise OSError(f"{text}. Leave it out with load_images(..., skip_unreadable=True).") from None
        self.closed.append(f"{text[0].upper()}{text[1:]}.")


def kinds_of(others: Counter[str]) -> str:
    """Return how many files of which kind there are, the most frequent first."""
    ranked = sorted(others.items(), key=lambda kind: (kind[0] in ("", "other"), -kind[1], kind[0]))
    shown = [f"{count} {suffix or 'without a suffix'}" for suffix, count in ranked[:_MOST_KINDS]]
    rest = sum(count for _, count in ranked[_MOST_KINDS:])
    return ", ".join([*shown, *([f"{rest} more"] if rest else [])])


def _none_in(folder: Path, others: Counter[str]) -> str:
    """Return the error text for a folder without pictures: what it holds instead, and how that gets in."""
    shown = folder.name if folder.is_absolute() else str(folder)
    todo = next((WAYS_IN[suffix] for suffix, _ in others.most_common() if suffix in WAYS_IN), "")
    if any((folder / name).exists() for name in _ZARR_FILES):
        todo = WAYS_IN[".zarr"]
    got = f"none in {printable(shown)!r}" + (f", which holds {kinds_of(others)}" if others else "")
    return message("source", f"a folder with pictures ({', '.join(sorted(SUFFIXES))})", got, todo)


def _folder_labels(names: Sequence[str]) -> list[Labels | None]:
    """Return the first folder level at which the paths differ, so that photos/train/<label>/ works as well."""
    parents = [name.split("/")[:-1] for name in names]
    shared = 0
    while all(len(parts) > shared and parts[shared] == parents[0][shared] for parts in parents):
        shared += 1
    if all(len(parts) == shared for parts in parents):
        return [None] * len(names)
    return [frozenset(map(printable, parts[shared : shared + 1])) for parts in parents]
