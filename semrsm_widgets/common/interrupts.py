"""Ctrl-C while a library is at work whose compiled code answers it with something else, late, or not at all."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """Raise KeyboardInterrupt if Ctrl-C came, whatever became of it within.

    Python raises it in whatever runs at that moment. Where that is a function that compiled code has called, the
    compiled code may drop it, go on, or raise an error of its own. Threads other than the main one hear no Ctrl-C.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    heard = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        try:
            before(number, frame)
        except KeyboardInterrupt:
            heard = True
            raise

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    except Exception as error:
        if heard:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt


class Presses:
    """Whether Ctrl-C was pressed, which another thread sees at once, while the main one is still in a library's call.

    Python's own handler runs when that call is over. What sees it before is a pipe that Python writes the number of
    each signal into; a pipe that somebody else (an event loop) has there is written into as well, and put back.
    """

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = None
        self._before = -1
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Look from now on: only on the main thread, which alone hears signals, and where there are such pipes."""
        deaf = signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL, None)
        if os.name == "nt" or self._pipe is not None or deaf:
            return
        if threading.current_thread() is threading.main_thread():
            pipe = os.pipe()
            for end in pipe:
                os.set_blocking(end, False)
            self._before, self._pipe = signal.set_wakeup_fd(pipe[1], warn_on_full_buffer=False), pipe

    def end(self) -> None:
        """Look no more, where `begin` did, on the same thread."""
        if self._pipe is None or threading.current_thread() is not threading.main_thread():
            return
        self.seen()  # hands on what came
        with self._lock:
            (reading, writing), self._pipe = self._pipe, None
            if (others := signal.set_wakeup_fd(self._before)) != writing:  # somebody's who came later
                signal.set_wakeup_fd(others)
            os.close(reading)
            os.close(writing)

    def seen(self) -> bool:
        """Return whether Ctrl-C was pressed since the last look."""
        with self._lock:
            if self._pipe is None:
                return False
            try:
                numbers = os.read(self._pipe[0], 4096)
            except BlockingIOError:  # nothing came
                return False
            if self._before >= 0:
                with suppress(OSError):  # a socket, most often
                    os.write(self._before, numbers)
        return signal.SIGINT in numbers
