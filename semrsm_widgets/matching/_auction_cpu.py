"""The auction on the CPU: ε-scaled, one row bidding at a time, certified in float64.

A row bids for the column of largest profit (affinity less price): it raises that price by its lead over the second
best profit plus ε, and the row that held the column bids next. When every row holds a column the value is within n ε
of the optimum; then ε shrinks, prices stay, and all rows start again. That claim is not relied on: at the end of the
last phases the dual bound of the prices is computed in float64, and phases go on until it is within the asked gap.

References:
    Bertsekas, *The auction algorithm: a distributed relaxation method for the assignment problem* (1988), sections 2
    and 4. The stopping rule is weak duality: `dual_bound` in assignment.py, of which `_upper_bound` is the compiled
    twin.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from semrsm_widgets.matching import _auction_cpu_lists, _schedule, _simd
from semrsm_widgets.matching._auction_cpu_lists import CANDIDATES, empty_lists, relist
from semrsm_widgets.matching._schedule import EXTRA_PHASES, WORTH_CERTIFYING
from semrsm_widgets.matching._simd import ROW_MULTIPLE, best_float64, top2, top2_listed

SOLVED, CAPPED, STALLED, UNCERTIFIED, CANCELLED = range(5)
"""How a pair ended. Stalled: a bid too small for the floating-point type to raise the price."""

PADDING_PRICE = 1e37
START_ROWS = 64  # rows whose mean gives the first prices; the result does not depend on them, nor on the slack
LIST_SLACK = 4.0  # in units of ε: how far a candidate list may fall below its bound before it is made anew
POLL = 4096  # bids between two looks at the cancel flag and the cap


# Compile time is what a first user waits for: no array expressions here that could fail (their error texts alone take
# seconds to compile), and no errors of division.
_compiled = njit(nogil=True, error_model="numpy")


_first_factor_phases = _compiled(_schedule.schedule)
_target = _compiled(_schedule.target)


@_compiled
def _start(affinity, start, stride, rows, price, n):
    """Set the first prices: the columns' means, over some 64 rows; a column that pays for many rows will be dear."""
    step = max(1, rows // START_ROWS)
    for j in range(n):
        price[j] = 0
    for i in range(0, rows, step):
        row = affinity[start + i * stride : start + i * stride + n]
        for j in range(n):
            price[j] += row[j]
    share = price.dtype.type(rows / n / ((rows + step - 1) // step))
    for j in range(n):
        price[j] *= share
    for j in range(n, price.size):
        price[j] = PADDING_PRICE


@_compiled
def _upper_bound(affinity, start, stride, rows, price, n, simd):
    """Return the dual bound of `price` in float64: no matching of the rows, zero-padded to n, is worth more."""
    bound = 0.0
    for j in range(n):
        bound += np.float64(price[j])
    for i in range(rows):
        bound += best_float64(affinity, start + i * stride, price, simd)
    if rows < n:
        bound += (n - rows) * best_float64(affinity, affinity.size - price.size, price, simd)
    return bound


@_compiled
def _auction(affinity, start, stride, rows, n, gap, norm, cap, price, owner, chosen, lists, cancel, simd):
    """Solve one pair of `rows` rows and n columns into chosen[row] = column; return (status, bids, value, upper_bound).

    Rows from `rows` to n are all zero: they are read from the end of `affinity`.
    """
    eps, factor, phases = _first_factor_phases(gap, norm / n)
    target = _target(gap, norm)
    _start(affinity, start, stride, rows, price, n)
    if lists is not None:
        lists[2][:] = np.inf  # no list is good yet
    bids = 0
    for _ in range(phases + EXTRA_PHASES):
        status, bids = _phase(
            affinity,
            start,
            stride,
            rows,
            n,
            price.dtype.type(eps),
            cap,
            price,
            owner,
            chosen,
            lists,
            cancel,
            simd,
            bids,
        )
        if status != SOLVED:
            return status, bids, 0.0, np.inf
        if WORTH_CERTIFYING * n * eps <= target:
            value = 0.0
            for i in range(rows):
                value += np.float64(affinity[start + i * stride + chosen[i]])
            bound = _upper_bound(affinity, start, stride, rows, price, n, simd)
            if bound - value <= target:
                return SOLVED, bids, value, max(value, bound)
        eps *= factor
    return UNCERTIFIED, bids, 0.0, np.inf


@_compiled
def _phase(affinity, start, stride, rows, n, eps, cap, price, owner, chosen, lists, cancel, simd, bids):
    """Let every row bid, and again when its column is taken from it, until each holds one; return (status, bids)."""
    blank = affinity.size - price.size  # where a row of zeros begins
    eps = price.dtype.type(eps)
    slack = price.dtype.type(LIST_SLACK) * eps
    if lists is not None:
        entries, columns, bound = lists
    for j in range(n):
        owner[j] = -1
    for first in range(n):
        row = np.int64(first)
        while row >= 0:
            begin = start + row * stride if row < rows else blank
            if lists is None:
                best, second, column = top2(affinity, begin, price, simd)
            else:
                best, second, column = top2_listed(entries, columns, row * CANDIDATES, price)
                if best < bound[row] - slack:
                    bound[row] = relist(affinity, begin, price, entries, columns, row * CANDIDATES)
                    best, second, column = top2_listed(entries, columns, row * CANDIDATES, price)
                second = max(second, min(best, bound[row]))
            raised = price[column] + ((best - second) + eps)
            if not raised > price[column]:
                return STALLED, bids
            price[column] = raised
            chosen[row] = column
            evicted = owner[column]
            owner[column] = row
            row = np.int64(evicted)
            bids += 1
            if bids % POLL == 0:
                if cancel[0] != 0:
                    return CANCELLED, bids
                if bids > cap:
                    return CAPPED, bids
    return SOLVED, bids


def workspace(columns: int, price: Any, lists: bool) -> tuple[Any, ...]:
    """Return what the kernel needs to solve pairs of `columns` columns on one thread.

    Args:
        columns: T.
        price: the dtype of the prices.
        lists: whether rows keep candidate lists.
    """
    width = -(-columns // ROW_MULTIPLE) * ROW_MULTIPLE
    kept = empty_lists(columns, price) if lists else None
    return np.empty(width, price), np.empty(columns, np.int32), np.empty(columns, np.int64), kept


def _entry(cache: bool, source: str) -> Any:
    """Return the kernel, compiled on first use: P pairs, one after another, read from one flat array.

    The row i of pair k begins at affinity[starts[k] + i * stride] and is read for price.size entries, columns and
    padding; see `workspace` for the arrays after `cancel`. Each type of (entry, price, lists, simd) compiles its own.

    numba's disk cache watches this file but not the others whose code it compiles in; a captured variable is part of
    its key.
    """

    def solve_pairs(
        affinity, starts, stride, rows, columns, norms, gap, cap, cancel, price, owner, chosen, lists,
        permutation, value, upper_bound, status, bids, simd,
    ):  # fmt: skip
        _ = source
        for k in range(starts.size):
            if columns == 1 or norms[k] == 0:
                for i in range(rows):
                    chosen[i] = i
                value[k] = np.float64(affinity[starts[k]]) if columns == 1 else 0.0
                upper_bound[k] = value[k]
                status[k] = SOLVED
            else:
                status[k], bids[k], value[k], upper_bound[k] = _auction(
                    affinity, starts[k], stride, rows, columns, gap, norms[k], cap,
                    price, owner, chosen, lists, cancel, simd,
                )  # fmt: skip
                if status[k] == CANCELLED:
                    return
            for i in range(rows):
                permutation[k, i] = chosen[i]

    return njit(nogil=True, error_model="numpy", cache=cache)(solve_pairs)


def build(cache: bool = True) -> tuple[Any, str | None]:
    """Return the kernel and the folder that keeps its machine code between sessions, None if none is writable."""
    files = [Path(str(module.__file__)) for module in (_simd, _schedule, _auction_cpu_lists)]
    source = hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()
    if cache:
        try:
            kernel = _entry(True, source)
        except RuntimeError:  # numba finds no folder it may write to
            return _entry(False, source), None
        return kernel, str(kernel.stats.cache_path)
    return _entry(False, source), None
