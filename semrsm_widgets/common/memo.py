"""Values computed once, safe to ask for from two threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .types import Progress

# Who waits for a value that another thread computes looks this often whether to go on waiting.
_POLL_SECONDS = 0.1


class Cache:
    """Values computed once per key; two threads asking for one key wait for one computation, other keys go on.

    A failed or cancelled computation leaves nothing behind: the next caller computes anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key_locks: dict[Any, threading.Lock] = {}
        self._values: dict[Any, Any] = {}
        self._progress: dict[Any, tuple[int, int]] = {}

    def peek(self, key: Any) -> Any | None:
        """Return the value if it is there, else None; never waits."""
        return self._values.get(key)

    def put(self, key: Any, value: Any) -> None:
        """Keep a value that was computed elsewhere."""
        self._values[key] = value

    def get(self, key: Any, compute: Callable[[Progress], Any], progress: Progress | None = None) -> Any:
        """Return the value of `key`, computing it if it is not there.

        `progress` is called here too while another thread computes, with how far that one is; it may raise to stop
        waiting.
        """
        if key in self._values:
            return self._values[key]
        with self._lock:
            key_lock = self._key_locks.setdefault(key, threading.Lock())
        while not key_lock.acquire(timeout=_POLL_SECONDS):
            if progress is not None:
                progress(*self._progress.get(key, (0, 1)))
        try:
            if key not in self._values:
                self._values[key] = compute(partial(self._note, key, progress))
            return self._values[key]
        finally:
            self._progress.pop(key, None)
            key_lock.release()

    def _note(self, key: Any, progress: Progress | None, done: int, total: int) -> None:
        """Keep how far a computation is for those who wait for it, and report it."""
        self._progress[key] = (done, total)
        if progress is not None:
            progress(done, total)
