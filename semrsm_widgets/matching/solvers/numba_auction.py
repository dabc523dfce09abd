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
affinities outgrow the cache; below about 700 columns reading is cheaper. Two rows of a pair bid in turns there.

References:
    Bertsekas, *The auction algorithm: a distributed relaxation method for the assignment problem* (1988), sections 2
    and 4. The stopping rule is weak duality: `dual_bound` in assignment.py, of which `_upper_bound` is the compiled
    twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .schedule import EXTRA_PHASES, WORTH_CERTIFYING, schedule, target
from .simd import ROW_MULTIPLE, best_float64, best_listed_float64, best_of_lanes, compiled_within, top2, top2_listed

SOLVED, CAPPED, STALLED, UNCERTIFIED, CANCELLED = range(5)
"""How a pair ended. Stalled: a bid that the floating-point type cannot tell from the price, or that it cannot hold."""

PADDING_PRICE = 1e37
LIMIT_PRICE = 1e36
"""No bid goes beyond. Padding columns are dearer than that, so this one comparison keeps a bid for them (which prices
out of all bounds would bring about), and infinite prices, from being written past the end of `owner`."""
START_ROWS = 64  # rows whose mean gives the first prices; the result does not depend on them, nor on the slack
LEFT_OUT, LEFT_OUT_OF = 4, 50
"""Rows that do not bid in the first phase: one, and one of so many, up to `LEFT_OUT`. The last rows meet columns that
are all taken and set off the longest chains of bids, for prices that the next phase finds anyway. Left out of all but
the last phase they would save a little more, and start price wars where ε is too small to end them: zero tokens did."""
LIST_SLACK = 12.0  # in units of ε: how far a candidate list may fall below its bound before it is made anew
ROUNDING_OF_BOUNDS = (2.0**-23, 2.0**-52)
"""Of a bound in float32 and in float64: what the profits that it bounds may lie above it, as they were rounded (half of
that), and as the certificate counts in float64."""
POLL = 4096  # bids between two looks at the cancel flag and the cap


# Compile time is what a first user waits for: no array expressions here that could fail (their error texts alone take
# seconds to compile), and no errors of division.


_first_factor_phases = compiled_within(schedule)
_target = compiled_within(target)


CANDIDATES = 32
"""Columns of a list: one for each lane of a scan in float32; in float64 half of them are used."""


def empty_lists(rows: int, dtype: Any) -> tuple[np.ndarray[Any, Any], ...]:
    """Return lists of no candidates for `rows` rows with prices of `dtype`."""
    return (
        np.zeros(rows * CANDIDATES, dtype),  # the candidates' affinities
        np.zeros(rows * CANDIDATES, np.int32),  # their columns
        np.empty(rows, dtype),  # what no other column's profit exceeds
    )


