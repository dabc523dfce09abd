"""The auction on the CPU: ε-scaled, one row bidding at a time, certified in float64.

A row bids for the column of largest profit (affinity less price): it raises that price by its lead over the second
best profit plus ε, and the row that held the column bids next. When every row holds a column the value is within n ε
of the optimum; then ε shrinks, prices stay, and all rows start again. That claim is not relied on: at the end of the
last phases the dual bound of the prices is computed in float64, and phases go on until it is within the asked gap.

Candidate lists: for large S, most bids need not read the row. A scan of a whole row deals its columns out to 32 lanes
and keeps the best of each, with a bound on the profit of all others. Prices only rise, within a phase and from one
phase to the next, so the bound holds for the rest of the pair: as long as the best candidate reaches it, that candidate
is the row's best column, and the second best is the better of the next candidate and the bound. A list that falls more
than a few ε below its bound is made anew. Until then a bid may be off by that much, which costs some bids and no
correctness: the dual bound does not rely on it. A tenth of the rows are then read, which is what counts where
affinities outgrow the cache; below about 700 columns reading is cheaper.

References:
    Bertsekas, *The auction algorithm: a distributed relaxation method for the assignment problem* (1988), sections 2
    and 4. The stopping rule is weak duality: `dual_bound` in assignment.py, of which `_upper_bound` is the compiled
    twin.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from .schedule import EXTRA_PHASES, WORTH_CERTIFYING, schedule, target
from .simd import ROW_MULTIPLE, best_float64, best_of_lanes, top2, top2_listed

SOLVED, CAPPED, STALLED, UNCERTIFIED, CANCELLED = range(5)
"""How a pair ended. Stalled: a bid that the floating-point type cannot tell from the price, or that it cannot hold."""

PADDING_PRICE = 1e37
LIMIT_PRICE = 1e36
"""No bid goes beyond. Padding columns are dearer than that, so this one comparison keeps a bid for them (which prices
out of all bounds would bring about), and infinite prices, from being written past the end of `owner`."""
START_ROWS = 64  # rows whose mean gives the first prices; the result does not depend on them, nor on the slack
LIST_SLACK = 12.0  # in units of ε: how far a candidate list may fall below its bound before it is made anew
POLL = 4096  # bids between two looks at the cancel flag and the cap


# Compile time is what a first user waits for: no array expressions here that could fail (their error texts alone take
# seconds to compile), and no errors of division.
_compiled = njit(nogil=True, error_model="numpy")


_first_factor_phases = _compiled(schedule)
_target = _compiled(target)


CANDIDATES = 32
"""Columns of a list: one for each lane of a scan in float32; in float64 half of them are used."""


def empty_lists(rows: int, dtype: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Return lists of no candidates for `rows` rows with prices of `dtype`."""
    return (
        np.zeros(rows * CANDIDATES, dtype),  # the candidates' affinities
        np.zeros(rows * CANDIDATES, np.int32),  # their columns
        np.empty(rows, dtype),  # what no other column's profit exceeds
    )


