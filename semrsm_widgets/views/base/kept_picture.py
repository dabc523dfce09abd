"""The picture of a view that a notebook keeps: beside the widget in its cell, always as the view was last seen.

A cell that shows a view has two outputs: the widget, and a picture under a display id of its own, which is drawn anew
as the view changes. Where the widget runs, the picture is hidden (`style.css`). Where none runs, in a notebook that is
opened without its kernel, on GitHub, in nbconvert's HTML, the picture is what there is to see. One output with both
would not do: JupyterLab shows a widget that is gone as "model not found", and not the picture beside it, in every
notebook that it trusts; and drawing that output anew would draw the living view anew.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import os
import threading
import time
from base64 import b64encode
from typing import Any
from uuid import uuid4

import traitlets as t
from PIL import Image

IDLE_SECONDS = 3.0
"""How long nothing was changed before the picture is drawn anew."""

UNATTENDED_SECONDS = 120.0
"""How long a cell that nobody watches waits for a view to have something to see."""

# A view that has become ready is drawn once the last of its parts has, too.
_READY_SECONDS = 0.3
# A view that works for long looks the same for long.
_MOST_SECONDS = 60.0
# One view may be shown in many cells, or in one cell many times.
_MOST_PLACES = 8


class KeepsPicture:
    """A view whose cell keeps its picture: mixed into what has `picture`, `wait`, `status` and `save_images`."""

    _kept: KeptPicture | None = None

    @property
    def kept(self) -> KeptPicture:
        """What keeps the picture."""
        if self._kept is None:
            self._kept = KeptPicture(self)
        return self._kept

    def _ipython_display_(self, **_: Any) -> None:
        self.kept.show()


class KeptPicture:
    """Shows a view with its picture, and draws the picture anew as the view, or one of those it watches, changes."""

    def __init__(self, view: Any) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._drawing = threading.Lock()
        self._places: list[str] = []  # display ids, the newest last
        self._timer: threading.Timer | None = None
        self._delay = IDLE_SECONDS  # before a view that works is looked at again
        self._shown = ""  # what the picture in all places was made of
        self._changed = False
        self._unattended = False

    def watch(self, view: Any) -> None:
        """Draw the picture anew when this view changes: the one that is shown, or a part of it."""
        view.observe(self._on_change, names=t.All)

    # -- showing ------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Show the view and its picture as outputs of the running cell.

        Where nobody can answer, as under nbclient, nbconvert and papermill, nobody can wait for the view either: the
        cell ends when there is something to see, or when that takes more than UNATTENDED_SECONDS or somebody's Start.
        """
        view, shell = self._view, _running_kernel()
        bundle = _without_picture(view, view.widget_bundle())
        if shell is None or bundle is None:
            print(repr(view))
            return
        place = uuid4().hex
        _publish({**bundle[0], "text/plain": type(view).__name__}, bundle[1], place)
        if not view.save_images or _is_voila():
            return
        if _nobody_answers(shell) and not self._unattended:
            self._unattended = True
            shell.events.register("post_execute", self._after_cell)
        if self._unattended:
            self._await()
        with self._lock:
            self._places = [*self._places, place][-_MOST_PLACES:]
        self._draw(new=place)

    def _await(self) -> None:
        """Wait until the view has nothing left to do, or waits for somebody."""
        end = time.monotonic() + UNATTENDED_SECONDS
        parts = getattr(self._view, "views", [self._view])
        while not self._view.wait(0.1) and time.monotonic() < end:
            if any(part.status.state == "waiting" for part in parts):
                return

    def _after_cell(self) -> None:
        """Draw what a cell that nobody watches has changed, before it ends: later it could not tell any more."""
        if self._changed:
            self._await()
            self._draw()

    def close(self) -> None:
        """Draw the view as it was last seen, and leave the picture in its place."""
        self._cancel()
        with self._drawing:  # a drawing that is under way must find its places
            if self._places and self._changed:
                self._draw_changed()
            with self._lock:
                places, self._places = self._places, []
        for place in places:
            _publish({"text/plain": _text(self._view)}, {}, place, update=True)
        self._cancel()
        if self._unattended:
            self._unattended = False
            shell = _running_kernel()
            if shell is not None:
                with contextlib.suppress(ValueError):
                    shell.events.unregister("post_execute", self._after_cell)

    # -- following ----------------------------------------------------------------------------------------------

    def _on_change(self, change: Any) -> None:
        name = change["name"]
        if not self._places:
            return
        if name == "save_images":
            self._draw()
        elif name == "_status":
            self._changed = True
            if change["new"].get("state") == "ready":
                self._schedule(_READY_SECONDS)
            elif self._timer is None:
                self._schedule(self._delay)
        elif not name.startswith("_"):
            self._changed = True
            self._delay = IDLE_SECONDS
            self._schedule(IDLE_SECONDS)

    def _schedule(self, seconds: float) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(seconds, self._on_time)
            self._timer.daemon, self._timer.name = True, "semrsm-picture"
            self._timer.start()

    def _cancel(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _on_time(self) -> None:
        with self._lock:
            if threading.current_thread() is not self._timer:
                return  # another one was set meanwhile
            self._timer = None
        self._draw()

    # -- drawing ------------------------------------------------------------------------------------------------

    def _draw(self, new: str = "") -> None:
        """Draw the picture and put it into all places; into one only, where it was just shown and nothing changed."""
        with self._drawing:
            self._draw_changed(new)

    def _draw_changed(self, new: str = "") -> None:
        self._changed = False
        picture = self.picture()
        data = {"text/plain": ""}
        if picture is not None:
            data = {"image/png": png_base64(picture), "text/plain": _text(self._view)}
        made_of = hashlib.sha256(repr(data).encode()).hexdigest()
        same = made_of == self._shown
        self._delay = min(2 * self._delay, _MOST_SECONDS) if same else IDLE_SECONDS
        self._shown = made_of
        with self._lock:
            places = list(self._places)
        for place in places:
            if place == new or not same:
                # the style sheet knows the picture by this: it is white, whatever the theme
                _publish(data, {"needs_background": "light"}, f"{place}-picture", update=place != new)

    def picture(self) -> Image.Image | None:
        """Return the view's picture; None where there is none, where it is private, and where drawing it fails."""
        if not self._view.save_images:
            return None
        try:
            picture: Image.Image | None = self._view.picture()
        except Exception as error:  # the widget must come up: its status line is where errors are read
            with self._lock:
                self._places = []  # it would fail again and again
            getattr(self._view, "header", self._view).show_error(error)
            return None
        return picture


def with_picture(view: Any, bundle: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return a widget's display bundle with a stable text and, where there is one, a picture of the view.

    anywidget answers (data, metadata) or None, ipywidgets a dict or None.
    """
    found = _without_picture(view, bundle)
    if found is None:
        return None
    picture = view.kept.picture()
    if picture is not None:
        found[0]["image/png"] = png_base64(picture)
    return found


def png_base64(picture: Image.Image) -> str:
    """Return a picture as base64 PNG of 256 colours of its own, the form in which a notebook keeps it.

    Of all colours it would take more than twice the room, and four times as long. The colours are spread by an octree:
    median cut gives nearly all of them to the photographs, and a heatmap beside them would show values that are none.
    """
    stream = io.BytesIO()
    few = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(stream, "PNG", optimize=True)
    return b64encode(stream.getvalue()).decode("ascii")


def _without_picture(view: Any, bundle: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    if bundle is None:
        return None
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    return {**data, "text/plain": _text(view)}, metadata


def _text(view: Any) -> str:
    """Return what stands for a view in plain text; where pictures are private, no name."""
    return repr(view) if view.save_images else f"{type(view).__name__}()"


def _running_kernel() -> Any:
    """Return the shell of the kernel that runs this, or None: there is none, or a terminal."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _nobody_answers(shell: Any) -> bool:
    """Whether who runs this cell cannot be asked anything, so that nobody sits before it."""
    request: dict[str, Any] = shell.get_parent().get("content", {})
    return request.get("allow_stdin") is False


def _is_voila() -> bool:
    """Whether the page is made by Voila, which runs cells as if nobody watched, and then shows them."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


_leaving = threading.Event()
# A kernel that ends sends from whichever thread speaks, and two messages at once get mixed up on the way.
atexit.register(_leaving.set)


def _publish(data: dict[str, Any], metadata: dict[str, Any], place: str, *, update: bool = False) -> None:
    from IPython.display import display, update_display

    if _leaving.is_set():
        return
    (update_display if update else display)(data, metadata=metadata, raw=True, display_id=place)
