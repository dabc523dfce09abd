"""Assignments and their certificates: which token is paired with which, its value, and what no matching exceeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semrsm_widgets.common import message

from .token_set import read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 2**20
"""Entries of an affinity that `dual_bound` holds in float64 at a time."""


@dataclass(frozen=True, kw_only=True)
class Fallbacks:
    """How many pairs were not certified at the first attempt, and what solved them."""

    float64: int = 0
    exact: int = 0

    def __add__(self, other: Fallbacks) -> Fallbacks:
        return Fallbacks(float64=self.float64 + other.float64, exact=self.exact + other.exact)


NO_FALLBACKS = Fallbacks()


@dataclass(frozen=True, eq=False)
class Assignment:
    """The answer of a matcher for B pairs of token sets, S tokens against T.

    Attributes:
        permutation: (B, S) int64: token s of x is paired with token permutation[b, s] of y; -1 where it is left
            unmatched (S > T).
        value: (B,) float64: the sum of the inner products of the pairs.
        upper_bound: (B,) float64: no one-to-one matching of min(S, T) pairs is worth more; inf where there is no
            certificate.
        fallbacks: how many of the B pairs needed a second solver.
    """

    permutation: NDArray[np.int64]
    value: NDArray[np.float64]
    upper_bound: NDArray[np.float64]
    fallbacks: Fallbacks = NO_FALLBACKS

    def __repr__(self) -> str:
        pairs, tokens = self.permutation.shape
        gap = float(np.max(self.upper_bound - self.value, initial=0.0))
        certificate = f"within {gap:.3g} of the optimum" if np.isfinite(gap) else "no certificate"
        return f"Assignment({pairs} pair{'s' * (pairs != 1)} of {tokens} tokens, {certificate})"

    def __len__(self) -> int:
        return len(self.value)


def affinity(x: Any, y: Any) -> NDArray[Any]:
    """Return the inner products of all tokens of x with all tokens of y: x y^T.

    Args:
        x: (S, D) or (B, S, D) tokens, a tensor or an array.
        y: (T, D) or (B, T, D) tokens.

    Returns:
        (S, T) or (B, S, T) array, float64 if either input is, else float32. It is maximised, never called a cost.

    Raises:
        ValueError: the channels or the number of pairs differ, or an entry is NaN or infinite.

    Example:
        >>> affinity(np.eye(2), np.array([[0.0, 3.0], [2.0, 0.0]]))
        array([[0., 2.],
               [3., 0.]])
    """
    left, right = read_array("x", x), read_array("y", y)
    if left.ndim not in (2, 3) or left.ndim != right.ndim:
        raise ValueError(
            message("x", "(S, D) with y (T, D), or (B, S, D) with y (B, T, D)", f"{left.shape} and {right.shape}")
        )
    if left.shape[-1] != right.shape[-1] or left.shape[:-2] != right.shape[:-2]:
        todo = "Both must come from the same layer, pair for pair."
        raise ValueError(message("y", f"tokens that go with x {left.shape}", str(right.shape), todo))
    wide = np.float64 if np.float64 in (left.dtype, right.dtype) else np.float32
    product: NDArray[Any] = np.matmul(
        left.astype(wide, copy=False), np.swapaxes(right, -1, -2).astype(wide, copy=False)
    )
    return product


def dual_bound(affinity: Any, prices: Any) -> NDArray[np.float64]:
    """Return the dual bound of given prices: no matching of min(S, T) pairs is worth more.

    Σ_s max_t (A_st − p_t) + Σ_t p_t, where A is zero-padded to n x n, n = max(S, T). It holds for any prices (weak
    duality), so it certifies any solver's answer without trusting the solver; the better the prices, the tighter it
    is.

    Args:
        affinity: (..., S, T) inner products.
        prices: (..., n) one price for each column of the padded affinity.

    Returns:
        (...) float64.

    Raises:
        TypeError: not numbers.
        ValueError: the prices do not fit the affinity, or NaN or infinity in either.

    References:
        Bertsekas, *Network Optimization* (1998), section 7.1 (the assignment problem and its dual).

    Example:
        >>> float(dual_bound([[1.0, 5.0], [0.0, 3.0]], [0.0, 3.0]))
        5.0
    """
    matrix, price = read_array("affinity", affinity), read_array("prices", prices).astype(np.float64, copy=False)
    if matrix.ndim >= 2 and 0 in matrix.shape[-2:]:
        raise ValueError(message("affinity", "of at least one row and one column", str(matrix.shape)))
    if matrix.ndim < 2 or price.shape != (*matrix.shape[:-2], max(matrix.shape[-2:])):
        expected = f"one price for each column of the padded affinity {matrix.shape}: (..., max(S, T))"
        raise ValueError(message("prices", expected, str(price.shape)))
    rows, columns = matrix.shape[-2:]
    batch = matrix.shape[:-2]
    count = int(np.prod(batch))
    bounds = [
        _dual_bound(a, p)
        for a, p in zip(matrix.reshape(count, rows, columns), price.reshape(count, price.shape[-1]), strict=True)
    ]
    return np.array(bounds, dtype=np.float64).reshape(batch)


def _dual_bound(affinity: NDArray[Any], price: NDArray[np.float64]) -> float:
    """Return the bound of one affinity (S, T); padded entries are zero, so they enter as 0 - price."""
    rows, columns = affinity.shape
    n = max(rows, columns)
    bound = float(price.sum())
    padding = float(-price[columns:].min()) if columns < n else -np.inf
    step = max(1, _BLOCK // columns)
    for first in range(0, rows, step):
        best = (affinity[first : first + step].astype(np.float64) - price[:columns]).max(axis=1)
        bound += float(np.maximum(best, padding).sum())
    return float(bound - (n - rows) * price.min())
