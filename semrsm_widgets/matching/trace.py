"""The auction told bid by bid, on an affinity small enough to be followed by eye.

The compiled auction bids in the same way. It takes shortcuts, which this does not: it starts from the columns' means in
place of zero prices, and solves two pairs side by side. `views/stepper/trace.js` is the same in the page: a test
compares the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import cached_property, check_number, describe, message

from .assignment import dual_bound
from .token_set import read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TOKENS = 16
"""Rows of an affinity that can be followed: a grid of 4 x 4 patches."""
MOST_BIDS = 2000
"""A price war of more bids than this is broken off."""
FIRST_SHARE = 1 / 4
"""The first ε of the plan, as a share of the affinity's range."""
SHRINK = 1 / 4
"""Each ε of the plan is this part of the one before."""
LAST_SHARE = 1 / 64
"""The plan ends once n ε is no more than this share of the affinity's range."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happens in an auction, and how everything stands after it.

    Attributes:
        kind: "phase" (all columns are free again, prices stay), "bid" (a row takes a free column), "evict" (a row takes
            a column from another one) or "prove" (every row holds a column: the phase is over).
        phase: which phase, from 1.
        eps: ε of the phase, in the units of the affinity.
        row: the row that bids; -1 where none does.
        column: the column that it takes, the first of those with the largest profit; -1 where none.
        best: the profit of that column, affinity less price, before the bid; NaN where no row bids.
        second: the largest profit of the other columns; `best` where there is no other, NaN where no row bids.
        price_before: the column's price before the bid; NaN where no row bids.
        price_after: `price_before` + `best` - `second` + `eps`; NaN where no row bids.
        owner_before: the row that held the column; -1 where none did.
        owners: (n,) the row that holds each column, -1 for none.
        prices: (n,) the price of each column.
        queue: the rows that hold nothing, in the order in which they will bid.
        value: the sum of the affinities of the rows that hold a column.
        bound: `dual_bound(affinity, prices)`: no matching is worth more.
        best_bound: the smallest bound so far.
        best_value: the largest value so far at which every row held a column; -inf before there was one.
    """

    kind: str
    phase: int
    eps: float
    row: int
    column: int
    best: float
    second: float
    price_before: float
    price_after: float
    owner_before: int
    owners: tuple[int, ...]
    prices: tuple[float, ...]
    queue: tuple[int, ...]
    value: float
    bound: float
    best_bound: float
    best_value: float

    @property
    def held(self) -> int:
        """How many rows hold a column."""
        return sum(owner >= 0 for owner in self.owners)


@dataclass(frozen=True, eq=False, kw_only=True)
class AuctionTrace:
    """An auction from its first phase to its last proof.

    Attributes:
        affinity: (n, n) float64, what is maximised.
        plan: ε of each phase.
        order: the rows in the order in which they bid first.
        steps: what happened.
        finished: False where the auction was broken off after `MOST_BIDS` bids.
    """

    affinity: NDArray[np.float64]
    plan: tuple[float, ...]
    order: tuple[int, ...]
    steps: tuple[Step, ...]
    finished: bool

    def __repr__(self) -> str:
        n = len(self.affinity)
        end = f"value {self.value:.4f}, bound {self.upper_bound:.4f}" if self.finished else "broken off"
        return f"AuctionTrace({n} x {n}: {self.bids} bids in {self.steps[-1].phase} phases; {end})"

    def __len__(self) -> int:
        return len(self.steps)

    @cached_property
    def bids(self) -> int:
        """How many bids were made."""
        return sum(step.row >= 0 for step in self.steps)

    @property
    def permutation(self) -> NDArray[np.int64]:
        """(n,) the column that each row holds at the end; -1 where the auction was broken off and it holds none."""
        found = np.full(len(self.affinity), -1, np.int64)
        for column, row in enumerate(self.steps[-1].owners):
            if row >= 0:
                found[row] = column
        return found

    @property
    def value(self) -> float:
        """What the rows hold at the end."""
        return self.steps[-1].value

    @property
    def upper_bound(self) -> float:
        """The smallest bound of all steps: no matching is worth more."""
        return self.steps[-1].best_bound


def auction_plan(affinity: Any) -> tuple[float, ...]:
    """Return ε of each phase: from a quarter of the affinity's range, a quarter of the one before each time.

    The last one is so small that n ε, by which an auction may miss the optimum, is at most a 64th of the range.

    Args:
        affinity: (n, n) inner products, n <= 16.

    Raises:
        TypeError, ValueError: it is no such affinity.

    Example:
        >>> auction_plan([[1.0, 5.0], [0.0, 3.0]])
        (1.25, 0.3125, 0.078125, 0.01953125)
    """
    matrix = read_square(affinity)
    span = _span(matrix)
    eps = FIRST_SHARE * span
    plan = [eps]
    while len(matrix) * plan[-1] > LAST_SHARE * span:
        plan.append(SHRINK * plan[-1])
    return tuple(plan)