@compiled_within
def relist(affinity, begin, price, entries, columns, at):
    """Scan a row into its list, which begins at `at`; return what no column outside the list exceeds."""
    bound = best_of_lanes(affinity, begin, price, columns, at)
    for t in range(at, at + CANDIDATES * 4 // price.itemsize):
        entries[t] = affinity[begin + columns[t]]
    return bound


@compiled_within
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


@compiled_within
def _best_of_row(affinity, begin, price, lists, i, simd):
    """Return the largest profit of row i in float64. Where its list is sure to hold that, the row is not read."""
    if lists is not None:
        entries, columns, bound = lists
        best = best_listed_float64(entries, columns, i * CANDIDATES, price)
        if best >= bound[i] + ROUNDING_OF_BOUNDS[price.itemsize // 4 - 1] * abs(np.float64(bound[i])):
            return best
    return best_float64(affinity, begin, price, simd)


@compiled_within
def _upper_bound(affinity, start, stride, rows, price, n, lists, simd):
    """Return the dual bound of `price` in float64: no matching of the rows, zero-padded to n, is worth more."""
    bound = 0.0
    for j in range(n):
        bound += np.float64(price[j])
    for i in range(rows):
        bound += _best_of_row(affinity, start + i * stride, price, lists, i, simd)
    if rows < n:
        bound += (n - rows) * best_float64(affinity, affinity.size - price.size, price, simd)
    return bound


@compiled_within
def _certificate(affinity, start, stride, rows, price, n, chosen, lists, simd):
    """Return the value of the columns chosen and the upper bound of the prices, both in float64."""
    value = 0.0
    for i in range(rows):
        value += np.float64(affinity[start + i * stride + chosen[i]])
    return value, max(value, _upper_bound(affinity, start, stride, rows, price, n, lists, simd))


@compiled_within
def _settled(k, permutation, value, upper_bound, status, affinity, start, rows, columns, norm):
    """Return whether nothing is to be found out about a pair, and settle it."""
    if columns > 1 and norm != 0:
        return False
    for i in range(rows):
        permutation[k, i] = i
    value[k] = np.float64(affinity[start]) if columns == 1 else 0.0
    upper_bound[k] = value[k]
    status[k] = SOLVED
    return True


@compiled_within
def auction(
    affinity, starts, stride, rows, n, norms, gap, cap, cancel, price, owner, chosen, turn, lists, permutation, value,
    upper_bound, status, bids, simd,
):  # fmt: skip
    """Solve all pairs, two at a time: where one of them is solved, the next takes its place.

    `turn` holds for both places: the pair, its phase, the row that bids, the row that bids next if none has lost its
    column, and how many rows bid in this phase.
    """
    first_eps, factor, phases = _first_factor_phases(gap, 1.0 / n)  # in units of a pair's norm
    pair, phase, row, upcoming, bidders = turn[0], turn[1], turn[2], turn[3], turn[4]
    places = 2 if lists is None else 1
    eps = np.empty(2)
    pair[0] = pair[1] = -1
    following = np.int64(0)
    while True:
        for p in range(places):
            while pair[p] < 0 and following < starts.size:
                k, following = following, following + 1
                if not _settled(k, permutation, value, upper_bound, status, affinity, starts[k], rows, n, norms[k]):
                    pair[p], phase[p], eps[p], row[p] = k, 0, first_eps, n
                    status[k] = UNCERTIFIED
                    _start(affinity, starts[k], stride, rows, price[p], n)
                    if lists is not None:
                        lists[2][:] = np.inf  # no list is good yet
            if pair[p] >= 0 and row[p] >= n:  # a phase begins
                for j in range(n):
                    owner[p, j] = -1
                row[p], upcoming[p] = 0, 1
                bidders[p] = n
                if phase[p] == 0 and WORTH_CERTIFYING * n * eps[p] > gap:
                    bidders[p] -= min(LEFT_OUT, 1 + n // LEFT_OUT_OF)
        if pair[0] < 0 and pair[1] < 0:
            return
        both = pair[0] >= 0 and pair[1] >= 0
        if both:
            made = _side_by_side(
                affinity, starts[pair[0]], starts[pair[1]], stride, rows, bidders[0], bidders[1],
                eps[0] * norms[pair[0]], eps[1] * norms[pair[1]], price[0], price[1], owner[0], owner[1], chosen[0],
                chosen[1], row, upcoming, simd,
            )  # fmt: skip
            bids[pair[0]] += made
            bids[pair[1]] += made
        alone = not both or (row[0] < bidders[0] and row[1] < bidders[1])
        for p in range(places):
            k = pair[p]
            if k < 0 or (row[p] < bidders[p] and not alone):
                continue
            ended = SOLVED
            if row[p] < bidders[p]:
                ended, more = _phase(
                    affinity, starts[k], stride, rows, bidders[p], eps[p] * norms[k], cap - bids[k], price[p],
                    owner[p], chosen[p], row[p], upcoming[p], lists, cancel, simd,
                )  # fmt: skip
                bids[k] += more
            if ended == CANCELLED:
                status[k] = CANCELLED
                return
            row[p] = n
            if ended != SOLVED:
                status[k], pair[p] = ended, -1
                continue
            if WORTH_CERTIFYING * n * eps[p] <= gap:
                value[k], upper_bound[k] = _certificate(
                    affinity, starts[k], stride, rows, price[p], n, chosen[p], lists, simd
                )
                if upper_bound[k] - value[k] <= _target(gap, norms[k]):
                    status[k], pair[p] = SOLVED, -1
                    for i in range(rows):
                        permutation[k, i] = chosen[p, i]
                    continue
            phase[p] += 1
            eps[p] *= factor
            if phase[p] == phases + EXTRA_PHASES:
                pair[p] = -1


@compiled_within
def _side_by_side(
    affinity, one, other, stride, rows, bidders1, bidders2, eps1, eps2, price1, price2, owner1, owner2, chosen1,
    chosen2, row, upcoming, simd,
):  # fmt: skip
    """Run phases of two pairs, bid by bid in turns, until one is through or stalls; return the bids of each.

    A bid waits for the last one of its pair, and takes longer than it keeps the processor busy: two pairs in turns
    take a third less time than one after another. Each pair's bids are those that it would make alone. Where both stand
    is left in `row` and `upcoming`.
    """
    blank = affinity.size - price1.size
    eps1, eps2 = price1.dtype.type(eps1), price1.dtype.type(eps2)
    row1, row2, upcoming1, upcoming2 = row[0], row[1], upcoming[0], upcoming[1]
    bids = 0
    while row1 < bidders1 and row2 < bidders2 and bids < POLL:
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
    return bids


@compiled_within
def _two_rows(
    affinity, start, stride, rows, bidders, eps, price, owner, chosen, lists, one, other, upcoming
):  # fmt: skip
    """Let two rows bid in turns, by their lists, until a chain of bids is through or one stalls.

    Both look at the same prices, so that neither search waits for the other's bid. The first has bid when the second
    does: if they want one column the second looks again; if the first made the second's alternative dearer, that one
    bids less than it might. Return (bids, one, other, upcoming), rows from `bidders` on where a chain is through.
    """
    blank = affinity.size - price.size
    slack = price.dtype.type(LIST_SLACK) * eps
    entries, columns, bound = lists
    bids = 0
    while one < bidders and other < bidders and bids < POLL:
        best1, second1, column1 = top2_listed(entries, columns, one * CANDIDATES, price)
        best2, second2, column2 = top2_listed(entries, columns, other * CANDIDATES, price)
        if best1 < bound[one] - slack:
            begin = start + one * stride if one < rows else blank
            bound[one] = relist(affinity, begin, price, entries, columns, one * CANDIDATES)
            best1, second1, column1 = top2_listed(entries, columns, one * CANDIDATES, price)
        if best2 < bound[other] - slack:
            begin = start + other * stride if other < rows else blank
            bound[other] = relist(affinity, begin, price, entries, columns, other * CANDIDATES)
            best2, second2, column2 = top2_listed(entries, columns, other * CANDIDATES, price)
        raised1 = price[column1] + ((best1 - max(second1, min(best1, bound[one]))) + eps)
        raised2 = price[column2] + ((best2 - max(second2, min(best2, bound[other]))) + eps)
        if not (price[column1] < raised1 < LIMIT_PRICE and price[column2] < raised2 < LIMIT_PRICE):
            break
        price[column1], chosen[one] = raised1, column1
        evicted = np.int64(owner[column1])
        owner[column1] = one
        one = evicted if evicted >= 0 else upcoming
        upcoming += evicted < 0
        bids += 1
        if column1 != column2:
            price[column2], chosen[other] = raised2, column2
            evicted = np.int64(owner[column2])
            owner[column2] = other
            other = evicted if evicted >= 0 else upcoming
            upcoming += evicted < 0
            bids += 1
    return bids, one, other, upcoming


@compiled_within
def _phase(
    affinity, start, stride, rows, bidders, eps, cap, price, owner, chosen, row, upcoming, lists, cancel, simd
):  # fmt: skip
    """Let `row` bid, then whoever loses its column, else the upcoming row, until all hold one; return (status, bids).

    With lists, two rows bid in turns while there are two. Rows from `rows` on are all zero, at the end of `affinity`.
    """
    blank = affinity.size - price.size
    eps = price.dtype.type(eps)
    slack = price.dtype.type(LIST_SLACK) * eps
    if lists is not None:
        entries, columns, bound = lists
    bids, looked = 0, POLL
    other = bidders  # the row that bids in turns with `row`, if it is less
    if lists is not None:
        other, upcoming = upcoming, upcoming + 1
    while row < bidders:
        if lists is not None and other < bidders:
            more, row, other, upcoming = _two_rows(
                affinity, start, stride, rows, bidders, eps, price, owner, chosen, lists, row, other, upcoming
            )
            bids += more
            if row >= bidders:
                row, other = other, row
                continue
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
        if bids >= looked:
            looked = bids + POLL
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
        np.zeros((5, 2), np.int64),  # how far each of the two is
        empty_lists(columns, price) if lists else None,
    )
