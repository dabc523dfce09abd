"""What the first minute of a notebook waits for is imported while its reader reads: as long as no cell runs.

torch, timm, the views and the matcher's kernel take 6 s of one core, a minute where the kernel is compiled and the disk
is cold, and none of it can be made faster here. A cell that is run meanwhile waits for the import at hand, which it is
likely to need, and has the machine for itself then: an import beside it would slow it down, and could meet its own.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from semrsm_widgets.common import in_background, in_notebook, options

PAUSE = 0.3
"""Seconds without a cell before the next step: cells that are run together have no reader between them."""
FORK_SECONDS = 20.0
"""How long a fork waits for the step at hand: a child could never end what another thread of its parent has begun."""
COLUMNS = 49
"""Tokens for which the matcher is made ready: the kernel of larger grids is compiled where it is needed."""


Steps = tuple[Callable[[], object], ...]


def _torch() -> None:
    import torch  # noqa: F401


def _timm() -> None:
    from semrsm_widgets.models import import_timm

    import_timm()


def _views() -> None:
    from semrsm_widgets.views import Explorer  # noqa: F401


def _kernel() -> None:
    from semrsm_widgets.matching import Auction

    Auction().prepare(COLUMNS)


class Ahead:
    """A thread that does one step after another while the kernel is idle.

    Args:
        events: IPython's, which tell when a cell begins and ends. It begins within a cell.
        imports: the steps that a cell waits for.
        others: steps that go on beside a cell, after the imports.
    """

    def __init__(self, events: Any, imports: Steps = (_torch, _timm, _views), others: Steps = (_kernel,)) -> None:
        self._imports, self._others = imports, others
        self._idle, self._stopped = threading.Event(), threading.Event()
        self._importing, self._working = threading.Lock(), threading.Lock()
        self._held = False
        events.register("pre_run_cell", self._cell_begins)
        events.register("post_run_cell", self._cell_ended)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._wait, after_in_parent=self._go_on, after_in_child=self._renew)
        self.thread = in_background(self._run, "semrsm-ahead", stop=self.stop)

    def stop(self) -> None:
        """End after the step at hand."""
        self._stopped.set()
        self._idle.set()

    def _run(self) -> None:
        try:
            for step in self._imports:
                while not self._done_while_idle(step):
                    pass
            for step in self._others:
                self._idle.wait()
                if self._may_go_on():
                    with self._working:
                        step()
        except Exception:  # whoever needs it meets the error where it can be shown
            return

    def _may_go_on(self) -> bool:
        return options.ahead and not self._stopped.is_set()

    def _done_while_idle(self, step: Callable[[], object]) -> bool:
        """Do a step if the kernel is idle and stays so for a moment; return whether it needs no further try."""
        self._idle.wait()
        self._stopped.wait(PAUSE)
        with self._importing:
            if not self._may_go_on():
                return True
            if not self._idle.is_set():
                return False
            with self._working:
                step()
            return True

    def _cell_begins(self, *_: Any) -> None:
        if not self._stopped.is_set():
            self._idle.clear()
        if self.thread.is_alive():
            try:
                with self._importing:
                    pass
            except KeyboardInterrupt:  # IPython's own events would print it as an error of ours, and run the cell
                self.stop()

    def _cell_ended(self, *_: Any) -> None:
        self._idle.set()

    def _wait(self) -> None:
        own = threading.current_thread() is self.thread  # torch asks the system for facts when it is imported
        self._held = not own and self._working.acquire(timeout=FORK_SECONDS)

    def _go_on(self) -> None:
        if self._held:
            self._working.release()

    def _renew(self) -> None:
        self._importing, self._working = threading.Lock(), threading.Lock()
        self.stop()  # the thread is the parent's


def begin() -> Ahead | None:
    """Load ahead in a notebook, unless `options` say no; the package's import calls it."""
    if not options.ahead or not in_notebook():
        return None
    return Ahead(sys.modules["IPython"].get_ipython().events)
