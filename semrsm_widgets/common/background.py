"""Threads that work in the background, and are quiet before the interpreter ends.

A daemon thread that is inside a library's C++ code when the interpreter ends takes the process with it: it is unwound
where it next asks for the interpreter's lock, and C++ answers that with "terminate called without an active exception".
"""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, TypeVar

from .ending import hurry, is_interrupted

V = TypeVar("V")

LAST_SECONDS = 20.0
"""How long the end of the process waits for the work at hand. Loading a model takes so long at the very worst."""
AFTER_INTERRUPT = 0.5
"""How long it waits after a Ctrl-C that ends the process; what is still at work then ends with it."""
LARGE = 2**21
"""Entries of an array that a pass takes some hundredths of a second for."""
_POLL_SECONDS = 0.1  # on Windows a wait does not end for Ctrl-C

_running: dict[threading.Thread, Callable[[], None] | None] = {}


def in_background(
    work: Callable[[], None],
    name: str,
    *,
    stop: Callable[[], None] | None = None,
    kind: type[threading.Thread] = threading.Thread,
) -> threading.Thread:
    """Return a started daemon thread that does `work`; the end of the process calls `stop` and waits for it.

    Args:
        work: called once, on the thread.
        name: of the thread.
        stop: has `work` return soon; called from another thread.
        kind: what the thread is.
    """

    def run() -> None:
        try:
            work()
        finally:
            _running.pop(thread, None)

    thread = kind(target=run, name=name, daemon=True)
    _running[thread] = stop
    thread.start()
    return thread


def interruptibly(work: Callable[[], V], name: str) -> V:
    """Return what `work` gives, or raise what it raises; done on a thread of its own, so that Ctrl-C is heard.

    For a library's single call that takes seconds: a sort, a factorisation, a compiler whose callbacks would swallow
    the interrupt. After one the thread goes on to its end, and nobody gets its result. Where no interrupt arrives, on
    another thread than the main one, the work is done there.

    Args:
        work: called once.
        name: of the thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    context = copy_context()
    found: list[V] = []
    failed: list[BaseException] = []

    def attempt() -> None:
        try:
            found.append(context.run(work))
        except BaseException as error:  # raised below
            failed.append(error)

    thread = in_background(attempt, name)
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
    if failed:
        raise failed[0]
    return found[0]


def large_heard(work: Callable[[], V], *arrays: Any) -> V:
    """Return what `work` gives, `interruptibly` where it is about large arrays.

    One pass over the entries of a large array is a call of seconds, on a busy machine; one over a small array takes
    less than a thread does.

    Args:
        work: called once.
        arrays: what it goes through, whatever they are.
    """
    for each in arrays:
        try:
            is_large = math.prod(each.shape) >= LARGE
        except Exception:  # no array: a tensor of several parts raises errors of its own
            continue
        if is_large:
            return interruptibly(work, "semrsm-large")
    return work()


def _end() -> None:
    """Stop what runs, and wait until it is quiet: not longer than LAST_SECONDS, and not after Ctrl-C."""
    running = [(thread, stop) for thread, stop in list(_running.items()) if thread.is_alive()]
    interrupted = is_interrupted()
    last = time.monotonic() + (AFTER_INTERRUPT if interrupted else LAST_SECONDS)
    try:
        for _, stop in running:
            if stop is not None:
                stop()
        for thread, _ in running:
            thread.join(max(0.0, last - time.monotonic()))
    except KeyboardInterrupt:
        pass
    if interrupted:
        hurry(is_quiet=not any(thread.is_alive() for thread, _ in running))


atexit.register(_end)
