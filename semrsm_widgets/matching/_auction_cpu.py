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

from semrsm_widgets.matching import _simd
from semrsm_widgets.matching._simd import ROW_MULTIPLE, top2

SOLVED, CAPPED, STALLED, UNCERTIFIED, CANCELLED = range(5)
"""How a pair ended. Stalled: a bid too small for the floating-point type to raise the price."""

# In units of the mean value of a match, ‖X‖‖Y‖ / n. Measured on ImageNet features; the result depends on none of them.
FIRST_EPS = 0.05
LAST_EPS = 1.2  # times the gap: the certified gap is typically 0.5 to 0.7 n ε, so this passes the first time
SHRINK = 0.1
WORTH_CERTIFYING = 0.35  # a certified gap below this part of n ε has not been seen, so an earlier certificate is wasted
EXTRA_PHASES = 3
PADDING_PRICE = 1e37
POLL = 4096  # bids between two looks at the cancel flag and the cap


@njit(nogil=True)
def _schedule(gap, mean):
    """Return (first ε, factor, phases) such that the last of the phases runs at exactly LAST_EPS * gap * mean."""
    last = LAST_EPS * gap
    if last >= FIRST_EPS:
        return last * mean, SHRINK, 1
    steps = int(np.ceil(np.log(last / FIRST_EPS) / np.log(SHRINK) - 1e-9))
    return FIRST_EPS * mean, (last / FIRST_EPS) ** (1.0 / steps), steps + 1


@njit(
    nogil=True, fastmath={"nnan", "nsz", "reassoc"}
)  # lets LLVM vectorise the maximum; entries and prices are finite here
def _best_float64(affinity, start, price, n):
    best = -np.inf
    for j in range(n):
        best = max(best, np.float64(affinity[start + j]) - np.float64(price[j]))
    return best


@njit(nogil=True)
def _upper_bound(affinity, start, stride, price, n):
    """Return the dual bound of `price` in float64: no one-to-one matching of the n rows is worth more."""
    bound = 0.0
    for j in range(n):
        bound += np.float64(price[j])
    for i in range(n):
        bound += _best_float64(affinity, start + i * stride, price, n)
    return bound


@njit(nogil=True)
def _auction(affinity, start, stride, n, gap, norm, cap, price, owner, chosen, cancel, simd):
    """Solve one n x n pair into chosen[row] = column; return (status, bids, value, upper_bound)."""
    eps64, factor, phases = _schedule(gap, norm / n)
    target = (
        gap * (1 - 1e-9) - 1e-15
    ) * norm  # a hair below, so that rounding never lifts the reported gap above `gap`
    price[:n] = 0
    price[n:] = PADDING_PRICE
    bids = 0
    for _ in range(phases + EXTRA_PHASES):
        eps = price.dtype.type(eps64)
        owner[:] = -1
        for first in range(n):
            row = np.int64(first)
            while row >= 0:
                best, second, column = top2(affinity, start + row * stride, price, simd)
                raised = price[column] + ((best - second) + eps)
                if not raised > price[column]:
                    return STALLED, bids, 0.0, np.inf
                price[column] = raised
                chosen[row] = column
                evicted = owner[column]
                owner[column] = row
                row = np.int64(evicted)
                bids += 1
                if bids % POLL == 0:
                    if cancel[0] != 0:
                        return CANCELLED, bids, 0.0, np.inf
                    if bids > cap:
                        return CAPPED, bids, 0.0, np.inf
        if WORTH_CERTIFYING * n * eps64 <= target:
            value = 0.0
            for i in range(n):
                value += np.float64(affinity[start + i * stride + chosen[i]])
            bound = _upper_bound(affinity, start, stride, price, n)
            if bound - value <= target:
                return SOLVED, bids, value, max(value, bound)
        eps64 *= factor
    return UNCERTIFIED, bids, 0.0, np.inf


@njit(nogil=True)
def _pad(affinity, start, stride, rows, columns, padded, width):
    """Copy one rectangle into the top left corner of `padded`, whose rows are `width` long and whose rest is zero."""
    for i in range(rows):
        for j in range(columns):
            padded[i * width + j] = affinity[start + i * stride + j]


def _solve_pairs(
    affinity,
    starts,
    stride,
    rows,
    columns,
    norms,
    gap,
    cap,
    cancel,
    permutation,
    value,
    upper_bound,
    status,
    bids,
    simd,
):
    n = max(rows, columns)
    width = -(-n // ROW_MULTIPLE) * ROW_MULTIPLE
    price = np.empty(width, affinity.dtype)
    owner, chosen = np.empty(n, np.int32), np.zeros(n, np.int64)
    padded = np.zeros(0, affinity.dtype)
    for k in range(starts.size):
        if n == 1 or norms[k] == 0:
            chosen[:] = np.arange(n)
            value[k] = affinity[starts[k]] if n == 1 else 0.0
            upper_bound[k] = value[k]
            status[k] = SOLVED
        else:
            # A square pair is read where it lies; a row may be read past its end, but not past the end of the memory.
            in_place = rows == columns and starts[k] + (n - 1) * stride + width <= affinity.size
            source, start, step = affinity, starts[k], stride
            if not in_place:
                if padded.size == 0:
                    padded = np.zeros(n * width, affinity.dtype)
                _pad(affinity, starts[k], stride, rows, columns, padded, width)
                source, start, step = padded, np.int64(0), np.int64(width)
            status[k], bids[k], value[k], upper_bound[k] = _auction(
                source, start, step, n, gap, norms[k], cap, price, owner, chosen, cancel, simd
            )
            if status[k] == CANCELLED:
                break
        for i in range(rows):
            permutation[k, i] = chosen[i] if chosen[i] < columns else -1


_pairs = njit(nogil=True)(_solve_pairs)


def _entry(cache: bool, simd_source: str) -> Any:
    """Return `_solve_pairs` as a kernel, compiled on first use.

    numba's disk cache watches this file but not _simd.py, whose code it compiles in; a captured variable is part of
    its key.
    """

    def solve_pairs(
        affinity,
        starts,
        stride,
        rows,
        columns,
        norms,
        gap,
        cap,
        cancel,
        permutation,
        value,
        upper_bound,
        status,
        bids,
        simd,
    ):
        _ = simd_source
        _pairs(
            affinity,
            starts,
            stride,
            rows,
            columns,
            norms,
            gap,
            cap,
            cancel,
            permutation,
            value,
            upper_bound,
            status,
            bids,
            simd,
        )

    return njit(nogil=True, cache=cache)(solve_pairs)


def build(cache: bool = True) -> tuple[Any, str | None]:
    """Return the kernel and the folder that keeps its machine code between sessions, None if none is writable."""
    source = hashlib.blake2b(Path(_simd.__file__).read_bytes(), digest_size=8).hexdigest()
    if cache:
        try:
            kernel = _entry(True, source)
        except RuntimeError:  # numba finds no folder it may write to
            return _entry(False, source), None
        return kernel, str(kernel.stats.cache_path)
    return _entry(False, source), None
