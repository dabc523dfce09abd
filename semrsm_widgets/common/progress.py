"""How far a long call is: a bar in a notebook, a line in a terminal, nothing where neither is.

Every function that may last opens a `Meter` and tells it how far it is; what it calls in turn opens meters of its own,
which move the outer one. So one bar stands for a call, however many functions are under it; `screen` draws it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

from .checks import describe, message
from .screen import screen
from .settings import options
from .text import describe_seconds
from .types import Progress, ProgressOption

LONG = 30.0
"""Seconds: what is expected to last longer says so before it begins."""
_SURE_SECONDS = 0.7  # of moving: how long the rest takes is a guess before

_current: ContextVar[Meter | None] = ContextVar("semrsm_meter", default=None)


class Meter:
    """How far a call is; a context. Calling it, as `meter(done, total)`, tells.

    Within another meter's context it moves that one and shows nothing of its own. A callback of the user's is called
    whenever something is told, also within inner calls: what it raises ends the call.

    Args:
        what: what is being done, as a heading: "Matching".
        in_percent: a callback gets (per cent done, 100), for a call whose steps are of many kinds.
        progress: the function's argument: a callback (done, total), False for none, None or True for a bar (True also
            where `options` say no).
        unit: what is counted, in the plural: "pairs".
        kept: what an interrupt leaves, as a sentence.

    Raises:
        TypeError: `progress` is none of these.

    Example:
        >>> with Meter("Matching", progress, unit="pairs") as meter:
        ...     for done in range(total):
        ...         meter(done, total)
    """

    def __init__(
        self,
        what: str,
        progress: ProgressOption = None,
        *,
        unit: str = "steps",
        kept: str = "Nothing of it is kept.",
        in_percent: bool = False,
    ) -> None:
        given: Any = progress
        if given is not None and not isinstance(given, bool) and not callable(given):
            expected = f"a function of ({unit} done, {unit} in all), True, False or None"
            raise TypeError(message("progress", expected, describe(progress)))
        self.what, self.unit, self.kept, self.in_percent = what, unit, kept, in_percent
        self.done, self.total = 0, 0
        self.fraction = 0.0
        self.expected = ""
        self.costs: Sequence[float] | None = None
        self.inner: Meter | None = None
        self.began = time.monotonic()
        self._moved = self.began
        self._sure: tuple[float, float] | None = None  # when it first moved, and how far it was then
        self._callback: Progress | None = progress if callable(progress) else None
        self._wish = None if callable(progress) else progress
        self._outer: Meter | None = None
        self._above: Meter | None = (
            None  # whose line says what this one does: the outer, also where a callback tells it
        )
        self._is_inner, self._has_told = False, False
        self._at_hand = 1
        self._first, self._share = 0.0, 1.0  # of the step at hand: what is done, and what the part at hand takes
        self._drawn, self._hears = False, False
        self._token: Token[Meter | None] | None = None

    # -- as a context ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Meter:
        outer = _current.get()
        self._is_inner = outer is not None
        if self._wish is not False and outer is not None:
            self._above, outer.inner = outer, self
            self._outer = outer if self._callback is None else None
        self._token = _current.set(self)
        wished = options.progress if self._wish is None else self._wish
        if self._outer is None and self._callback is None and wished and screen.is_there():
            self._drawn = True
            screen.add(self)
            self._hears = threading.current_thread() is threading.main_thread()
            if self._hears:
                screen.presses.begin()
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self._above is not None:
            self._above.inner = None
        if self._hears:
            screen.presses.end()
        if self._drawn:
            screen.remove(self)
        if isinstance(error, KeyboardInterrupt) and not self._is_inner and self.what:
            error.add_note(f"{self.what} stopped{f' at {self.count()}' if self.total else ''}. {self.kept}")
            if (
                self._drawn
            ):  # the bar said where it was; thirty lines of a model's inside would push that off the screen
                error.__traceback__ = None

    # -- telling --------------------------------------------------------------------------------------------------

    def __call__(self, done: int, total: int, at_hand: int = 1) -> None:
        """Tell that so many steps of all are done; the callback may raise to cancel. A total of 0 is unknown.

        Args:
            done: steps that are done.
            total: steps in all.
            at_hand: steps that are done next, together.
        """
        self.done, self.total, self._at_hand, self._has_told = done, total, at_hand, True
        self._first, self._share = 0.0, 1.0
        self._move(0.0)

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Say which share of the step at hand is done inside: how far inner calls move it."""
        self._share = share
        yield
        self._first, self._share = self._first + share, max(0.0, 1.0 - self._first - share)
        self._move(0.0)

    def expect(self, seconds: float, words: str) -> None:
        """Say at once how long the call will last, where that is long and somebody sees it."""
        if self._drawn and seconds > LONG:
            self.expected = words

    @property
    def wants_estimate(self) -> bool:
        """Whether somebody would see how long the call is going to last."""
        return self._drawn

    def _move(self, inside: float) -> None:
        """Take over how far the inner call is, and hand it on."""
        step = self._first + self._share * inside
        base, width = self._step()
        fraction = min(1.0, base + width * min(1.0, step))
        if fraction > self.fraction:
            self.fraction, self._moved = fraction, time.monotonic()
            if self._sure is None:  # what comes before, such as compiling, says nothing of the rest
                self._sure = self._moved, fraction
        if self._callback is not None and self._has_told:
            self._callback(*((round(100 * self.fraction), 100) if self.in_percent else (self.done, self.total)))
        elif self._outer is not None:
            self._outer._move(self.fraction)

    def _step(self) -> tuple[float, float]:
        """Return how far the call was when the step at hand began, and how much of it the step is."""
        if self.costs is None:
            return (self.done / self.total, self._at_hand / self.total) if self.total else (0.0, 0.0)
        whole = sum(self.costs) or 1.0
        return sum(self.costs[: self.done]) / whole, sum(self.costs[self.done : self.done + 1]) / whole

    # -- in words -------------------------------------------------------------------------------------------------

    def count(self) -> str:
        """Return what is done of all."""
        if self.in_percent:
            return f"{100 * self.fraction:.0f} %"
        return f"{self.done:,} of {self.total:,} {self.unit}" if self.total else f"{self.done:,} {self.unit}"

    def words(self, now: float, *, inner: bool) -> str:
        """Return how far the call is and how long it still takes, and what is being done within it."""
        parts = [self.count()] if (self.total or self.done) and not self.in_percent else []
        since, first = self._sure or (now, 0.0)
        if self._sure and self._moved - since > _SURE_SECONDS and self.fraction > first:
            left = (self._moved - since) * (1 - self.fraction) / (self.fraction - first) - (now - self._moved)
            parts.append(f"{describe_seconds(max(1.0, left))} left")
        else:
            parts.append(f"{describe_seconds(now - self.began)} so far")
        deepest = below = self
        while below.inner is not None:
            below = below.inner
            if below._callback is None:  # one with a callback counts what the outer one counts, which is told of it
                deepest = below
        if inner and deepest is not self:
            doing = f"{deepest.what[0].lower()}{deepest.what[1:]}"
            parts.append(f"{doing}: {deepest.count()}" if deepest.total or deepest.done else doing)
        return ", ".join(parts)


@contextmanager
def quietly() -> Iterator[None]:
    """Have no call inside show how far it is: what views compute stands in their status line."""
    with Meter("", False):
        yield
