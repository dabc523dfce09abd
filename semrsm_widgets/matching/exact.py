"""The two plain matchers: token s with token s, and SciPy's exact assignment."""

from __future__ import annotations

from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import in_background, message

from .affinities import Affinities
from .assignment import Assignment
from .blocks import match_batch, match_sets
from .matcher import PairJob, Products
from .threads import Pool, default_threads
from .token_set import TokenSet, check_comparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 2**20
_SECONDS_PER_ENTRY = 1e-7
"""Of an affinity; it grows with S."""
_BRIEF = 0.05
"""Seconds of SciPy's on a pair that Ctrl-C may wait for."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Token s is paired with token s: what an ordinary ("aligned") RSM compares. No certificate.

    Example:
        >>> Identity()(np.ones((1, 3, 2)), np.ones((1, 3, 2))).permutation
        array([[0, 1, 2]])
    """

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Return the identity permutation of B pairs (B, S, D), (B, S, D), with its value.

        Raises:
            ValueError: S and T differ.
        """
        left, right = TokenSet.read("x", x), TokenSet.read("y", y)
        check_comparable(left, right)
        _check_sizes(left, right)
        if len(left) != len(right):
            raise ValueError(message("y", f"{len(left)} token sets, one for each of x", str(len(right))))
        home = left.home(torch.float64)
        x64, y64 = (side.values.to(home).double() for side in (left, right))
        value = (x64 * y64).sum((1, 2)).cpu().numpy()
        permutation = np.tile(np.arange(left.size), (len(left), 1))
        return Assignment(permutation, value, np.full(len(left), np.inf))

    def match_sets(self, job: PairJob) -> Products:
        """Return the products of all images: one float64 product of flattened tokens, some channels at a time."""
        left, right = job.x, job.y
        _check_sizes(left, right)
        home = left.home(torch.float64)
        x, y = left.values.flatten(1), right.values.flatten(1)
        products = torch.zeros(len(left), len(right), dtype=torch.float64, device=home)
        step = max(1, min(_CHUNK, job.memory // 16) // max(1, len(left) + len(right)))
        for first in range(0, x.shape[1], step):
            here = slice(first, first + step)
            products += x[:, here].to(home).double() @ y[:, here].to(home).double().T
            job.tick(int(job.pairs * min(1.0, (first + step) / x.shape[1])))
        return Products(products.cpu().numpy(), np.full(products.shape, np.inf))


@dataclass(frozen=True, kw_only=True)
class Exact:
    """The optimal one-to-one matching, by SciPy's `linear_sum_assignment` on a float64 affinity.

    Its upper_bound equals its value.

    References:
        Crouse, *On implementing 2D rectangular assignment algorithms*, IEEE TAES 52 (2016).

    Example:
        >>> Exact().solve([[[1.0, 5.0], [0.0, 3.0]]]).value
        array([5.])
    """

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which products are wanted."""
        return torch.float64

    @property
    def bearable(self) -> float:
        """The rounding of products that it can bear, in units of ‖X‖‖Y‖."""
        return float("inf")

    @property
    def workers(self) -> int:
        """The number of threads over which pairs are shared."""
        return default_threads()

    def __call__(self, x: Any, y: Any) -> Assignment:
        """Return the optimal assignment of B pairs of token sets (B, S, D), (B, T, D)."""
        return match_batch(self, x, y)

    def solve(self, affinity: Any) -> Assignment:
        """Return the optimal assignment of each (S, T) matrix of an affinity (..., S, T), batch axes flattened."""
        affinities = Affinities.read(affinity)
        with Pool(self.workers) as pool:
            return self.solve_pairs(affinities, np.ones(len(affinities)), pool)

    def solve_pairs(self, affinities: Affinities, norms: Any, pool: Pool) -> Assignment:
        """Return the optimal assignment of every pair of a block."""
        permutation = np.full((len(affinities), affinities.rows), -1, np.int64)
        value = np.zeros(len(affinities))

        def solve(part: slice) -> None:
            for k in range(part.start, part.stop):
                if pool.cancel[0]:
                    return
                matrix = affinities[k].astype(np.float64, copy=False)
                found = _optimum(matrix, pool)
                if found is None:
                    return
                rows, columns = found
                permutation[k, rows] = columns
                value[k] = matrix[rows, columns].sum()

        pool.run(solve, len(affinities), _SECONDS_PER_ENTRY * affinities.rows * affinities.columns)
        return Assignment(permutation, value, value.copy())

    def match_sets(self, job: PairJob) -> Products:
        """Return the products of all pairs of a job."""
        return match_sets(self, job)


def _optimum(matrix: NDArray[np.float64], pool: Pool) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the rows and the columns of SciPy's optimum; None where the pool was cancelled meanwhile.

    SciPy's call hears nothing for the seconds that a pair of many tokens takes: it is on a thread of its own, which
    after an interrupt runs out by itself, and nobody gets its result. (SciPy 1.11 keeps the interpreter to itself
    meanwhile, scipy/scipy#18833: an interrupt is heard after the pair there.)
    """
    from scipy.optimize import linear_sum_assignment  # here: it takes a third of a second

    if matrix.size * _SECONDS_PER_ENTRY < _BRIEF:
        rows, columns = linear_sum_assignment(matrix, maximize=True)
        return rows, columns
    answer: Future[tuple[NDArray[np.int64], NDArray[np.int64]]] = Future()

    def work() -> None:
        try:
            answer.set_result(linear_sum_assignment(matrix, maximize=True))
        except BaseException as error:  # raised where it is waited for
            answer.set_exception(error)

    in_background(work, "semrsm-exact")
    while not pool.cancel[0]:
        if wait([answer], timeout=_POLL_SECONDS).done:
            return answer.result()
    return None


def _check_sizes(x: TokenSet, y: TokenSet) -> None:
    if x.size != y.size:
        shapes = f"S = {x.size} and T = {y.size}"
        raise ValueError(
            message("y", "as many tokens per image as x", shapes, "Identity pairs token s with token s; use Exact().")
        )
