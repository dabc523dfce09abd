"""What is compiled as one: the auction of given affinities, or of token sets whose products it makes itself.

After a block's products nothing of the interpreter is in the cache, so that the few calls of Python between a block's
products and its pairs took a tenth of a whole RSM of small images, and more than half of a call for a single pair: here
nothing of Python stands between one block and the next. What is computed is what `numba_product.py` and
`numba_auction.py` compute, in their order: no bit differs. It is one function, as the compiler would otherwise spend
another two seconds of a first user's time on each further copy of the auction.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from .numba_auction import SOLVED, auction, workspace
from .numba_product import PANEL, multiply_panels, pack, place_pairs, sum_of_squares
from .simd import ROW_MULTIPLE, compiled_within

__all__ = ["BLOCKS", "GIVEN", "NOT_PLAIN", "NO_TOKENS", "PAIRS", "PANEL", "build", "forget", "making", "workspace"]

GIVEN, PAIRS, BLOCKS = range(3)
"""Where affinities come from: they are given; made of as many token sets of x as of y; or of blocks of x and y."""
NOT_PLAIN = -1
"""Tokens of a scale, or with NaN or infinity, that are not multiplied as they are."""

NO_TOKENS = np.empty(0, np.float32)


def making(
    source: int,
    *,
    depth: int = 1,
    chunk: int = 1,
    rounding: float = 0.0,
    most: float = 0.0,
    room: Any = NO_TOKENS,
    blocks: Any = None,
    part: tuple[int, int] = (0, 1),
    symmetric: bool = False,
    entries: int = 1,
    norms: tuple[Any, Any] | None = None,
    images: Any = None,
    answers: tuple[Any, Any, Any, Any] | None = None,
) -> tuple[Any, ...]:
    """Return the kernel's last argument: how affinities are made. What a source does not need is empty.

    Args:
        source: GIVEN, PAIRS or BLOCKS.
        depth: D.
        chunk: channels that are summed at a time.
        rounding: of the products, in units of ‖X‖‖Y‖; it becomes part of the bounds.
        most: of pairs, squared norms are plain from S D / most to `most`.
        room: of pairs, for the panels of one token set.
        blocks: (K, 4) int64: (first image of x, end, first of y, end) of each.
        part: of blocks, the first to match, and where to stop.
        symmetric: of blocks, only pairs i < j count.
        entries: of blocks, products that are made between two looks at `cancel`.
        norms: of blocks, those of all images of x and of y.
        images: of blocks, (2, most pairs) int64 for the pairs of one.
        answers: of blocks, values and bounds (N, M), the pairs done of each block, and three int64 for
            (pairs, stride, length) of a block that is not done.
    """
    numbers, counts, plane = np.empty(0), np.empty(0, np.int64), np.empty((0, 0))
    return (
        source, depth, chunk, rounding, most, room, np.empty((0, 4), np.int64) if blocks is None else blocks, *part,
        symmetric, entries, *(norms or (numbers, numbers)), np.empty((0, 0), np.int64) if images is None else images,
        *(answers or (plane, plane, counts, counts)),
    )  # fmt: skip


@compiled_within
def _make_pairs(x, y, rows, columns, depth, chunk, most, room, products, starts, stride, norms):
    """Multiply token set p of x with token set p of y for all p; return whether all are plain."""
    one, other = rows * depth, columns * depth
    first = np.int64(0)  # a literal 0 would compile the products once more
    for p in range(starts.size):
        left, right = sum_of_squares(x, p * one, one), sum_of_squares(y, p * other, other)
        if not (one / most <= left <= most and other / most <= right <= most):  # NaN is not, either
            return False
        norms[p] = np.sqrt(left * right)
    for p in range(starts.size):
        pack(y, p * other, columns, depth, room)
        multiply_panels(x, p * one, rows, room, first, columns, depth, chunk, products, starts[p], stride)
    return True


@compiled_within
def _make_block(
    x, packed, block, symmetric, rows, columns, depth, chunk, entries, x_norms, y_norms, cancel, tail, products, images,
    starts, norms,
):  # fmt: skip
    """Multiply the images of a block; return (pairs, stride, length), no pairs where it was cancelled."""
    top, bottom, first, last = block
    panel, offset = first * columns // PANEL, first * columns % PANEL
    wide, tall = offset + (last - first) * columns, (bottom - top) * rows
    stride = (wide + ROW_MULTIPLE - 1) // ROW_MULTIPLE * ROW_MULTIPLE
    step = max(1, entries // stride)
    for row in range(0, tall, step):
        if cancel[0] != 0:
            return 0, stride, 0
        multiply_panels(
            x, (top * rows + row) * depth, min(step, tall - row), packed, panel, wide, depth, chunk, products,
            row * stride, stride,
        )  # fmt: skip
    count, size = place_pairs(
        top, bottom, first, last, symmetric, rows, columns, stride, offset, tail, x_norms, y_norms, images, starts,
        norms, products,
    )  # fmt: skip
    return count, stride, size


def _entry(cache: bool, source: str) -> Any:
    """Return the kernel, compiled on first use: P pairs, two at a time, read from one flat array.

    The row i of pair k begins at affinity[starts[k] + i * stride] and is read in whole vectors, columns and padding;
    see `workspace` for the arrays after `cancel`. x and y are float32 numbers of token sets, flat; those of y are
    packed where blocks are made. See `making` for the last argument: with None there affinities are given, and nothing
    of the products is compiled. Each type of (entry, price, lists, simd, making) compiles its own.

    It returns the first block that is not done, `end` if all are; pairs, and affinities given, are one block, 0. A
    block is not done if it was cancelled or a pair of it is not solved: its affinities, norms and answers are there
    for whoever solves the rest. NOT_PLAIN of pairs says that nothing was made.

    numba's disk cache watches this file but not the others whose code it compiles in; a captured variable is part of
    its key.
    """

    def solve_pairs(
        affinity, starts, stride, rows, columns, norms, gap, cap, cancel, price, owner, chosen, turn, lists,
        permutation, value, upper_bound, status, bids, simd, x, y, making,
    ):  # fmt: skip
        _ = source
        if making is None:
            auction(
                affinity, starts, stride, rows, columns, norms, gap, cap, cancel, price, owner, chosen, turn, lists,
                permutation, value, upper_bound, status, bids, simd,
            )  # fmt: skip
            return 1
        (
            made, depth, chunk, rounding, most, room, blocks, begin, end, symmetric, entries, x_norms, y_norms, images,
            all_values, all_bounds, done, shape,
        ) = making  # fmt: skip
        count, size = starts.size, affinity.size
        for block in range(begin, end):
            if made == PAIRS:
                if not _make_pairs(x, y, rows, columns, depth, chunk, most, room, affinity, starts, stride, norms):
                    return NOT_PLAIN
            elif made == BLOCKS:
                count, stride, size = _make_block(
                    x, y, (blocks[block, 0], blocks[block, 1], blocks[block, 2], blocks[block, 3]), symmetric, rows,
                    columns, depth, chunk, entries, x_norms, y_norms, cancel, price.shape[1], affinity, images, starts,
                    norms,
                )  # fmt: skip
                shape[0], shape[1], shape[2] = count, stride, size
                if size == 0:
                    return block
            for k in range(count):
                status[k] = bids[k] = 0
            auction(
                affinity[:size], starts[:count], stride, rows, columns, norms[:count], gap, cap, cancel, price, owner,
                chosen, turn, lists, permutation, value, upper_bound, status, bids, simd,
            )  # fmt: skip
            for k in range(count):
                if status[k] != SOLVED:
                    return block
            if made != GIVEN:
                for k in range(count):
                    upper_bound[k] += rounding * norms[k]
            if made == BLOCKS:
                for k in range(count):
                    i, j = images[0, k], images[1, k]
                    all_values[i, j], all_bounds[i, j] = value[k], upper_bound[k]
                done[block] = count
        return end

    return njit(nogil=True, error_model="numpy", cache=cache)(solve_pairs)


def forget(folder: str) -> None:
    """Remove what was kept of this file's kernels in a cache folder, so that they are compiled anew."""
    for path in Path(folder).glob(f"{Path(__file__).stem}.*.nb[ci]"):
        with suppress(OSError):
            path.unlink()


def build(cache: bool = True) -> tuple[Any, str | None]:
    """Return the kernel and the folder that keeps its machine code between sessions, None if none is writable."""
    names = ("simd.py", "schedule.py", "numba_auction.py", "numba_product.py")
    files = [Path(__file__).with_name(name) for name in names]
    source = hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()
    if cache:
        try:
            kernel = _entry(True, source)
        except RuntimeError:  # numba finds no folder it may write to
            return _entry(False, source), None
        return kernel, str(kernel.stats.cache_path)
    return _entry(False, source), None
