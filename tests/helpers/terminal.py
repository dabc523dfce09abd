"""A script that believes to be on a terminal, and what it writes there."""

from __future__ import annotations

import os
import pty
import signal
import struct
import subprocess
import sys
import time
from fcntl import ioctl
from termios import TIOCSWINSZ
from typing import NamedTuple


class Session(NamedTuple):
    """What a script wrote to the terminal, its exit status, and the seconds from an interrupt to its first answer."""

    text: str
    status: int
    answered: float


def on_terminal(
    script: str, *, interrupt_at: str = "", columns: int = 120, env: dict[str, str] | None = None
) -> Session:
    """Run a Python script on a terminal; press Ctrl-C once it has written something."""
    ours, its = pty.openpty()
    ioctl(its, TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # From 3.13 on Python colours tracebacks on a terminal.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHON_COLORS": "0", **(env or {})}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True
    )
    os.close(its)
    text, pressed, answered = "", 0.0, 0.0
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so at the end
            piece = b""
        if not piece:
            break
        text += piece.decode(errors="replace")
        if pressed and not answered and "KeyboardInterrupt" in text:
            answered = time.monotonic() - pressed
        if interrupt_at and not pressed and interrupt_at in text:
            pressed = time.monotonic()
            process.send_signal(signal.SIGINT)
    os.close(ours)
    return Session(text.replace("\r\n", "\n"), process.wait(timeout=60), answered)


def frames(text: str) -> list[str]:
    """Return what stood on the last line of a terminal, one state after another."""
    return [frame.rstrip() for frame in text.split("\r")]
