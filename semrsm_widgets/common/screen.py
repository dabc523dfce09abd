"""Where the meters of long calls are drawn: a bar in a notebook, a line in a terminal.

A thread of its own draws, after two seconds and then a few times a second: time goes on also where nothing is told for
a while. It also says that Ctrl-C was pressed where the call does not end by it at once.
"""

from __future__ import annotations

import html
import os
import sys
import threading
import time
from shutil import get_terminal_size
from typing import Any, Protocol

from .interrupts import Presses

APPEARS_AFTER = 2.0
"""Seconds: a call that is done by then shows nothing."""
_REDRAWN_EVERY = 0.25
_IDLE_LOOKS = 20  # without an open meter, after which the drawing thread ends
_ANSWERED_LOOKS = 2  # after which a Ctrl-C that has not ended the call is said to be heard
_LEAST_BAR = "120px"  # of a bar in a notebook
_NARROW = 100  # columns of a terminal below which a line says nothing of inner calls


class Shown(Protocol):
    """What is drawn of a call.

    Attributes:
        what: what is being done, as a heading.
        kept: what an interrupt leaves, as a sentence.
        began: when, by `time.monotonic`.
        expected: how long it will last, in words, where that is long; else nothing.
        fraction: of all, that is done.
        total: steps in all; 0 where that is unknown.
    """

    what: str
    kept: str
    began: float
    expected: str
    fraction: float
    total: int

    def count(self) -> str:
        """Return what is done of all."""

    def words(self, now: float, *, inner: bool) -> str:
        """Return how far the call is and how long it still takes, and what is being done within it."""


class Screen:
    """Where the oldest open meter is drawn; there is one for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._meters: list[Shown] = []
        self._thread: threading.Thread | None = None
        self._bar: Any = None
        self._shown: Shown | None = None
        self._places: list[str] = []  # in a notebook: of the bar, and before it of the estimate
        self._broken = False
        self._pressed = 0  # looks at a Ctrl-C that has not ended the call
        self.presses = Presses()

    def is_there(self) -> bool:
        """Return whether anybody would see a bar: a notebook's reader, or who sits at a terminal."""
        return not self._broken and (in_notebook() or on_terminal())

    def add(self, meter: Shown) -> None:
        """Draw a meter, once it has lasted and those before it are done."""
        with self._lock:
            self._meters.append(meter)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="semrsm-progress", daemon=True)
                self._thread.start()

    def remove(self, meter: Shown) -> None:
        """Draw a meter no more; its bar goes."""
        with self._lock:
            self._meters.remove(meter)
            self._pressed = 0
            if self._shown is meter:
                self._guarded(self._clear)

    def _watch(self) -> None:
        idle = 0
        while True:
            time.sleep(_REDRAWN_EVERY)
            with self._lock:
                idle = 0 if self._meters else idle + 1
                if idle > _IDLE_LOOKS or self._broken:
                    self._thread = None
                    return
                self._pressed = self._pressed + 1 if self._pressed or self.presses.seen() else 0
                if self._meters:
                    self._guarded(self._draw)

    def _guarded(self, draw: Any) -> None:
        """Draw; where that fails (a terminal that went away, a notebook without widgets) no call may fail for it."""
        try:
            draw()
        except Exception:
            self._broken = True

    def _draw(self) -> None:
        meter, now = self._meters[0], time.monotonic()
        if self._shown is None:
            if now - meter.began < APPEARS_AFTER and not meter.expected and self._pressed < _ANSWERED_LOOKS:
                return
            self._open(meter)
        if self._pressed == _ANSWERED_LOOKS:
            self._say(f"{meter.what} stops when the step at hand ends. {meter.kept}")
        if self._pressed >= _ANSWERED_LOOKS:
            words = f"{meter.count()}, stopping"
        else:
            words = meter.words(now, inner=bool(self._places) or get_terminal_size().columns >= _NARROW)
        bar, told = self._bar, words.replace("{", "{{").replace("}", "}}")
        bar.n = meter.fraction
        bar.set_description_str(meter.what, False)
        known = meter.total or meter.fraction
        bar.bar_format = f"{{desc}}: {{percentage:3.0f}}%|{{bar}}| {told}" if known else f"{{desc}}: {told}"
        bar.refresh()

    def _say(self, text: str) -> None:
        """Write a line beside the bar: in a notebook in a place of its own, where it breaks and goes with the bar."""
        if in_notebook():
            self._show({"text/plain": text, "text/html": html.escape(text)}, raw=True)
        else:
            if self._bar is not None:
                self._bar.clear()
            print(text, file=sys.stderr, flush=True)

    def _open(self, meter: Shown) -> None:
        from tqdm.auto import tqdm

        if meter.expected:
            self._say(meter.expected)
        if in_notebook():
            self._bar = tqdm(total=1.0, leave=False, dynamic_ncols=True, bar_format="{desc}", display=False)
            self._bar.container.children[1].layout.min_width = _LEAST_BAR  # what it counts goes below it before that
            self._show(self._bar.container)
        else:
            self._bar = tqdm(total=1.0, leave=False, dynamic_ncols=True, bar_format="{desc}", file=sys.stderr)
        self._shown = meter

    def _show(self, what: Any, **how: Any) -> None:
        """Display in a notebook, and know where."""
        self._places.append(_notebook().display(what, display_id=True, **how).display_id)

    def _clear(self) -> None:
        bar, places = self._bar, self._places
        self._bar, self._shown, self._places, self._pressed = None, None, [], 0
        bar.n = bar.total  # less would stay in a notebook, in red
        bar.close()
        for place in places:
            # What is saved with the notebook must not be a widget that is gone. An empty text has no height in
            # JupyterLab; an output of no type at all would have nbconvert and Sphinx warn.
            _notebook().update_display({"text/plain": ""}, raw=True, display_id=place)


def _notebook() -> Any:
    """Return what displays in a notebook."""
    from IPython import display

    return display


def on_terminal() -> bool:
    """Return whether the standard error is a terminal."""
    try:
        return bool(sys.stderr.isatty())
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def in_notebook() -> bool:
    """Return whether a Jupyter kernel runs this."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config


screen = Screen()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=screen.__init__)  # type: ignore[misc]  # the drawing thread is not there
