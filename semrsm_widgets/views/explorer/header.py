"""The first line of an explorer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.common import check_choice
from semrsm_widgets.views.base import Message, View, bundle, jpeg_bytes

if TYPE_CHECKING:
    from semrsm_widgets.images import Images

ARRANGEMENTS = ("one screen", "columns", "tabs")
PARTS = ("heatmaps", "pair", "retrieval")
REPORT_PAIRS = ("current", "nearest", "all")
_FILM = 96


class ExplorerHeader(View):
    """The explorer's first line: what is shown, what is being done, what was reduced and how to lift that."""

    _esm = bundle("explorer.js")

    title: t.List[str] = t.List().tag(sync=True)
    badge = t.Unicode("", help="What is to be known of the model: that its weights are random.").tag(sync=True)
    notices: t.List[str] = t.List().tag(sync=True)
    loading = t.Bool(True).tag(sync=True)
    arrangement = t.Unicode("one screen").tag(sync=True)
    part = t.Unicode("heatmaps").tag(sync=True)
    recalls = t.Bool(True, help="Whether the page may stand as a person last chose: nobody has said how.").tag(
        sync=True
    )
    can_report = t.Bool(False, help="Whether there is something that writes a report.").tag(sync=True)
    _arrangements = t.List(list(ARRANGEMENTS)).tag(sync=True)
    _parts = t.List(list(PARTS)).tag(sync=True)

    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_on_ready",
        "cancel": "_on_cancel",
        "resume": "_on_resume",
        "start": "_on_start",
        "report": "_on_report",
        "cancel report": "_on_cancel_report",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.actions: dict[str, Callable[[], None]] = {}
        self.on_report: Callable[[str, bool], None] | None = None  # pairs, whether with pictures
        self._film: list[bytes] = []

    def show_film(self, images: Images) -> None:
        """Show the images while the model is being loaded."""
        self._film = [jpeg_bytes(images.thumbnail(k, _FILM)) for k in range(len(images))]
        self._send_film()

    def show_done(self, finished: bool) -> None:
        """Show that opening the views was cancelled."""
        if not finished:  # a job that ended well has opened the views, and their status follows
            super().show_done(finished)

    def _on_ready(self, _content: dict[str, Any]) -> None:
        self._send_film()
        if "repeat report" in self.actions:
            self.actions["repeat report"]()

    def _send_film(self) -> None:
        if self._film and self.loading:
            self.post(Message.of("film", pictures={"film": self._film}))

    def _on_cancel(self, _content: dict[str, Any]) -> None:
        self.actions["cancel"]()

    def _on_resume(self, _content: dict[str, Any]) -> None:
        self.actions["resume"]()

    def _on_start(self, _content: dict[str, Any]) -> None:
        self.actions["start"]()

    def _on_report(self, content: dict[str, Any]) -> None:
        if self.on_report is not None:
            self.on_report(check_choice("pairs", content["pairs"], REPORT_PAIRS), bool(content["images"]))

    def _on_cancel_report(self, _content: dict[str, Any]) -> None:
        self.actions["cancel report"]()

    def __repr__(self) -> str:
        return "ExplorerHeader()"
