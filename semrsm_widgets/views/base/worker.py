"""One background thread per view: the newest request wins, work can be cancelled, progress is reported seldom."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from semrsm_widgets.common import in_background, quietly

# A slider that is dragged asks many times: wait this long for the last of them.
DEBOUNCE_SECONDS = 0.08
# More reports than this per second would only fill the websocket.
REPORTS_PER_SECOND = 10


class CancelledError(Exception):
    """Raised inside a job at its next `step` once a newer job came or the user cancelled."""


class Job:
    """One piece of work; it calls `step` often, which reports progress and stops a cancelled job."""

    def __init__(self, report: Callable[[str, float | None], None]) -> None:
        self._report = report
        self._cancelled = threading.Event()
        self._last_report = 0.0
        self._text = ""

    @property
    def cancelled(self) -> bool:
        """Whether the job was told to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Tell the job to stop at its next step."""
        self._cancelled.set()

    def step(self, text: str, fraction: float | None = None) -> None:
        """Report what is being done and how far it is (0 to 1; None: unknown); raise CancelledError if told to stop."""
        if self._cancelled.is_set():
            raise CancelledError
        now = time.monotonic()
        if text != self._text or now - self._last_report >= 1 / REPORTS_PER_SECOND:
            self._text, self._last_report = text, now
            self._report(text, fraction)

    def counter(self, text: str) -> Callable[[int, int], None]:
        """Return a progress callback (done, total) for the compute core that reports under `text`."""
        return lambda done, total: self.step(text, done / total if total else None)

    def pause(self, seconds: float) -> None:
        """Sleep, unless the job is or gets cancelled."""
        if self._cancelled.wait(seconds):
            raise CancelledError

    def wait(self, event: threading.Event) -> None:
        """Wait for an event (a button, say) or for the job to be cancelled, whichever comes first."""
        while not event.wait(0.05):
            if self._cancelled.is_set():
                raise CancelledError


class Worker:
    """One daemon thread that runs the newest submitted job.

    Args:
        report: called with (text, fraction) from the thread as a job goes on.
        done: called with True when a job ended well, False when the user cancelled it.
        failed: called with the exception of a job that raised.
    """

    def __init__(
        self,
        *,
        report: Callable[[str, float | None], None],
        done: Callable[[bool], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._report, self._done, self._failed = report, done, failed
        self._condition = threading.Condition()
        self._next: tuple[Callable[[Job], Any], float] | None = None
        self._job: Job | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._condition:
            return self._next is not None or self._job is not None

    def submit(self, work: Callable[[Job], Any], *, debounce: float = 0.0) -> None:
        """Run `work(job)` on the thread; a running job is cancelled and a waiting one replaced."""
        with self._condition:
            if self._closed:
                return
            self._next = (work, time.monotonic() + debounce)
            if self._job is not None:
                self._job.cancel()
            if self._thread is None:
                self._thread = in_background(self._loop, "semrsm-worker", stop=self.close, kind=_thread_class())
            self._condition.notify_all()

    def cancel(self) -> None:
        """Stop the running job at its next step and drop the waiting one."""
        with self._condition:
            self._next = None
            if self._job is not None:
                self._job.cancel()
            self._condition.notify_all()

    def close(self) -> None:
        """Cancel everything and end the thread; later submissions are ignored."""
        with self._condition:
            self._closed = True
        self.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs or waits; return whether that came within `timeout` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._next is None and self._job is None, timeout)

    def _take(self) -> tuple[Callable[[Job], Any], Job] | None:
        """Wait for the next job that is due; None when closed."""
        with self._condition:
            while True:
                if self._closed:
                    return None
                if self._next is None:
                    self._condition.wait()
                    continue
                work, due = self._next
                remaining = due - time.monotonic()
                if remaining > 0:
                    self._condition.wait(remaining)
                    continue
                self._next, self._job = None, Job(self._report)
                return work, self._job

    def _loop(self) -> None:
        with quietly():  # how far it is stands in the status line
            self._work()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            work, job = taken
            try:
                self._run(work, job)
            finally:
                with self._condition:
                    self._job = None
                    self._condition.notify_all()

    def _run(self, work: Callable[[Job], Any], job: Job) -> None:
        """Run one job and say how it ended; one that a newer job stopped ends in silence."""
        try:
            work(job)
        except CancelledError:
            if not self._superseded() and not self._closed:
                self._done(False)
        except Exception as error:  # shown to the user by `failed`, never lost
            if not self._closed:
                self._failed(error)
        else:
            if not self._closed:
                self._done(True)

    def _superseded(self) -> bool:
        with self._condition:
            return self._next is not None


def _thread_class() -> type[threading.Thread]:
    """Return what a worker's thread is: in marimo one of its own, for what others open never reaches the page."""
    found: type[threading.Thread] = getattr(sys.modules.get("marimo"), "Thread", threading.Thread)
    return found
