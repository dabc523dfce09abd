"""The end of a process after Ctrl-C: the prompt comes back soon, and the exit status says what ended it.

Whoever presses Ctrl-C waits for the prompt. With torch and what it imports (three thousand modules), Python's own end
takes two or three seconds, nearly all of them for looking through a million objects for cycles that nobody refers to.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from contextlib import suppress

_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
_status: int | None = None


def end_soon(status: int) -> None:
    """Say that Ctrl-C ends the process, with this exit status, though the caller has answered it.

    Args:
        status: with which the caller is about to end the process.
    """
    global _status
    _status = status


def is_interrupted() -> bool:
    """Return whether the process, which is at its end, is there because of a Ctrl-C.

    Where somebody types, an error ends nothing: the last one may have been long ago.
    """
    unanswered = getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1")
    return _status is not None or unanswered


def hurry(*, is_quiet: bool) -> None:
    """Have the rest of an interrupted process's end take no time; the last that runs of all `atexit` functions.

    Args:
        is_quiet: whether no thread is within a library. One that is would take the process down with a message of
            C++'s: the process ends here, then. What files hold is written before.
    """
    _flush_files()
    if not is_quiet:
        _end_now()
    gc.freeze()  # objects end as modules let go of them; only a cycle's own `__del__` would still be called
    if _status is None:
        _stay_interrupted()


def _flush_files() -> None:
    """Write what open files hold: those that are part of a cycle are not closed any more."""
    for each in gc.get_objects():
        if issubclass(type(each), _FILES):  # `isinstance` asks the object, and some warn or import when asked
            with suppress(Exception):  # closed, detached, or nobody reads on
                each.flush()


def _end_now() -> None:
    """End as Python would: by the signal, which a shell shows as 130, or with the status of a command."""
    if _status is None and os.name != "nt":
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(130 if _status is None else _status)


def _stay_interrupted() -> None:
    """Have Python end by SIGINT, as it does where the last source that it was given ended in KeyboardInterrupt.

    torch's compiler, loaded with many models, gives it more at the end (what it imports there makes named tuples): the
    status was 1 then, as after an error, and a shell's loop went on.
    """
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")
