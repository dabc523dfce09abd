"""Where a store is: opened by Zarr, written by one process at a time, refused in words that say what to do."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from semrsm_widgets.common import (
    __version__,
    clipped,
    describe,
    home_expanded,
    message,
    optional,
    printable,
    without_path,
)

TOKENS, GRAM, SEVERAL = "tokens", "a matched Gram", "matched Grams"
"""What stores hold."""
FORMAT = 2
"""Raise it when what is written could not be read by this version."""
KEY = "semrsm_widgets"
"""Under this the attributes of a store say what it is."""
MADE_OTHERWISE = "Pass another store, or call as it was called. open_tokens(store) or open_gram(store) reads it."
LOCK = ".lock"
PARTIAL = ".partial"
"""So end the files that Zarr is writing."""
ZIP = ".zip"
_held: set[int] = set()  # stores in memory that are being written
_guard = threading.Lock()
_runs_in = 0  # the process in which Zarr's thread runs


@dataclass(frozen=True, eq=False)
class Place:
    """A store that is open.

    Attributes:
        group: the Zarr group at its root.
        label: what to call it: the last part of its path, which names no person.
        folder: where it is, if that is a folder of this machine.
    """

    group: Any
    label: str
    folder: Path | None

    @property
    def writable(self) -> bool:
        """Whether parts of it can be replaced and removed: not in a zip file."""
        store = self.group.store
        return bool(store.supports_writes and store.supports_deletes and not store.read_only)

    def facts(self, kind: str) -> dict[str, Any] | None:
        """Return what the store says of itself; None if it says nothing, as one whose making was cut short.

        Raises:
            ValueError: it holds something else, or was written by a newer version.
        """
        facts: dict[str, Any] | None = self.attribute(KEY)
        if facts is None:
            return None
        own = facts.get("format") if isinstance(facts, dict) else None  # whoever wrote it need not be us
        if not isinstance(own, int) or isinstance(own, bool) or own < 1:
            got = f"{self.label!r}, which says nothing of its 'format' in {KEY!r}"
            raise ValueError(message("store", f"one of {kind}", got))
        if own > FORMAT:
            newer = f"{self.label!r} of format {clipped(str(own))}, written by version {_said(facts, 'version')}"
            raise ValueError(message("store", f"of format {FORMAT} or older", newer, "Update semrsm-widgets."))
        if facts.get("kind") != kind:
            is_known = facts.get("kind") in (TOKENS, GRAM)
            got = f"one of {facts['kind']}" if is_known else f"whose 'kind' is {describe(facts.get('kind'))}"
            raise ValueError(message("store", f"one of {kind}", f"{self.label!r}, {got}"))
        return facts

    def attribute(self, name: str) -> Any:
        """Return an attribute of the store as it is now: another process may have written it since it was opened."""
        zarr = _zarr()
        return zarr.open_group(self.group.store, path=self.group.path, mode="r").attrs.get(name)

    def say(self, kind: str, facts: dict[str, Any]) -> None:
        """Write down what the store is; from then on it counts as one."""
        self.group.attrs[KEY] = {"format": FORMAT, "kind": kind, "version": __version__, **facts}

    def refuse(self, error: OSError) -> ValueError:
        """Return the error that says that nothing can be written here."""
        todo = "Pass a place where there is room and which may be written."
        return ValueError(message("store", "one that can be written", f"{self.label!r}: {reason(error)}", todo))

    def to_write(self) -> Place:
        """Return the same place, opened to be written where it was opened to be read."""
        if self.writable or self.folder is None:
            return self
        facts = self.group.attrs.get(KEY)
        return open_place(self.folder, _said(facts if isinstance(facts, dict) else {}, "kind"), make=True)

    def full(self, error: OSError, rows: slice, columns: slice) -> OSError:
        """Return the error that says that a tile of a Gram cannot be written, and that what is done stays."""
        text = (
            f"`store`, {self.label!r}, cannot be written ({reason(error)}) at the tile of images "
            f"{rows.start:,} to {rows.stop - 1:,} with {columns.start:,} to {columns.stop - 1:,}. "
            "What is done stays: make room, and the same call goes on from there."
        )
        return OSError(error.errno, text)

    @contextmanager
    def written(self) -> Iterator[None]:
        """Be the only one who writes the store; what writers that were killed have left is removed.

        Raises:
            BlockingIOError: somebody else is writing it.
            ValueError: it cannot be written.
        """
        if not self.writable:
            kind = type(self.group.store).__name__
            todo = "Write a folder, and pack it when it is done: shutil.make_archive(name, 'zip', folder)."
            raise ValueError(message("store", "one whose parts can be replaced", f"{self.label!r} ({kind})", todo))
        with self._locked():
            self._look_again()
            if self.folder is not None:
                for left in self.folder.rglob(f"*{PARTIAL}"):
                    with suppress(OSError):
                        left.unlink()
            try:
                yield
            except KeyboardInterrupt:
                _wait_for_zarr()
                raise

    def _look_again(self) -> None:
        """Open the group anew: one that is open writes all attributes as they were when it was opened.

        Of what another process has written since then, each of them would be undone.
        """
        group = _zarr().open_group(self.group.store, path=self.group.path, mode="r+")
        object.__setattr__(self, "group", group)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        busy = f"`store`, {self.label!r}, is being written by another process or thread. Wait for it, or pass another."
        if self.folder is None:  # nobody but this process can see a store in memory; of one elsewhere nobody knows
            held = id(self.group.store)
            with _guard:
                if held in _held:
                    raise BlockingIOError(busy)
                _held.add(held)
            try:
                yield
            finally:
                _held.discard(held)
            return
        filelock = optional("filelock", "scale")
        path = self.folder / LOCK
        lock = filelock.FileLock(path, is_singleton=False)
        try:
            while not _taken(lock, path):
                lock.release()
        except filelock.Timeout:
            raise BlockingIOError(busy) from None
        except OSError as error:
            raise self.refuse(error) from None
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(path)
            lock.release()


def _taken(lock: Any, path: Path) -> bool:
    """Take a lock, or raise its Timeout; return whether its file is the one that others find there.

    Whoever held it may have removed the file after this process had opened it. To hold that one keeps nobody out.
    """
    with open(path, "ab") as seen:
        lock.acquire(timeout=0)
        try:
            return os.path.samestat(os.fstat(seen.fileno()), os.stat(path))
        except FileNotFoundError:
            return False


def _zarr() -> Any:
    """Return Zarr, whose own thread runs.

    Ctrl-C reaches the main thread alone. Where Zarr, used there for the first time, was interrupted between making its
    loop and starting the thread that runs it, every later call would wait for ever.
    """
    global _runs_in
    zarr = optional("zarr", "scale")
    if _runs_in != os.getpid():  # in a forked child it is to be made anew
        from zarr.core.sync import sync

        beginner = threading.Thread(target=lambda: sync(asyncio.sleep(0)))
        beginner.start()
        beginner.join()
        _runs_in = os.getpid()
    return zarr


def _wait_for_zarr() -> None:
    """Wait for what Zarr's own thread is at: Ctrl-C ends the waiting for it, not the work.

    Otherwise the next to write would find files that still come and go.
    """
    from zarr.core.sync import sync

    async def others() -> None:
        if at_work := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(at_work)

    sync(others())


def open_place(store: Any, kind: str, *, make: bool = False) -> Place:
    """Return an open store.

    Args:
        store: the path of a folder or of a zip file, a URL, a Zarr store or group.
        kind: what it is to hold: "tokens".
        make: make one where nothing is.

    Raises:
        ImportError: zarr is not installed; the text says what to install.
        FileNotFoundError: there is none.
        ValueError: it is no Zarr group, or cannot be made.
    """
    zarr = _zarr()
    if isinstance(store, zarr.Group):
        return _checked(store, kind)
    if isinstance(store, str) and store.startswith("file://"):  # a folder as any other, with a lock
        store = url2pathname(urlsplit(store).path)
    if isinstance(store, dict) and not all(isinstance(key, str) for key in store):
        # Zarr takes a dictionary for a store, and would write into this one before it falls
        got = f"one with the key {next(key for key in store if not isinstance(key, str))!r}"
        raise ValueError(message("store", "a dictionary of paths, for Zarr to keep in memory", got))
    target: Any = store
    if isinstance(store, str | os.PathLike) and "://" not in str(store):
        path = home_expanded("store", store)
        target = path if make or path.suffix != ZIP else _zip(zarr, path, kind)
        if make and path.suffix == ZIP and os.path.isfile(path):  # which minds no name that cannot be
            target = _zip(zarr, path, kind)
        elif os.path.isfile(path) and target is path:
            raise ValueError(message("store", "a folder, or a zip file", f"the file {path.name!r}"))
        elif (
            os.path.isdir(path)
            and not {"zarr.json", ".zgroup", ".zarray"} & (names := {*os.listdir(path)})
            and not all(name == LOCK or name.endswith(PARTIAL) for name in names)  # of one just begun, and killed
        ):
            todo = "Pass the path of a folder that is not there yet."
            raise ValueError(message("store", f"one of {kind}", f"{path.name!r}, a folder of something else", todo))
    label = _label(target)
    try:
        fixed = isinstance(target, zarr.abc.store.Store) and target.read_only
        return _checked(zarr.open_group(target, mode="r+" if make and not fixed else "r"), kind)
    except (FileNotFoundError, zarr.errors.GroupNotFoundError):
        if not make:
            raise _missing(kind, label) from None
    except (OSError, KeyError, TypeError, AssertionError, json.JSONDecodeError, zarr.errors.BaseZarrError) as error:
        # an array where a group is looked for fails an assertion of Zarr 3.1.0
        todo = "Pass another place."
        raise ValueError(message("store", f"one of {kind}", f"{label!r}: {reason(error)}", todo)) from without_path(
            error
        )
    try:
        return _checked(zarr.open_group(target, mode="a", zarr_format=3), kind)
    except KeyboardInterrupt:
        _wait_for_zarr()
        raise
    except (OSError, zarr.errors.BaseZarrError) as error:
        got = f"{label!r}: {reason(error)}"
        raise ValueError(message("store", "one that can be written", got, "Pass another place.")) from without_path(
            error
        )


def part_of(store: Any, *names: str) -> Any:
    """Return the group of these names within a store that holds several, made where it is not there.

    Raises:
        ImportError: zarr is not installed; the text says what to install.
        ValueError: it cannot be made, or the store itself is one of tokens or a Gram.
    """
    zarr = _zarr()
    root = open_place(store, SEVERAL, make=True).group
    if isinstance(facts := root.attrs.get(KEY), dict):
        got, todo = f"{_label(store)!r}, one of {_said(facts, 'kind')}", "Pass a place of its own."
        raise ValueError(message("store", "one to keep several Grams in", got, todo))
    path = "/".join(names)
    if path not in root:
        try:
            return root.require_group(path)
        except (OSError, ValueError, zarr.errors.BaseZarrError) as error:
            got = f"{_label(store)!r}: {reason(error)}"
            raise ValueError(message("store", "one that can be written", got, "Pass another place.")) from None
    return root[path]


def _checked(group: Any, kind: str) -> Place:
    root = getattr(group.store, "root", None)
    folder = root / group.path if isinstance(root, Path) else None
    label = _label(folder if folder is not None else group.store)
    if group.metadata.zarr_format != 3:
        got = f"{label!r} in Zarr {group.metadata.zarr_format}"
        raise ValueError(message("store", f"one of {kind}, in Zarr 3", got))
    return Place(group, label, folder)


def _zip(zarr: Any, path: Path, kind: str) -> Any:
    if not os.path.isfile(path):
        raise _missing(kind, path.name)
    return zarr.storage.ZipStore(path, mode="r")


def _missing(kind: str, label: str) -> FileNotFoundError:
    maker = "extract(..., store=...)" if kind == TOKENS else "matched_gram(..., store=...)"
    return FileNotFoundError(message("store", f"one of {kind}", f"{label!r}, which is not there", f"Make it: {maker}."))


def _said(facts: Mapping[str, Any], name: str) -> str:
    """Return what a store says of itself as a text shows it: a word in plain letters as it is, all else described."""
    value = facts.get(name)
    return value if isinstance(value, str) and value.isascii() and value == clipped(value) else describe(value)


def reason(error: Exception) -> str:
    """Return what went wrong, without the path, which may name a person."""
    return getattr(error, "strerror", None) or type(error).__name__


def _label(store: Any) -> str:
    """Return what to call a store."""
    if isinstance(store, str | Path):
        return str(store).rstrip("/").rpartition("/")[2]
    path = getattr(store, "path", None)
    return path.name if isinstance(path, Path) else type(store).__name__


def differences(there: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return which settings of a store are others than those of a call, in words."""
    names = [*now, *(name for name in there if name not in now)]
    return [
        f"{printable(name)} (there {_short(there.get(name))}, now {_short(now.get(name))})"
        for name in names
        if there.get(name) != now.get(name)
    ]


def _short(value: object) -> str:
    """Return a setting as a text shows it, of a hash its beginning; what a store says may be anything."""
    if value is None:
        return "none"
    if not isinstance(value, str):
        return describe(value)
    value = printable(clipped(value))
    return f"{value[:8]}…" if len(value) == 64 and set(value) <= set("0123456789abcdef") else value
