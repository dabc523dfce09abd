"""Files that appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
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
_TRIES = 20


@contextmanager
def written_whole(path: Path, *, new: bool = False) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes the file `path` once all of it is there; a failure leaves the old file.

    Raises:
        FileExistsError: with `new`, something has that name already.
    """
    with placed_whole(path, new=new) as unfinished, open(unfinished, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def placed_whole(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Give the path of a file beside `path`, to be made by the caller, that becomes `path`; a failure leaves the old.

    Each call has a name of its own, so that two threads or sessions may write the same file: the last one stays.

    Args:
        path: of the file.
        new: let no file be replaced, whoever made it: the first one stays.

    Raises:
        FileExistsError: with `new`, something has that name already.
    """
    sweep(path.parent)
    unfinished = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{_SUFFIX}")
    try:
        yield unfinished
        (_named_anew if new else os.replace)(unfinished, path)
    except OSError as error:
        if error.filename in (unfinished, f"{unfinished}", path):
            raise OSError(error.errno, error.strerror, shown_path(path)) from None
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def try_writing(folder: Path) -> None:
    """Raise OSError where a folder cannot be made, or takes no file of some kilobytes; nothing stays.

    Others may try it meanwhile. A folder that was not there is removed again; where several try it at the same moment,
    an empty one may stay.
    """
    trial = folder / f".try.{secrets.token_hex(8)}{_SUFFIX}"
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    for tries_left in reversed(range(_TRIES)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            trial.write_bytes(bytes(4096))
            return
        except (FileNotFoundError, FileExistsError):  # another one's trial has just taken the folder away
            if not tries_left:
                raise
        finally:
            trial.unlink(missing_ok=True)
            for each in made:
                with suppress(OSError):  # somebody has written there since
                    each.rmdir()


def _named_anew(unfinished: Path, path: Path) -> None:
    """Give a file another name, unless something has it."""
    try:
        os.link(unfinished, path)  # of all that names a file, this alone replaces none everywhere
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.rename(unfinished, path)


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
    path = home_expanded("path", path)
    if not path.name:
        raise ValueError(message("path", 'the name of an ".html" file', "a folder"))
    if not path.suffix:
        path = path.with_suffix(".html")
    if path.suffix.lower() not in HTML_SUFFIXES:
        raise ValueError(message("path", 'the name of an ".html" file', repr(path.name), "It would be replaced."))
    if not os.path.isdir(path.parent):
        todo = "Make that folder first."
        raise ValueError(message("path", "in a folder that exists", repr(shown_path(path)), todo))
    return path


def home_expanded(name: str, path: str | os.PathLike[str]) -> Path:
    """Return a path with the folder that its `~` stands for; `name` is what the caller's argument is called.

    Raises:
        ValueError: `~` stands before what is nobody's name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        whose = next(iter(Path(path).parts))
        todo = "Write the folder out, or ./~ for a folder of that name."
        raise ValueError(message(name, "a path whose ~ is somebody's home", repr(whose), todo)) from None


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path as errors show it: from the part on that does not exist, as the user's own folders are not told."""
    path = Path(path)
    if not path.is_absolute():
        return str(path)
    known = next((k for k, parent in enumerate(path.parents) if os.path.lexists(parent)), 0)
    return str(Path(*path.parts[len(path.parts) - 1 - known :]))


def without_path(error: Exception) -> Exception | None:
    """Return what an error is to be raised from: none where its text tells the path, as the file system's errors do."""
    return None if isinstance(error, OSError) else error
