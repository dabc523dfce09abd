"""Values computed once, safe to ask for from two threads."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from functools import partial
from typing import Any, Generic, TypeVar

from .checks import message
from .types import Progress

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Who waits for a value that another thread computes looks this often whether to go on waiting.
_POLL_SECONDS = 0.1


class cached_property(functools.cached_property[V]):  # noqa: N801  # as the one it stands for
    """functools' own without its lock, which Python left out from 3.12 on.

    That lock is one for all instances: their threads wait for each other, and a child forked while one of them computes
    waits for ever.
    """

    def __init__(self, func: Callable[[Any], V]) -> None:
        super().__init__(func)
        self.lock = nullcontext()


class Memo(Generic[K, V]):
    """Values computed once per key; two threads asking for one key wait for one computation, other keys go on.

    A failed or cancelled computation leaves nothing behind: the next caller computes anew.

    Args:
        keep: how many values to keep, the last that were asked for; None: all.
    """

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._key_locks: dict[K, threading.Lock] = {}
        self._values: OrderedDict[K, V] = OrderedDict()
        self._progress: dict[K, tuple[int, int]] = {}

    def __contains__(self, key: K) -> bool:
        """Return whether the value is there; never waits."""
        return key in self._values

    def items(self) -> list[tuple[K, V]]:
        """Return the values that are there, with their keys."""
        with self._lock:
            return list(self._values.items())

    def put(self, key: K, value: V) -> None:
        """Keep a value that was computed elsewhere."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while self._keep is not None and len(self._values) > self._keep:
                old, _ = self._values.popitem(last=False)
                if old in self._key_locks and not self._key_locks[old].locked():
                    del self._key_locks[old]

    def get(self, key: K, compute: Callable[[Progress], V], progress: Progress | None = None) -> V:
        """Return the value of `key`, computing it if it is not there.

        `progress` is called here too while another thread computes, with how far that one is; it may raise to stop
        waiting.
        """
        if progress is not None and not callable(progress):
            raise TypeError(message("progress", "a function of (done, in all), or None", progress))
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            key_lock = self._key_locks.setdefault(key, threading.Lock())
        while not key_lock.acquire(timeout=_POLL_SECONDS):
            if progress is not None:
                progress(*self._progress.get(key, (0, 1)))
        try:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = compute(partial(self._note, key, progress))
            self.put(key, value)
            return value
        finally:
            self._progress.pop(key, None)
            key_lock.release()

    def _note(self, key: K, progress: Progress | None, done: int, total: int) -> None:
        """Keep how far a computation is for those who wait for it, and report it."""
        self._progress[key] = (done, total)
        if progress is not None:
            progress(done, total)
