"""What every view has: a status line, visible errors, a worker thread, and a picture where no widget can run."""

from __future__ import annotations

import functools
import io
import os
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import anywidget
import traitlets as t

from semrsm_widgets.common import check_choice, check_flag, describe_seconds, quietly, suggest

from .kept_picture import KeepsPicture, with_picture
from .private import HIDDEN
from .save_figure import SavesFigure
from .wire import Message
from .worker import Job, Worker

if TYPE_CHECKING:
    from PIL import Image

OFFERS = {
    "layers": "the layer slider",
    "kernels": "the choice of a kernel",
    "status": "a status line of its own",
    "comparison": "the list of images to compare with",
    "files": "the button for a picture from outside the set",
    "boxes": "drawing a box on the query",
    "probe": "how alike every patch is to the one pointed at, and where else it is",
}
"""Parts of views that what surrounds a view may do in its place, as an explorer has one layer slider for all its views,
or cannot serve, as a report has no kernel to search with a file."""

_STATIC = Path(__file__).parents[1] / "static"
# Before that, how long the rest of a step takes is a guess.
_SURE_SECONDS = 2.0


def bundle(name: str) -> str | Path:
    """Return a script or a style that `npm run build` made, in the form that an anywidget takes.

    This is its text. Where anywidget watches files, which it does for developers with ANYWIDGET_HMR=1, it is the file's
    path: open views then follow each build. Not otherwise: anywidget ties every widget of a file to it for as long as
    the process lives.
    """
    return _STATIC / name if os.environ.get("ANYWIDGET_HMR") == "1" else bundle_text(name)


def bundle_text(name: str) -> str:
    """Return the text of a script or a style that `npm run build` made."""
    return (_STATIC / name).read_text(encoding="utf-8")


SHARED_STYLE = {"_anywidget_id": "semrsm_widgets"}
"""What every view gives anywidget, so that a page has their style once: anywidget has one style element an id, which by
default is a class's own, and browsers match each copy's rules again whenever something changes."""


class Status(NamedTuple):
    """What stands in a status line.

    Attributes:
        state: "ready", "working", "waiting" (for Start), "cancelled" or "error".
        text: the line in words.
        fraction: how far the step is, from 0 to 1; None: unknown, or no step.
        left: in words how long the step still takes; empty while that is a guess.
    """

    state: str
    text: str
    fraction: float | None
    left: str


class Phase(NamedTuple):
    """A stretch of work whose steps tell how fast it goes: when it began, how far it was then, and is now (0 to 1)."""

    since: float
    first: float
    latest: float


