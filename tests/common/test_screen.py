"""Where bars are drawn: a terminal that goes away meanwhile."""

from __future__ import annotations

import sys
import threading

from semrsm_widgets.common import progress, screen
from semrsm_widgets.common.progress import Meter


def test_a_terminal_that_goes_away_ends_no_call(monkeypatch):
    class Gone:
        def isatty(self):
            return True

        def write(self, text):
            raise OSError("gone")

        def flush(self):
            raise OSError("gone")

    drawn = threading.Event()
    own = screen.Screen()
    guard = own._guarded

    def guarded(draw):
        guard(draw)
        drawn.set()

    monkeypatch.setattr(sys, "stderr", Gone())
    monkeypatch.setattr(progress, "screen", own)
    monkeypatch.setattr(screen, "APPEARS_AFTER", 0.0)
    monkeypatch.setattr(own, "_guarded", guarded)
    with Meter("Call") as meter:
        meter(1, 2)
        assert drawn.wait(10)
    assert not own.is_there()
