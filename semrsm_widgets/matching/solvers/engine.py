"""The compiled kernel, loaded on first use: what runs on this machine, and what serves where it cannot."""

from __future__ import annotations

import os
import threading
import time
import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from semrsm_widgets.common import Meter, interruptibly

from ..affinities import Affinities, padded
from ..threads import default_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

REHEARSAL = 20
"""Tokens of the pair on which a freshly compiled kernel is tried."""

_DISABLED = "NUMBA_DISABLE_JIT is set"

_lock = threading.RLock()


def _renew_lock() -> None:
    """Replace the lock in a forked child: the thread that may hold it is not there to release it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class Kind(NamedTuple):
    """What the kernel is compiled for: the dtypes of affinities and prices, and whether rows keep candidate lists."""

    entry: np.dtype[Any]
    price: np.dtype[Any]
    lists: bool


_PLAIN = Kind(np.dtype(np.float32), np.dtype(np.float32), False)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What the certified auction runs on here.

    Attributes:
        numba: the version, empty where it cannot be imported.
        simd: "vector" (explicit vectors), "plain" (numba's own loop), or "none" (SciPy serves instead).
        threads: the threads over which pairs are shared.
        cache: the folder that keeps compiled kernels between sessions, None if there is none.
        seconds: what compiling or loading took in this session, None if that has not happened yet.
        note: why a part is missing; else empty.
    """

    numba: str
    simd: Literal["vector", "plain", "none"]
    threads: int
    cache: str | None
    seconds: float | None
    note: str = ""