def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a browser callback show its error in the status line: JupyterLab itself would show nothing."""

    @functools.wraps(method)
    def wrapper(self: View, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:  # kept in last_error and shown
            self.show_error(error)
            return None

    return wrapper


class View(SavesFigure, KeepsPicture, anywidget.AnyWidget):
    """Base of all views.

    The browser asks with messages and the view answers with messages, so nothing heavy is saved in the notebook.
    Traits hold what is on screen. The worker sets only traits that the browser never sets: traitlets would roll all
    changes back together if one fails while the browser updates.
    """

    _css = bundle("views.css")

    _status: t.Dict[str, Any] = t.Dict({"state": "working", "text": "", "fraction": None}).tag(sync=True)
    """The fields of a `Status`, as the page reads them; while something is being done with `left`, and the same as
    `seconds`, which the page counts down."""

    last_error = t.Unicode("", help="Traceback of the last error that was shown in the status line.")

    save_images = t.Bool(True, help="Whether the saved notebook may contain pictures of this view and their names.")
    _private = t.Bool(False, help="Whether names come as messages: not save_images.").tag(sync=True)

    parts: ClassVar[tuple[str, ...]] = ()
    """Which of OFFERS the view has."""

    offers: t.List[str] = t.List(t.Unicode(), help="Which of its `parts` the view shows.").tag(sync=True)

    handlers: ClassVar[dict[str, str]] = {"cancel": "cancel", "resume": "resume", "start": "start"}
    """Message kind -> name of the method that answers it; a subclass adds its own."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known: dict[str, str] = {}
        for each in reversed(cls.__mro__):
            known |= each.__dict__.get("handlers", {})
        cls.handlers = known

    def __init__(self, *, save_images: bool = True, **kwargs: Any) -> None:
        self._check_arguments(kwargs)
        save_images = check_flag("save_images", save_images)
        super().__init__(save_images=save_images, _private=not save_images, **SHARED_STYLE, **kwargs)
        self._started = time.monotonic()
        self._phase: Phase | None = None
        self._go = threading.Event()
        self.worker = Worker(report=self._show_progress, done=self.show_done, failed=self.show_error)
        self.kept.watch(self)
        self.on_msg(self._on_message)
        self.observe(self._on_privacy, names="save_images")
        self.observe(lambda change: self._send_private([change["name"]]), names=self._hidden_traits())

    def _check_arguments(self, given: dict[str, Any]) -> None:
        """Raise for an argument that is none: ipywidgets would take it, and only warn where nobody sees it."""
        known = [name for name in self.trait_names() if not name.startswith("_")]
        for name in given:
            if not self.has_trait(name):
                text = f"{type(self).__name__}() got an unexpected keyword argument {name!r}."
                raise TypeError(f"{text} {suggest(name, known)}")

    @t.default("offers")
    def _all_parts(self) -> list[str]:
        return list(self.parts)

    @t.validate("offers")
    def _check_offers(self, proposal: Any) -> list[str]:
        return [check_trait("offers", part, self.parts) for part in proposal["value"]]

    # -- what the notebook may keep -----------------------------------------------------------------------------

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state that the notebook may keep: without names where pictures are private."""
        state: dict[str, Any] = super().get_state(key, drop_defaults)
        if not self.save_images:
            state.update({name: HIDDEN[name](state[name]) for name in HIDDEN.keys() & state.keys()})
        return state

    def _hidden_traits(self) -> list[str]:
        return [name for name in HIDDEN if self.has_trait(name)]

    def _on_privacy(self, _change: Any) -> None:
        self._private = not self.save_images
        self.send_state(self._hidden_traits())
        if self.save_images:
            self.post(Message.of("public"))
        self._send_private()

    def _send_private(self, names: list[str] | None = None) -> None:
        """Send what the state leaves out (all of it unless named), as a message: no notebook keeps one."""
        if not self.save_images:
            state = {name: getattr(self, name) for name in names or self._hidden_traits()}
            self.post(Message.of("private", state=state, all=names is None))

    # -- status -------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """The status line as it is now: its state, its text, how far the step is and how long it still takes."""
        shown = self._status  # replaced as a whole, on any thread
        return Status(shown["state"], shown["text"], shown["fraction"], shown.get("left", ""))

    def follow_status(self, view: View) -> None:
        """Show the status of another view from now on."""
        view.observe(lambda change: self.set_trait("_status", change["new"]), names="_status")
        self.set_trait("_status", view._status)

    def show_status(self, state: str, text: str, fraction: float | None = None) -> None:
        """Put a line into the status line."""
        self._status = {"state": state, "text": text, "fraction": fraction}

    def show_error(self, error: Exception) -> None:
        """Show an error in the status line, after its notes, and keep its traceback in `last_error`."""
        self.last_error = "".join(traceback.format_exception(error))
        where = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
        self.show_status("error", f"{where}{type(error).__name__}: {error}")

    def _show_progress(self, text: str, fraction: float | None) -> None:
        now = time.monotonic()
        phase = self._phase
        if phase is None or fraction is None or fraction < phase.latest:
            phase = Phase(now, fraction or 0.0, fraction or 0.0)
        self._phase = phase._replace(latest=fraction or 0.0)
        seconds = seconds_left(now - phase.since, phase.first, fraction)
        left = "" if seconds is None else f"about {describe_seconds(seconds)} left"
        self._status = {"state": "working", "text": text, "fraction": fraction, "left": left, "seconds": seconds}

    def show_done(self, finished: bool) -> None:
        """Show that a job has ended, or was cancelled."""
        if finished:
            self.show_status("ready", self.ready_text())
        else:
            self.show_status("cancelled", "Cancelled. Move the layer slider, or press Resume, to go on.")

    def ready_text(self) -> str:
        """Return the status line of a view with nothing to do."""
        seconds = time.monotonic() - self._started
        return f"Ready · {seconds:.1f} s"

    def run(self, work: Callable[[Job], Any], *, debounce: float = 0.0) -> None:
        """Run work on the view's thread; a running one is cancelled."""
        if not self.worker.busy:  # a job that replaces a running one goes on with the same wait
            self._started = time.monotonic()
        self._phase = None
        self.worker.submit(work, debounce=debounce)

    def await_start(self, job: Job, cost: str) -> None:
        """Show what a step will cost and wait until the user starts it; each step is asked for by itself."""
        self._go.clear()
        self.show_status("waiting", f"{cost} Press Start to go on.")
        job.wait(self._go)
        self._phase = None  # the wait says nothing of how long the rest takes

    def start(self, _content: dict[str, Any] | None = None) -> None:
        """Go on with a step that waits because it will take long."""
        self._go.set()

    def cancel(self, _content: dict[str, Any] | None = None) -> None:
        """Stop what is being computed; what is there already stays."""
        self.worker.cancel()

    def resume(self, _content: dict[str, Any] | None = None) -> None:
        """Go on after a cancel."""
        self.request(None)

    def request(self, change: Any) -> None:
        """Have the worker compute what is on screen; `change` is None unless a trait changed."""

    @property
    def cancelled(self) -> bool:
        """Whether the last job was cancelled, and nothing has begun since."""
        return self.status.state == "cancelled"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the view has nothing left to compute; return whether that came within `timeout` seconds."""
        return self.worker.wait(timeout)

    def close(self) -> None:
        """Free the thread and the widget."""
        if hasattr(self, "worker"):  # ipywidgets also closes what never got through __init__
            self.kept.close()
            self.worker.close()
        close_with_layout(self, super().close)

    # -- messages -----------------------------------------------------------------------------------------------

    def post(self, message: Message) -> None:
        """Send the page a message."""
        self.send(message.content, message.buffers)

    def receive(self, content: Any, buffers: Sequence[Any] = ()) -> None:
        """Answer a message of the page; the method that does so finds its buffers in `content["buffers"]`."""
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "ping":  # answered at once, whatever the worker does: the page asks whether the kernel is there
            self.post(Message.of("pong"))
            return
        if kind == "ready":
            self._send_private()
        handler = self.handlers.get(kind) if isinstance(kind, str) else None
        if handler is not None:
            with quietly():
                guarded(lambda view: getattr(view, handler)({**content, "buffers": buffers}))(self)

    def _on_message(self, _widget: Any, content: Any, buffers: Any) -> None:
        self.receive(content, buffers)

    # -- without a browser --------------------------------------------------------------------------------------

    def picture(self) -> Image.Image | None:
        """Return a picture of what the view shows, or None while there is nothing to show."""
        return None

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_picture(self, self.widget_bundle(**kwargs))

    def widget_bundle(self, **kwargs: Any) -> Any:
        """Return what anywidget itself shows: (data, metadata), or None."""
        return super()._repr_mimebundle_(**kwargs)


def close_with_layout(widget: Any, close: Callable[[], None]) -> None:
    """Close a widget, and the layout that ipywidgets made for it and would keep for as long as the kernel lives."""
    layout = widget.layout if widget.comm is not None else None
    close()
    if layout is not None:
        layout.close()


def seconds_left(elapsed: float, first: float, fraction: float | None) -> float | None:
    """Return how long a step still takes, from the seconds since it was at `first`; None while that is a guess."""
    if fraction is None or elapsed < _SURE_SECONDS or fraction <= first:
        return None
    left = elapsed * (1 - fraction) / (fraction - first)
    return left if left >= 1 else None


def guarded_method(view: Any, name: str) -> Any:
    """Return an observer that shows its error in the view's status line."""
    return lambda change: guarded(lambda self: getattr(self, name)(change))(view)


def jpeg_bytes(picture: Image.Image, *, quality: int = 85) -> bytes:
    """Return a picture as JPEG without metadata, the form in which a view sends it."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def check_trait(name: str, value: Any, options: tuple[str, ...]) -> str:
    """Return a trait's value if it is one of the options; else raise TraitError with the nearest ones."""
    try:
        return check_choice(name, value, options)
    except ValueError as error:
        raise t.TraitError(str(error)) from None