@njit(nogil=True, error_model="numpy")
def relist(affinity, begin, price, entries, columns, at):
    """Scan a row into its list, which begins at `at`; return what no column outside the list exceeds."""
    bound = best_of_lanes(affinity, begin, price, columns, at)
    for t in range(at, at + CANDIDATES * 4 // price.itemsize):
        entries[t] = affinity[begin + columns[t]]
    return bound


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
def _certificate(affinity, start, stride, rows, price, n, chosen, simd):
    """Return the value of the columns chosen and the upper bound of the prices, both in float64."""
    value = 0.0
    for i in range(rows):
        value += np.float64(affinity[start + i * stride + chosen[i]])
    return value, max(value, _upper_bound(affinity, start, stride, rows, price, n, simd))


@_compiled
def _auction(
    affinity, starts, one, other, stride, rows, n, norms, gap, cap, cancel, price, owner, chosen, row, upcoming, lists,
    permutation, value, upper_bound, status, bids, simd,
):  # fmt: skip
    """Solve the pairs `one` and `other` side by side, or `one` alone if `other` is -1."""
    still_open = 1 if other < 0 else 2
    for p in range(still_open):
        k = one if p == 0 else other
        _start(affinity, starts[k], stride, rows, price[p], n)
        status[k] = UNCERTIFIED
    if lists is not None:
        lists[2][:] = np.inf  # no list is good yet
    eps, factor, phases = _first_factor_phases(gap, 1.0 / n)  # in units of a pair's norm
    for _ in range(phases + EXTRA_PHASES):
        for p in range(2):
            for j in range(n):
                owner[p, j] = -1
            row[p] = 0
            upcoming[p] = 1
        if still_open == 2:
            bids[one] += _side_by_side(
                affinity, starts[one], starts[other], stride, rows, n, eps * norms[one], eps * norms[other],
                price[0], price[1], owner[0], owner[1], chosen[0], chosen[1], row, upcoming, simd,
            )  # fmt: skip
        for p in range(2):
            k = one if p == 0 else other
            if k < 0 or status[k] != UNCERTIFIED:
                continue
            status[k], more = _phase(
                affinity, starts[k], stride, rows, n, eps * norms[k], cap - bids[k], price[p], owner[p], chosen[p],
                row[p], upcoming[p], lists, cancel, simd,
            )  # fmt: skip
            bids[k] += more
            if status[k] == SOLVED:
                status[k] = UNCERTIFIED
                if WORTH_CERTIFYING * n * eps <= gap:
                    value[k], upper_bound[k] = _certificate(
                        affinity, starts[k], stride, rows, price[p], n, chosen[p], simd
                    )
                    if upper_bound[k] - value[k] <= _target(gap, norms[k]):
                        status[k] = SOLVED
                        for i in range(rows):
                            permutation[k, i] = chosen[p, i]
            still_open -= status[k] != UNCERTIFIED
        if still_open == 0:
            return
        eps *= factor


@_compiled
def _side_by_side(
    affinity, one, other, stride, rows, n, eps1, eps2, price1, price2, owner1, owner2, chosen1, chosen2, row, upcoming,
    simd,
):  # fmt: skip
    """Run a phase of two pairs, bid by bid in turns, until one is through or stalls; return the bids of both.

    A bid waits for the last one of its pair, and takes longer than it keeps the processor busy: two pairs in turns
    take a third less time than one after another. Each pair's bids are those that it would make alone. Where both stand
    is left in `row` and `upcoming`.
    """
    blank = affinity.size - price1.size
    eps1, eps2 = price1.dtype.type(eps1), price1.dtype.type(eps2)
    row1, row2, upcoming1, upcoming2 = row[0], row[1], upcoming[0], upcoming[1]
    bids = 0
    while row1 < n and row2 < n and bids < POLL:
        begin1 = one + row1 * stride if row1 < rows else blank
        begin2 = other + row2 * stride if row2 < rows else blank
        best1, second1, column1 = top2(affinity, begin1, price1, simd)
        best2, second2, column2 = top2(affinity, begin2, price2, simd)
        raised1 = price1[column1] + ((best1 - second1) + eps1)
        raised2 = price2[column2] + ((best2 - second2) + eps2)
        if not (price1[column1] < raised1 < LIMIT_PRICE and price2[column2] < raised2 < LIMIT_PRICE):
            break
        price1[column1], price2[column2] = raised1, raised2
        chosen1[row1], chosen2[row2] = column1, column2
        evicted1, evicted2 = np.int64(owner1[column1]), np.int64(owner2[column2])
        owner1[column1], owner2[column2] = row1, row2
        row1, row2 = evicted1 if evicted1 >= 0 else upcoming1, evicted2 if evicted2 >= 0 else upcoming2
        upcoming1 += evicted1 < 0
        upcoming2 += evicted2 < 0
        bids += 1
    row[0], row[1], upcoming[0], upcoming[1] = row1, row2, upcoming1, upcoming2
    return 2 * bids


@_compiled
def _phase(
    affinity, start, stride, rows, n, eps, cap, price, owner, chosen, row, upcoming, lists, cancel, simd
):  # fmt: skip
    """Let `row` bid, then whoever loses its column, else the upcoming row, until all hold one; return (status, bids).

    Rows from `rows` to n are all zero: they are read from the end of `affinity`.
    """
    blank = affinity.size - price.size
    eps = price.dtype.type(eps)
    slack = price.dtype.type(LIST_SLACK) * eps
    if lists is not None:
        entries, columns, bound = lists
    bids = 0
    while row < n:
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
        if not price[column] < raised < LIMIT_PRICE:
            return STALLED, bids
        price[column] = raised
        chosen[row] = column
        evicted = np.int64(owner[column])
        owner[column] = row
        row = evicted if evicted >= 0 else upcoming
        upcoming += evicted < 0
        bids += 1
        if bids % POLL == 0:
            if cancel[0] != 0:
                return CANCELLED, bids
            if bids > cap:
                return CAPPED, bids
    return SOLVED, bids


def workspace(columns: int, price: Any, lists: bool) -> tuple[Any, ...]:
    """Return what the kernel needs to solve pairs of `columns` columns on one thread, two at a time.

    Args:
        columns: T.
        price: the dtype of the prices.
        lists: whether rows keep candidate lists; pairs are then solved one at a time.
    """
    width = -(-columns // ROW_MULTIPLE) * ROW_MULTIPLE
    return (
        np.empty((2, width), price),
        np.empty((2, columns), np.int32),  # the owner of each column
        np.empty((2, columns), np.int64),  # the column of each row
        np.zeros(2, np.int64),  # the row that bids
        np.zeros(2, np.int64),  # the row that bids next if none has lost its column
        empty_lists(columns, price) if lists else None,
    )


def _entry(cache: bool, source: str) -> Any:
    """Return the kernel, compiled on first use: P pairs, two at a time, read from one flat array.

    The row i of pair k begins at affinity[starts[k] + i * stride] and is read in whole vectors, columns and padding;
    see `workspace` for the arrays after `cancel`. Each type of (entry, price, lists, simd) compiles its own.

    numba's disk cache watches this file but not the others whose code it compiles in; a captured variable is part of
    its key.
    """

    def solve_pairs(
        affinity, starts, stride, rows, columns, norms, gap, cap, cancel, price, owner, chosen, row, upcoming, lists,
        permutation, value, upper_bound, status, bids, simd,
    ):  # fmt: skip
        _ = source
        k = np.int64(0)
        while k < starts.size:
            other = np.int64(-1)
            if columns == 1 or norms[k] == 0:
                for i in range(rows):
                    permutation[k, i] = i
                value[k] = np.float64(affinity[starts[k]]) if columns == 1 else 0.0
                upper_bound[k] = value[k]
                status[k] = SOLVED
            else:
                if lists is None and k + 1 < starts.size and norms[k + 1] > 0:
                    other = k + 1
                _auction(
                    affinity, starts, k, other, stride, rows, columns, norms, gap, cap, cancel, price, owner, chosen,
                    row, upcoming, lists, permutation, value, upper_bound, status, bids, simd,
                )  # fmt: skip
                if cancel[0] != 0:
                    return
            k += 1 if other < 0 else 2

    return njit(nogil=True, error_model="numpy", cache=cache)(solve_pairs)


def forget(folder: str) -> None:
    """Remove what was kept of this file's kernels in a cache folder, so that they are compiled anew."""
    for path in Path(folder).glob(f"{Path(__file__).stem}.*.nb[ci]"):
        with suppress(OSError):
            path.unlink()


def build(cache: bool = True) -> tuple[Any, str | None]:
    """Return the kernel and the folder that keeps its machine code between sessions, None if none is writable."""
    files = [Path(__file__).with_name(name) for name in ("simd.py", "schedule.py")]
    source = hashlib.blake2b(b"".join(file.read_bytes() for file in files), digest_size=8).hexdigest()
    if cache:
        try:
            kernel = _entry(True, source)
        except RuntimeError:  # numba finds no folder it may write to
            return _entry(False, source), None
        return kernel, str(kernel.stats.cache_path)
    return _entry(False, source), None