class _Loader:
    """Builds the kernel once, tries it on a small pair for every kind, and steps down where something fails."""

    def __init__(self) -> None:
        self.module: Any = None
        self.kernel: Any = None
        self.given: tuple[Any, ...] = ()
        self.numba = ""
        self.simd: Literal["vector", "plain", "none"] = "none"
        self.cache: str | None = None
        self.seconds: float | None = None
        self.note = ""
        self.makes_products = True
        self.ready: set[Kind] = set()
        self.own = threading.local()

    def get(self, kind: Kind) -> _Loader | None:
        """Return the loader once its kernel runs for `kind`; None, after one warning, where none can."""
        if self.kernel is not None and kind in self.ready:
            return self
        with _lock:
            if self.seconds is None:
                self._load()
            if self.kernel is not None and kind not in self.ready:
                self._prepare(kind)
            return self if self.kernel is not None else None

    def solve(
        self, affinities: Affinities, norms: NDArray[np.float64], gap: float, cap: int, cancel: NDArray[np.int64],
        price: np.dtype[Any], part: slice, lists: bool,
    ) -> tuple[NDArray[Any], ...]:  # fmt: skip
        """Solve the pairs `part` on this thread; return (permutation, value, upper_bound, status, bids)."""
        count, rows = part.stop - part.start, affinities.rows
        permutation, value, bound = np.zeros((count, rows), np.int64), np.zeros(count), np.zeros(count)
        status, bids = np.zeros(count, np.int64), np.zeros(count, np.int64)
        lists = lists and self.flag is not None
        work = self.workspace(affinities.columns, price, lists)
        self.kernel(
            affinities.flat, affinities.starts[part], affinities.stride, rows, affinities.columns, norms[part], gap,
            cap, cancel, *work, permutation, value, bound, status, bids,
            *self.ending(Kind(affinities.flat.dtype, price, lists)),
        )  # fmt: skip
        return permutation, value, bound, status, bids

    def ending(self, kind: Kind) -> tuple[Any, ...]:
        """Return the kernel's last arguments for affinities that are given: (simd, x, y, making)."""
        if self.makes(kind):
            return self.flag, self.module.NO_TOKENS, self.module.NO_TOKENS, self.given
        return self.flag, None, None, None

    def makes(self, kind: Kind) -> bool:
        """Return whether the kernel of a kind makes products, too: where both are float32, and rows keep no lists."""
        return self.makes_products and self.flag is not None and kind == _PLAIN

    def match(
        self, sets: tuple[NDArray[np.float32], NDArray[np.float32]], making: tuple[Any, ...], room: NDArray[np.float32],
        pairs: tuple[Any, ...], sizes: tuple[int, int, int], limits: tuple[float, int], cancel: NDArray[np.int64],
        answers: tuple[Any, ...],
    ) -> int:  # fmt: skip
        """Match token sets in one call on this thread; return what the kernel does (`numba_kernel.py`).

        Args:
            sets: float32 numbers of x and y, flat; y packed where blocks are made.
            making: how their products are made.
            room: for the affinities.
            pairs: where each pair begins in them, and room for ‖X‖‖Y‖.
            sizes: (stride of the affinities, S, T).
            limits: (gap, most bids).
            cancel: not zero where nobody waits any more.
            answers: room for (permutation, value, upper bound, status, bids).
        """
        starts, norms = pairs
        work = self.workspace(sizes[2], _PLAIN.price, False)
        ended: int = self.kernel(
            room, starts, *sizes, norms, *limits, cancel, *work, *answers, self.flag, *sets, making
        )
        return ended

    def workspace(self, columns: int, price: np.dtype[Any], lists: bool) -> Any:
        """Return this thread's workspace; the last one is kept, as the next block is most often like it."""
        kind = (columns, price, lists)
        if getattr(self.own, "kind", None) != kind:
            self.own.work, self.own.kind = self.module.workspace(columns, price, lists), kind
        return self.own.work

    def _load(self) -> None:
        started = time.perf_counter()
        try:
            numba = import_module("numba")
            self.numba = str(numba.__version__)
            if numba.config.DISABLE_JIT:
                raise ImportError(_DISABLED)
            self.module = import_module(f"{__package__}.numba_kernel")
            self.given = self.module.making(self.module.GIVEN)
            self.kernel, self.cache = self.module.build()
            self.simd = "vector"
            if self.cache is None:
                self.note = "no folder is writable, so the kernel compiles anew in every session"
        except Exception as error:  # a broken installation fails in many ways; all of them mean the same here
            self._give_up(error)
        self.seconds = time.perf_counter() - started

    def _prepare(self, kind: Kind) -> None:
        """Compile for a kind: with the cache, else without; with vectors, else plain; else not at all."""
        started = time.perf_counter()
        try:
            try:
                self._rehearse(kind)
            except Exception as error:  # the cache folder is full or went away, or holds what is none of our code
                if self.cache is None:
                    raise
                self._rehearse_anew(kind, error)
        except Exception as error:
            if self.makes(kind):
                self.makes_products, self.note = False, f"products do not compile ({_first_line(error)})"
                self._prepare(kind)
            elif self.simd == "vector":
                self.simd, self.note = "plain", f"vector code does not compile ({_first_line(error)})"
                self._prepare(kind)
            else:
                self._give_up(error)
        self.ready.add(kind)
        self.seconds = (self.seconds or 0.0) + time.perf_counter() - started

    def _rehearse_anew(self, kind: Kind, error: Exception) -> None:
        """Compile what the cache could not give: for a cache that is emptied of junk, else for this session alone."""
        try:
            if isinstance(error, OSError):
                raise error
            self.module.forget(self.cache)
            self.kernel, self.cache = self.module.build()
            self._rehearse(kind)
        except Exception:
            self.kernel, self.cache = self.module.build(cache=False)
            self.note = f"the cache folder cannot be used ({_first_line(error)})"
            self._rehearse(kind)

    def _rehearse(self, kind: Kind) -> None:
        """Solve one pair whose answer is known."""
        wanted = np.roll(np.arange(REHEARSAL), 7)
        width = padded(REHEARSAL)
        affinity = np.zeros((REHEARSAL, width), kind.entry)
        affinity[np.arange(REHEARSAL), wanted] = 1
        pair = Affinities(affinity.reshape(-1), np.zeros(1, np.int64), width, REHEARSAL, REHEARSAL)
        permutation, value, _, status, _ = self.solve(
            pair, np.full(1, float(REHEARSAL)), 1e-4, 10**6, np.zeros(1, np.int64), kind.price, slice(0, 1), kind.lists
        )
        if status[0] or value[0] != REHEARSAL or not np.array_equal(permutation[0], wanted):
            raise RuntimeError("the compiled kernel gives a wrong answer")
        if self.makes(kind):
            _rehearse_products(self)

    @property
    def flag(self) -> bool | None:
        """The kernel's last argument: its type chooses the vector form or the plain one."""
        return True if self.simd == "vector" else None

    def _give_up(self, error: Exception) -> None:
        self.kernel, self.simd, self.note = None, "none", f"numba cannot run here ({_first_line(error)})"
        way_out = "Unset that" if _DISABLED in str(error) else "Reinstall numba"
        way_out += " to get the auction back."
        warnings.warn(
            f"{self.note}: SciPy solves the assignments, exactly but slowly. {way_out}", RuntimeWarning, stacklevel=2
        )