def auction_trace(
    affinity: Any, *, eps: float | Sequence[float] | None = None, order: Sequence[int] | None = None
) -> AuctionTrace:
    """Return every bid of an auction whose rows bid for columns, and the bound after each.

    The first row of the queue takes the column with the largest profit, affinity less price; the column's price rises
    by as much as that profit exceeds the second one's, and ε. Who held the column goes to the end of the queue. At the
    end of a phase every row holds a column, and the value is within n ε of the optimum. The next phase has a smaller ε
    and begins with the prices that are there.

    Args:
        affinity: (n, n) inner products, n <= 16.
        eps: ε of the only phase, or of each phase; `auction_plan(affinity)` unless given.
        order: the rows in the order in which they bid first; from the top unless given.

    Raises:
        TypeError, ValueError: an argument cannot be right.

    References:
        Bertsekas, *The auction algorithm* (1988).

    Example:
        >>> auction_trace([[1.0, 5.0], [0.0, 3.0]])
        AuctionTrace(2 x 2: 8 bids in 4 phases; value 5.0000, bound 5.0195)
    """
    matrix = read_square(affinity)
    n = len(matrix)
    plan = auction_plan(matrix) if eps is None else check_plan(eps)
    rows = check_order(order, n)
    prices = [0.0] * n
    owners = [-1] * n
    steps: list[Step] = []
    best_bound, best_value, bids = np.inf, -np.inf, 0
    queue: deque[int] = deque()

    def note(kind: str, phase: int, **bid: Any) -> None:
        nonlocal best_bound, best_value
        bound = float(dual_bound(matrix, prices))
        best_bound = min(best_bound, bound)
        value = sum(float(matrix[owner, column]) for column, owner in enumerate(owners) if owner >= 0)
        if kind == "prove":
            best_value = max(best_value, value)
        nobody = {"row": -1, "column": -1, "owner_before": -1}
        nothing = dict.fromkeys(("best", "second", "price_before", "price_after"), float("nan"))
        steps.append(
            Step(
                kind=kind,
                phase=phase,
                eps=plan[phase - 1],
                **{**nobody, **nothing, **bid},
                owners=tuple(owners),
                prices=tuple(prices),
                queue=tuple(queue),
                value=value,
                bound=bound,
                best_bound=best_bound,
                best_value=best_value,
            )
        )

    for phase, epsilon in enumerate(plan, start=1):
        owners = [-1] * n
        queue.extend(rows)
        note("phase", phase)
        while queue:
            if bids == MOST_BIDS:
                return AuctionTrace(affinity=matrix, plan=plan, order=rows, steps=tuple(steps), finished=False)
            row = queue.popleft()
            profits = [
                float(matrix[row, column]) - prices[column]
                for column in range(
                    n,
                )
            ]
            best = max(profits)
            column = profits.index(best)
            second = max((each for k, each in enumerate(profits) if k != column), default=best)
            before, holder = prices[column], owners[column]
            prices[column] = before + (best - second) + epsilon
            owners[column] = row
            if holder >= 0:
                queue.append(holder)
            bids += 1
            note(
                "bid" if holder < 0 else "evict",
                phase,
                row=row,
                column=column,
                best=best,
                second=second,
                price_before=before,
                price_after=prices[column],
                owner_before=holder,
            )
        note("prove", phase)
    return AuctionTrace(affinity=matrix, plan=plan, order=rows, steps=tuple(steps), finished=True)


def read_square(affinity: Any) -> NDArray[np.float64]:
    """Return a square affinity of at most 16 rows as float64, or raise in the house's form."""
    matrix = read_array("affinity", affinity).astype(np.float64)
    expected = f"(n, n) with n from 1 to {MOST_TOKENS}"
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not 1 <= len(matrix) <= MOST_TOKENS:
        todo = "Pool the tokens to a smaller grid; pad one that is not square with zeros."
        raise ValueError(message("affinity", expected, str(matrix.shape), todo))
    if np.abs(matrix).max() > np.finfo(np.float64).max / (64 * len(matrix)):  # prices rise above the entries
        todo = "Divide it by its largest entry."
        raise ValueError(message("affinity", "such that a sum of its entries is finite", f"{matrix.max():g}", todo))
    return matrix


def check_plan(eps: Any) -> tuple[float, ...]:
    """Return ε of each phase, or raise in the house's form."""
    todo = "The smaller ε, the nearer to the optimum, and the longer a price war."
    try:
        given = [eps] if np.ndim(eps) == 0 else list(eps)
    except (TypeError, ValueError, RuntimeError):  # NumPy, of what has no shape, and tensors
        raise TypeError(message("eps", "one number above 0, or several that fall", describe(eps), todo)) from None
    plan = tuple(check_number("eps", each, above=0, todo=todo) for each in given)
    if not plan or any(later >= earlier for earlier, later in pairwise(plan)):
        raise ValueError(message("eps", "one number above 0, or several that fall", repr(eps), todo))
    return plan


def check_order(order: Any, n: int) -> tuple[int, ...]:
    """Return the rows in the order in which they bid first, or raise in the house's form."""
    if order is None:
        return tuple(
            range(
                n,
            )
        )
    try:
        rows = tuple(int(row) for row in order)
    except (TypeError, ValueError):
        rows = ()
    if sorted(rows) != list(
        range(
            n,
        )
    ):
        raise ValueError(message("order", f"each row once, 0 to {n - 1} in any order", repr(order)))
    return rows


def _span(matrix: NDArray[np.float64]) -> float:
    """Return the affinity's range; of a constant one, its size; of one that is zero, 1."""
    return float(np.ptp(matrix)) or float(np.abs(matrix).max()) or 1.0
