"""The compiled products, loaded on first use where the compiled auction runs; None where torch has to multiply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import interruptibly

from ..affinities import padded
from ..token_set import use_compiled
from . import engine as kernels
from .engine import engine, kernel_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOPS = 2**31
"""Multiply-adds of one call: a tenth of a second, after which an interruption is heard."""

_LEAST_DEPTH = 128
"""Channels below which a product takes no less: to write it, in memory that was never written to, takes as long."""

_NO_ROOM = np.empty(0, np.float32)
_FIRST = np.zeros(1, np.int64)
"""Where the first, and only, of several things begins."""


@dataclass(frozen=True, eq=False)
class Multiplier:
    """Products of float32 tokens on the calling thread, by compiled code.

    Arrays of tokens are flat, and hold the D numbers of one token after another.
    """

    multiply: Any
    squares: Any
    sums: Any
    places: Any
    panel: int

    def packed(self, y: NDArray[np.float32], depth: int) -> NDArray[np.float32]:
        """Return tokens of `depth` numbers as `products` reads them: packed into panels."""
        columns = y.size // depth
        room = np.empty(-(-columns // self.panel) * self.panel * depth, np.float32)
        at = np.zeros(1, np.int64)
        self.multiply(y, at, 0, y, at, columns, depth, depth, _NO_ROOM, at, 0, room)
        return room

    def of_pairs(
        self, x: NDArray[np.float32], y: NDArray[np.float32], sizes: tuple[int, int, int], count: int, chunk: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
        """Multiply `count` pairs of token sets of `sizes` (S, T, D).

        Returns:
            The affinities in a flat array with padded(T) zeros at its end, where each pair's begin, and their stride.
        """
        rows, columns, depth = sizes
        stride = padded(columns)
        if count == 1:
            starts = x_at = y_at = _FIRST
        else:
            pairs = np.arange(count, dtype=np.int64)
            starts, x_at, y_at = pairs * (rows * stride), pairs * (rows * depth), pairs * (columns * depth)
        flat = np.empty(count * rows * stride + stride, np.float32)
        flat[-stride:] = 0
        room = np.empty(-(-columns // self.panel) * self.panel * depth, np.float32)
        self.multiply(x, x_at, rows, y, y_at, columns, depth, chunk, flat, starts, stride, room)
        return flat, starts, stride

    def of_block(
        self, x: NDArray[np.float32], packed: NDArray[np.float32], first: int, columns: int, depth: int, chunk: int,
        out: NDArray[np.float32], cancel: NDArray[np.int64],
    ) -> tuple[int, int]:  # fmt: skip
        """Multiply all tokens of x with `columns` packed ones from the `first` on.

        Returns:
            The stride of the products in `out`, and where in a row the first begins.
        """
        panel, offset = divmod(first, self.panel)
        stride, rows = padded(offset + columns), x.size // depth
        step, at_panel = max(1, entries_at_once(depth) // stride), np.array((panel,), np.int64)
        if rows <= step:
            self.multiply(
                x, _FIRST, rows, packed, at_panel, offset + columns, depth, chunk, out, _FIRST, stride, _NO_ROOM
            )
            return stride, offset
        for row in range(0, rows, step):
            if cancel[0]:
                break
            at = np.full(1, row, np.int64)
            self.multiply(
                x, at * depth, min(step, rows - row), packed, at_panel, offset + columns, depth, chunk, out,
                at * stride, stride, _NO_ROOM,
            )  # fmt: skip
        return stride, offset


def entries_at_once(depth: int) -> int:
    """Return how many products of so many channels are made between two looks at whether they are still wanted."""
    return _FLOPS // max(depth, _LEAST_DEPTH)


_found: dict[Any, Multiplier | None] = {}
"""By the loader of the kernel, without which there are none."""


def multiplier() -> Multiplier | None:
    """Return the compiled products; None where they do not compile, or do not compute what they should.

    They are compiled on a thread of its own, as the kernel is: where Ctrl-C comes after llvmlite has freed a string and
    before it has noted that, it frees it again, which ends the process (`OutputString.close` of llvmlite 0.50).
    """
    kernel = kernels._loader
    if kernel not in _found:
        serves = kernel_for(np.float32) is not None and engine().simd == "vector"
        found = interruptibly(_load, "semrsm-compile") if serves else None
        if found is not None:
            use_compiled(found.squares, found.sums)
        _found[kernel] = found
    return _found[kernel]


def is_loaded() -> bool:
    """Return whether `multiplier` answers at once."""
    return kernels._loader in _found


def _load() -> Multiplier | None:
    from . import numba_product  # it needs numba, which is there if the kernel is

    for cache in [True, False] if engine().cache else [False]:
        try:
            found = Multiplier(*numba_product.build(cache), numba_product.PANEL)
            _rehearse(found)
        except Exception:  # what is wrong with a cache folder, or with a machine, shows in many ways
            continue
        return found
    return None


def _rehearse(found: Multiplier) -> None:
    """Multiply two token sets whose products are known, in every way that is used."""
    rows, columns, depth = 8, 85, 21
    x, y = ((np.arange(n * depth) * 7919 % 13 - 6.0).astype(np.float32) for n in (rows, columns))
    wanted = x.reshape(rows, depth) @ y.reshape(columns, depth).T
    flat, _, stride = found.of_pairs(x, y, (rows, columns, depth), 1, 16)
    squares = np.zeros(rows)
    within = found.squares(x, depth, 1.0, 1e6, squares)
    beyond = found.squares(x, depth, 1.0, 2.0, np.zeros(rows))
    total = np.ones((1, depth))
    found.sums(x, rows, total)
    out = np.zeros(rows * 128, np.float32)
    images, starts, norms = np.zeros((2, 6), np.int64), np.zeros(6, np.int64), np.zeros(6)
    tail = np.ones(2 * rows * 32 + 16, np.float32)
    count, size = found.places(
        (0, 2, 1, 4), True, rows, 3, 32, 7, 16, np.arange(2.0), np.arange(4.0), images, starts, norms, tail
    )
    wide, offset = found.of_block(x, found.packed(y, depth), 70, 15, depth, 16, out, np.zeros(1, np.int64))
    same = (
        count == 5 and size == 2 * rows * 32 + 16 and images[:, :5].tolist() == [[0, 0, 0, 1, 1], [1, 2, 3, 2, 3]],
        starts[:5].tolist() == [7, 10, 13, 266, 269] and norms[:5].tolist() == [0, 0, 0, 2, 3],
        tail[: size - 16].all() and not tail[size - 16 :].any(),
        within and not beyond,
        np.array_equal(total[0], x.reshape(rows, depth).sum(0, dtype=np.float64)),
        np.array_equal(flat[: rows * stride].reshape(rows, stride)[:, :columns], wanted),
        np.array_equal(out[: rows * wide].reshape(rows, wide)[:, offset : offset + 15], wanted[:, 70:]),
        np.array_equal(squares, np.square(x.astype(np.float64)).reshape(rows, depth).sum(1)),
    )
    if not all(same):
        raise RuntimeError("the compiled products are wrong")
