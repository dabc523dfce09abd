"""Ctrl-C while a library is at work whose compiled code answers it with something else, or not at all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
