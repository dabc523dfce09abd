"""The explorer's button that writes a report: in the background, beside the notebook, never over another file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semrsm_widgets.views.base import Message, Worker, seconds_left

if TYPE_CHECKING:
    from semrsm_widgets.analysis import Analysis
    from semrsm_widgets.views.base import Job

_NO_NAME = re.compile(r"[^\w.-]+")
_LONGEST_NAME = 60


WritesReport = Callable[..., Path]
"""What writes an Analysis into a file, as `to_html` does: (analysis, path, *, progress, pairs, images, layer, ...)."""


class Reporter:
    """Writes reports one at a time, and posts how far one is.

    Args:
        write: writes one.
        post: takes a message for the page; the newest says all.
    """

    def __init__(self, write: WritesReport, post: Callable[[Message], None]) -> None:
        self._write, self._post = write, post
        self._message: Message | None = None
        self._began: float | None = None
        self.worker = Worker(report=self._on_progress, done=self._on_done, failed=self._on_failed)

    def start(self, analysis: Analysis, *, pairs: str, images: bool, **shown: Any) -> None:
        """Begin to write a report; one that is being written is given up.

        Args:
            analysis: what it is of.
            pairs: "current", "nearest" or "all".
            images: whether pictures and names may be in it.
            **shown: what it shows first: layer, kernel, pair and query.
        """
        title = "tokens" if analysis.model is None else analysis.model.name

        def work(job: Job) -> None:
            path = free_path(Path.cwd(), f"report-{title}")
            counter = job.counter("Writing the report:")
            written = self._write(analysis, path, progress=counter, pairs=pairs, images=images, **shown)
            self._tell("done", path=str(written), bytes=written.stat().st_size)

        self._began = None
        self._tell("working", fraction=None, seconds=None)
        self.worker.submit(work)

    def repeat(self) -> None:
        """Post again what was posted last, for a page that has just opened."""
        if self._message is not None:
            self._post(self._message)

    def cancel(self) -> None:
        """Stop; nothing is written."""
        self.worker.cancel()

    def close(self) -> None:
        """End the thread."""
        self.worker.close()

    def _tell(self, state: str, **facts: Any) -> None:
        self._message = Message.of("report", state=state, **facts)
        self._post(self._message)

    def _on_progress(self, _text: str, fraction: float | None) -> None:
        now = time.monotonic()
        if self._began is None and fraction:
            self._began, self._first = now, fraction
        left = None if self._began is None else seconds_left(now - self._began, self._first, fraction)
        self._tell("working", fraction=fraction, seconds=left)

    def _on_done(self, finished: bool) -> None:
        if not finished:
            self._tell("cancelled")

    def _on_failed(self, error: Exception) -> None:
        self._tell("error", words=f"{type(error).__name__}: {error}")


def free_path(folder: Path, name: str) -> Path:
    """Return the path of an HTML file that does not exist yet.

    Args:
        folder: where.
        name: what it is called but for characters that a file's name should not have, and for a number.
    """
    stem = _NO_NAME.sub("-", name)[:_LONGEST_NAME].strip("-.") or "report"
    numbers = iter(range(2, 10**6))
    path = folder / f"{stem}.html"
    while path.exists():
        path = folder / f"{stem}-{next(numbers)}.html"
    return path
