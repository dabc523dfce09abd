"""Views without a browser: what they send, what a page asks, and waiting for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from helpers.analyses import N
from semrsm_widgets.figures.sheet import Sheet, paper_style
from semrsm_widgets.views.base import ComposedView, Message, View

DEADLINE = 180.0
"""Seconds to wait for anything: the machine may be busy. Nothing is asserted of how long it took."""


class Sent(list[tuple[dict[str, Any], list[bytes]]]):
    """What a view sends to its page from now on, as (content, buffers), in order."""

    def __init__(self, view: View | None = None) -> None:
        super().__init__()
        if view is not None:
            view.send = lambda content, buffers=None: self.append((content, list(buffers or [])))

    @classmethod
    def by_any(cls, view_class: type[View], monkeypatch: pytest.MonkeyPatch) -> Sent:
        """Return what any view of a class sends, a new one from its first job on."""
        sent = cls()
        monkeypatch.setattr(
            view_class, "send", lambda self, content, buffers=None: sent.append((content, list(buffers or [])))
        )
        return sent

    @property
    def kinds(self) -> list[str]:
        """The kind of each message."""
        return [content["kind"] for content, _ in self]

    def of(self, kind: str) -> list[tuple[dict[str, Any], list[bytes]]]:
        """Return the messages of a kind."""
        return [(content, buffers) for content, buffers in self if content["kind"] == kind]

    def newest(self, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the newest message of a kind and the arrays that it names, read as the page reads them."""
        content, buffers = self.of(kind)[-1]
        return content, Message(content=content, buffers=buffers).arrays()


def ask(view: View, buffers: Sequence[bytes] = (), **content: Any) -> None:
    """Deliver a message as a page would."""
    view._handle_custom_msg(content, [memoryview(each) for each in buffers])


def finished(view: Any) -> bool:
    """Return whether a view has come to its end; where it asks for Start, that is pressed.

    On a busy machine the sampled cost of anything may be long.
    """
    end = time.monotonic() + DEADLINE
    while not view.wait(0.1) and time.monotonic() < end:
        if any(part.status.state == "waiting" for part in getattr(view, "views", [view])):
            view.start()
    return bool(view.wait(0))


def settled(view: Any) -> Any:
    """Return a view once it has computed everything, without an error."""
    assert finished(view), view.status
    assert view.last_error == "", view.last_error
    return view


def opened_page(view: View) -> Sent:
    """Return what a view sends to a page that opens it."""
    assert finished(view)
    sent = Sent(view)
    ask(view, kind="ready")
    assert finished(view)
    return sent


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def state(view: Any) -> dict[str, Any]:
    """Return the traits that the page gets, and that a notebook keeps."""
    found: dict[str, Any] = view.get_state()
    return found


def header(view: ComposedView) -> View:
    """Return the first of a composed view's parts, which has the status line of all."""
    return view.views[0]


def shown(view: Any) -> dict[str, Any]:
    """Return what a notebook keeps of a cell that shows a view: MIME type -> data."""
    bundle = view._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def worker_threads() -> set[threading.Thread]:
    """Return the threads on which views are working; one ends soon after its view is closed."""
    return {thread for thread in threading.enumerate() if thread.name == "semrsm-worker"}


def have_ended(threads: set[threading.Thread]) -> bool:
    """Return whether threads came to their end."""
    for thread in threads:
        thread.join(DEADLINE)
    return not any(thread.is_alive() for thread in threads)


def drawn(view: Any, width: float = 85.0) -> Sheet:
    """Return the sheet that a view draws, as it is written to a file."""
    with paper_style():
        sheet = Sheet(width)
        view.draw_figure(sheet)
    return sheet


SVG = "{http://www.w3.org/2000/svg}"


def texts_of(path: Path) -> str:
    """Return all text of an SVG."""
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(path).iter(f"{SVG}text"))


def from_hex(colour: str) -> tuple[int, int, int]:
    """Return "#rrggbb" as numbers."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return red, green, blue


def unpacked_frame(content: dict[str, Any], buffers: list[bytes], size: int = N) -> dict[str, np.ndarray]:
    """Return the RSMs of a frame, name -> (size, size), as the page unpacks them."""
    found = {}
    for row, buffer in zip(content["matrices"], buffers, strict=True):
        if content["exact"]:
            values = np.frombuffer(buffer, np.float32)
        else:
            steps = np.frombuffer(buffer, "<u2")
            values = np.where(steps == 65535, np.nan, row["low"] + steps * ((row["high"] - row["low"]) / 65534))
        matrix = np.zeros((size, size))
        matrix[np.triu_indices(size)] = values
        found[row["name"]] = np.triu(matrix, 1).T + matrix
    return found


def rows_of(content: dict[str, Any], buffers: list[bytes]) -> tuple[dict[str, Any], np.ndarray | None]:
    """Return what RetrievalView sent as the page reads it: name -> (facts, values, order), and F1 of the labels."""
    left = iter(buffers)
    right = np.frombuffer(next(left), np.float32) if content["answers"] else None
    rows = {}
    for row in content["rows"]:
        values = order = None
        if row["state"] == "ready":
            values, order = np.frombuffer(next(left), np.float32), np.frombuffer(next(left), np.int32)
        rows[row["name"]] = row, values, order
    assert next(left, None) is None
    return rows, right


def held(analysis: Any) -> tuple[Callable[..., Any], threading.Event, threading.Event]:
    """Return a `make` for an Explorer that waits, what says that it waits, and what lets it go on."""
    entered, go = threading.Event(), threading.Event()

    def make(job: Any, explorer: Any) -> Any:
        entered.set()
        go.wait(DEADLINE)
        return analysis

    return make, entered, go
