"""The first line of an explorer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets as t

from semrsm_widgets.views.base import BokehPane, Message, bundle, jpeg_bytes

if TYPE_CHECKING:
    from semrsm_widgets.images import Images

ARRANGEMENTS = ("one screen", "columns", "tabs")
PARTS = ("heatmaps", "pair", "retrieval")
_FILM = 96


class ExplorerHeader(BokehPane):
    """The explorer's first line: what is shown, what is being done, what was reduced and how to lift that.

    It has the page load BokehJS, so that the heatmaps need not wait for it later.
    """

    _esm = bundle("explorer.js")

    title: t.List[str] = t.List().tag(sync=True)
    badge = t.Unicode("", help="What is to be known of the model: that its weights are random.").tag(sync=True)
    notices: t.List[str] = t.List().tag(sync=True)
    loading = t.Bool(True).tag(sync=True)
    arrangement = t.Unicode("one screen").tag(sync=True)
    part = t.Unicode("heatmaps").tag(sync=True)
    _arrangements = t.List(list(ARRANGEMENTS)).tag(sync=True)
    _parts = t.List(list(PARTS)).tag(sync=True)

    handlers = {  # noqa: RUF012 (never mutated)
        "ready": "_send_film",
        "cancel": "_on_cancel",
        "resume": "_on_resume",
        "start": "_on_start",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.actions: dict[str, Callable[[], None]] = {}
        self._film: list[bytes] = []

    def show_film(self, images: Images) -> None:
        """Show the images while the model is being loaded."""
        self._film = [jpeg_bytes(images.thumbnail(k, _FILM)) for k in range(len(images))]
        self._send_film({})

    def show_done(self, finished: bool) -> None:
        """Show that opening the views was cancelled."""
        if not finished:  # a job that ended well has opened the views, and their status follows
            super().show_done(finished)

    def _send_film(self, _content: dict[str, Any]) -> None:
        if self._film and self.loading:
            self.post(Message.of("film", pictures={"film": self._film}))

    def _on_cancel(self, _content: dict[str, Any]) -> None:
        self.actions["cancel"]()

    def _on_resume(self, _content: dict[str, Any]) -> None:
        self.actions["resume"]()

    def _on_start(self, _content: dict[str, Any]) -> None:
        self.actions["start"]()

    def __repr__(self) -> str:
        return "ExplorerHeader()"
