"""The approximations of the paper: cheaper in principle, never certified.

They are here to be compared with. On image features the certified auction reached a better value than each of them, in
less time than all but the narrowest windows (docs/matching.md), so none is a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import check_int, message

from .assignment import Assignment
from .token_set import TokenSet, check_comparable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Solve = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.int64]]


_STRETCH = 4
"""Entries for each row that the greedy matching sorts at a time, to begin with."""


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """The largest inner product is paired first, then the largest between tokens left, and so on. No certificate.

    References:
        Wald et al., arXiv:2410.23107, section 3.3 and appendix (approximations of the optimal permutation).

    Example:
        >>> x = np.array([[[3.0, 0.0], [2.0, 2.0]]])
        >>> Greedy()(x, x).permutation
        array([[0, 1]])
    """

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Return the greedy assignment of B pairs of token sets (B, S, D), (B, T, D)."""
        return _match(x, y, lambda one, other: _greedy(one @ other.T))


@dataclass(frozen=True)
class TopKGreedy:
    """The k tokens of largest norm on either side are matched optimally, the others greedily. No certificate.

    Args:
        k: tokens that are matched optimally; all of them if an image has no more.

    Raises:
        ValueError: k is below 1.

    References:
        Wald et al., arXiv:2410.23107, section 3.3 and appendix.

    Example:
        >>> x = np.array([[[3.0, 0.0], [2.0, 2.0]]])
        >>> TopKGreedy(1)(x, x[:, ::-1]).permutation
        array([[1, 0]])
    """

    k: int

    def __post_init__(self) -> None:
        check_int("k", self.k, minimum=1)

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Return the assignment of B pairs of token sets (B, S, D), (B, T, D)."""
        return _match(x, y, self._solve)

    def _solve(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int64]:
        affinity = one @ other.T
        rows, columns = _by_norm(one), _by_norm(other)
        return _in_parts(affinity, [(rows[: self.k], columns[: self.k])])


@dataclass(frozen=True)
class BatchOptimal:
    """Tokens are sorted by their norms, and each window of them is matched optimally. No certificate.

    No S x S affinity is formed. Both images must have as many tokens.

    Args:
        window: tokens of a window; the last one may hold fewer.

    Raises:
        ValueError: the window is below 1.

    References:
        Wald et al., arXiv:2410.23107, section 3.3 (Batch-Optimal).

    Example:
        >>> x = np.array([[[3.0, 0.0], [2.0, 2.0]]])
        >>> BatchOptimal(1)(x, x[:, ::-1]).permutation
        array([[1, 0]])
    """

    window: int

    def __post_init__(self) -> None:
        check_int("window", self.window, minimum=1)

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Return the assignment of B pairs of token sets (B, S, D), (B, S, D).

        Raises:
            ValueError: S and T differ.
        """
        return _match(x, y, self._solve, square="windows of sorted tokens are paired one to one; use TopKGreedy(k)")

    def _solve(self, one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int64]:
        from scipy.optimize import linear_sum_assignment  # here: it takes a third of a second

        permutation = np.full(len(one), -1, np.int64)
        rows, columns = _by_norm(one), _by_norm(other)
        for first in range(0, len(one), self.window):
            s, t = rows[first : first + self.window], columns[first : first + self.window]
            matched, to = linear_sum_assignment(one[s] @ other[t].T, maximize=True)
            permutation[s[matched]] = t[to]
        return permutation


def _match(x: Any, y: Any, solve: Solve, square: str = "") -> Assignment:
    """Return what `solve` makes of each pair's tokens (S, D), (T, D), float64 and scaled to peaks in [0.5, 1)."""
    left, right = TokenSet.read("x", x), TokenSet.read("y", y)
    check_comparable(left, right)
    if len(left) != len(right):
        raise ValueError(message("y", f"{len(left)} token sets, one for each of x", str(len(right))))
    if square and left.size != right.size:
        sizes = f"S = {left.size} and T = {right.size}"
        raise ValueError(message("y", "as many tokens per image as x", sizes, f"{square[0].upper()}{square[1:]}."))
    count = len(left)
    permutation, value = np.full((count, left.size), -1, np.int64), np.zeros(count)
    for k in range(count):
        here = np.arange(k, k + 1)
        one, other = (side.block(here, torch.float64, side.size)[0].cpu().numpy() for side in (left, right))
        permutation[k] = solve(one, other)
        matched = np.flatnonzero(permutation[k] >= 0)
        value[k] = np.einsum("sd,sd->", one[matched], other[permutation[k, matched]])
    value = np.ldexp(value, left.exponents + right.exponents)
    return Assignment(permutation, value, np.full(count, np.inf))


def _by_norm(tokens: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the tokens' indices, largest norm first; equal norms keep their order."""
    return np.argsort(-np.einsum("sd,sd->s", tokens, tokens), kind="stable")


def _in_parts(
    affinity: NDArray[np.float64], parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> NDArray[np.int64]:
    """Return the permutation that is optimal within each part (rows, columns) and greedy on what is left."""
    from scipy.optimize import linear_sum_assignment  # here: it takes a third of a second

    rows, columns = affinity.shape
    permutation = np.full(rows, -1, np.int64)
    for s, t in parts:
        matched, to = linear_sum_assignment(affinity[np.ix_(s, t)], maximize=True)
        permutation[s[matched]] = t[to]
    free_rows = np.flatnonzero(permutation < 0)
    free_columns = np.setdiff1d(np.arange(columns), permutation)
    if free_rows.size and free_columns.size:
        rest = _greedy(affinity[np.ix_(free_rows, free_columns)])
        permutation[free_rows[rest >= 0]] = free_columns[rest[rest >= 0]]
    return permutation


def _greedy(affinity: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the permutation that pairs the largest entry first; ties go to the first in reading order."""
    permutation = np.full(len(affinity), -1, np.int64)
    rows, columns = (np.arange(count) for count in affinity.shape)
    rest, stretch = affinity, _STRETCH
    while rows.size and columns.size:
        # Most entries of the rest are soon between tokens that are paired: only some are sorted at a time, and an
        # interruption is heard in between.
        taken = np.zeros(columns.size, bool)
        for s, t in zip(
            *(part.tolist() for part in divmod(_largest(rest, stretch * rows.size), columns.size)), strict=True
        ):
            if permutation[rows[s]] < 0 and not taken[t]:
                permutation[rows[s]], taken[t] = columns[t], True
        if 4 * taken.sum() < min(rows.size, columns.size):
            stretch *= 2
        free = permutation[rows] < 0
        rest = rest[np.ix_(free, ~taken)]
        rows, columns = rows[free], columns[~taken]
    return permutation


def _largest(matrix: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the flat indices of the `count` largest entries, the largest first, equal ones in reading order."""
    flat = matrix.reshape(-1)
    if count >= flat.size:
        return np.argsort(-flat, kind="stable")
    least = np.partition(flat, flat.size - count)[flat.size - count]
    above = np.flatnonzero(flat > least)
    above = above[np.argsort(-flat[above], kind="stable")]
    return np.concatenate([above, np.flatnonzero(flat == least)[: count - above.size]])
