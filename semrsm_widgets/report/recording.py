"""What views send, recorded without a browser: the answers of a page that has no kernel behind it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from semrsm_widgets.views.base import PAGE_DIGITS, Job, Message, View, plain


@dataclass(frozen=True, kw_only=True)
class Recorded(Message):
    """A message of a view; `scope` holds those of the view's traits that its content names, with their values."""

    scope: dict[str, Any]


class Recording:
    """The messages of one view, the last of each kind for each scope.

    Args:
        keys: the traits on which the view's answers depend, such as ("layer", "pair").
        apart: further fields that tell messages of one kind and scope apart.
        named: field of a message -> the trait that it means, where they have different names.
    """

    def __init__(
        self,
        keys: tuple[str, ...],
        *,
        apart: tuple[str, ...] = (),
        named: Mapping[str, str] | None = None,
    ) -> None:
        self.keys = keys
        self._apart = apart
        self._fields = {**{key: key for key in keys}, **(named or {})}
        self._messages: dict[str, Recorded] = {}
        self._scopes: set[str] = set()

    def add(self, content: Any, buffers: Iterable[Any]) -> None:
        """Keep a message; it replaces an earlier one of its kind about the same."""
        content = plain(content, PAGE_DIGITS)
        scope = {key: content[field] for field, key in self._fields.items() if field in content}
        name = repr((content["kind"], scope, [content.get(key) for key in self._apart]))
        self._messages.pop(name, None)  # the order is that in which they were last sent
        self._messages[name] = Recorded(content=content, scope=scope, buffers=[bytes(each) for each in buffers])
        self._scopes.add(_name_of(scope))  # one that is replaced was about the same

    def covers(self, state: Mapping[str, Any]) -> bool:
        """Return whether there is a message about exactly this state."""
        return _name_of(plain(state, PAGE_DIGITS)) in self._scopes

    @property
    def messages(self) -> list[Recorded]:
        """What was recorded."""
        return list(self._messages.values())


def _name_of(scope: Mapping[str, Any]) -> str:
    return json.dumps(scope, sort_keys=True)


class _Recording:
    """A view without comm and thread: it works at once, what it sends is recorded, and its errors are raised."""

    recording: ClassVar[Recording]

    def open(self) -> None:
        """Open no comm."""

    def send(self, content: Mapping[str, Any], buffers: Iterable[Any] | None = None) -> None:
        """Record a message."""
        self.recording.add(content, buffers or ())

    def run(self, work: Callable[[Job], Any], *, debounce: float = 0.0) -> None:
        """Work now."""
        work(Job(lambda text, fraction: None))

    def show_error(self, error: Exception) -> None:
        """Raise what would be shown."""
        raise error

    def show_status(self, state: str, text: str, fraction: float | None = None) -> None:
        """Show nothing."""


def recorded_view(view_class: Any, recording: Recording, *arguments: Any, **options: Any) -> Any:
    """Return a view without a browser; what it sends is recorded.

    Args:
        view_class: which view, a subclass of `View`.
        recording: where its messages go.
        *arguments: of the view.
        **options: of the view.
    """
    members: dict[str, Any] = {"recording": recording, "__doc__": view_class.__doc__}
    recorded: Any = type(view_class)(f"Recorded{view_class.__name__}", (_Recording, view_class), members)
    return recorded(*arguments, patience=math.inf, **options)


def ask(view: View, **content: Any) -> None:
    """Deliver a message to a view as a page would."""
    view.receive(content)


def record(view: Any, states: Iterable[Mapping[str, Any]]) -> None:
    """Have a view send what a page needs to show it in each of the given states.

    Args:
        view: a view from `recorded_view`.
        states: values of the recording's keys. Neighbours should differ in one trait: each change is worked on.
    """
    for state in states:
        if view.recording.covers(state):
            continue
        for name, value in state.items():
            setattr(view, name, value)
        if not view.recording.covers(state):
            ask(view, kind="ready")