def _rehearse_products(loader: _Loader) -> None:
    """Match pairs of token sets whose answers are known, one alone and three in two blocks."""
    size, module = REHEARSAL, loader.module
    wanted = np.roll(np.arange(size), 7)
    tokens = np.eye(size, dtype=np.float32)
    sets = np.concatenate([tokens, tokens[np.argsort(wanted)], tokens]).reshape(-1)  # three images
    panel = module.PANEL
    packed = np.zeros((-(-3 * size // panel) * panel, size), np.float32)
    packed[: 3 * size] = sets.reshape(-1, size)
    packed = packed.reshape(-1, panel, size).swapaxes(1, 2).reshape(-1).copy()
    images, permutation = np.zeros((2, 2), np.int64), np.zeros((2, size), np.int64)
    starts, status, bids = np.zeros((3, 2), np.int64)
    norms, value, bound = np.zeros((3, 2))
    each = size * padded(size)
    room = np.zeros(2 * each + 2 * packed.size + padded(size), np.float32)
    limits, cancel = (1e-4, 10**6), np.zeros(1, np.int64)
    making = module.making(module.PAIRS, depth=size, chunk=size, rounding=1e-6, most=2.0**20, room=packed.copy())
    ended = loader.match(
        (sets[: size * size], sets[size * size :][: size * size]), making, room[: each + padded(size)],
        (starts[:1], norms[:1]), (padded(size), size, size), limits, cancel,
        (permutation[:1], value[:1], bound[:1], status[:1], bids[:1]),
    )  # fmt: skip
    alone = ended, permutation[0].tolist(), value[0], bool(value[0] < bound[0] < value[0] + 2e-4 * size)
    products, bounds, done, shape = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros(2, np.int64), np.zeros(3, np.int64)
    roots = np.full(3, np.sqrt(size))
    making = module.making(
        module.BLOCKS, depth=size, chunk=size, rounding=1e-6, blocks=np.array([(0, 2, 1, 2), (0, 2, 2, 3)]),
        part=(0, 2), symmetric=True, entries=10**6, norms=(roots, roots), images=images,
        answers=(products, bounds, done, shape),
    )  # fmt: skip
    ended = loader.match(
        (sets, packed), making, room, (starts, norms), (0, size, size), limits, cancel,
        (permutation, value, bound, status, bids),
    )  # fmt: skip
    together = ended, done.tolist(), np.allclose(products, np.triu(np.full((3, 3), float(size)), 1), rtol=1e-3)
    if alone != (1, wanted.tolist(), size, True) or together != (2, [1, 2], True):
        raise RuntimeError("the compiled products are wrong")


_loader = _Loader()


def kernel_for(entry: Any, price: Any = None, lists: bool = False) -> _Loader | None:
    """Return the loader whose kernel is ready, or None where only SciPy can serve.

    It is compiled on a thread of its own: the compiler's callbacks would swallow Ctrl-C. After one it goes on, for the
    next call.

    Args:
        entry: the dtype of the affinities.
        price: the dtype of the prices; None takes that of the affinities.
        lists: whether rows keep candidate lists.
    """
    kind = Kind(np.dtype(entry), np.dtype(price or entry), lists)
    if is_ready(entry, price, lists):
        return _loader.get(kind)
    with Meter("Compiling the matcher (only the first time)"):
        return interruptibly(lambda: _loader.get(kind), "semrsm-compile")


def is_ready(entry: Any, price: Any = None, lists: bool = False) -> bool:
    """Return whether `kernel_for` answers at once.

    It never waits, not even while another thread compiles: whoever asks has something else to do then.
    """
    none_can = _loader.seconds is not None and _loader.kernel is None
    return none_can or Kind(np.dtype(entry), np.dtype(price or entry), lists) in _loader.ready


def warm_up(dtype: Any = np.float32) -> float:
    """Compile the auction's kernel, or load it from the disk cache, and return the seconds that took.

    Every first use does this by itself; call it where waiting is better done with a status line.
    """
    started = time.perf_counter()
    kernel_for(dtype)
    return time.perf_counter() - started


def engine() -> Engine:
    """Return what the certified auction runs on here; compiles nothing, so call `warm_up` first to have it tried."""
    with _lock:
        return Engine(
            numba=_loader.numba,
            simd=_loader.simd,
            threads=default_threads(),
            cache=_loader.cache,
            seconds=_loader.seconds,
            note=_loader.note,
        )


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
