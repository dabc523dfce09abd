"""Files that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .checks import message

HTML_SUFFIXES = (".html", ".htm")
ABANDONED_SECONDS = 3600.0
"""An unfinished file that nobody wrote to for so long was left by a process that was killed."""
_SUFFIX = ".unfinished"


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes the file `path` once all of it is there; a failure leaves the old file."""
    with placed_whole(path) as unfinished, open(unfinished, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def placed_whole(path: Path) -> Iterator[Path]:
    """Give the path of a file beside `path`, to be made by the caller, that becomes `path`; a failure leaves the old.

    Each call has a name of its own, so that two threads or sessions may write the same file: the last one stays.
    """
    sweep(path.parent)
    unfinished = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{_SUFFIX}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def sweep(folder: Path, prefix: str | None = None) -> None:
    """Remove what writers that were killed have left in a folder; nothing else, and without a word.

    Args:
        folder: where they wrote.
        prefix: with which the unfinished files of an earlier version begin.
    """
    oldest = time.time() - ABANDONED_SECONDS
    with suppress(OSError):  # a folder that cannot be listed is the writer's trouble, not the sweeper's
        for entry in os.scandir(folder):
            old = prefix is not None and entry.name.startswith(prefix)
            if old or (entry.name.startswith(".") and entry.name.endswith(_SUFFIX)):
                with suppress(OSError):
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.path)


def check_html_path(path: str | Path) -> Path:
    """Return where a page goes, or raise ValueError if that cannot be a page; ".html" is added to no suffix."""
    if not isinstance(path, str | Path):
        raise TypeError(message("path", 'the name of an ".html" file', path))
    path = Path(path).expanduser()
    if not path.suffix:
        path = path.with_suffix(".html")
    if path.suffix.lower() not in HTML_SUFFIXES:
        raise ValueError(message("path", 'the name of an ".html" file', repr(path.name), "It would be replaced."))
    if not path.parent.is_dir():
        raise ValueError(message("path", "in a folder that exists", f"{path}", f"Make {path.parent} first."))
    return path
