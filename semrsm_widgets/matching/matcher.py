"""What a matcher is, and what a block of pairs asks of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch

from semrsm_widgets.common import Progress, describe, message

from .affinities import Affinities
from .assignment import NO_FALLBACKS, Assignment, Fallbacks
from .threads import Pool
from .token_set import TokenSet

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Matcher(Protocol):
    """What all matchers are: a callable on B pairs of token sets. Any function of this signature serves, too."""

    def __call__(self, x: Any, y: Any, /) -> Assignment:
        """Return the assignment of x (B, S, D) and y (B, T, D): min(S, T) pairs of tokens each."""
        ...


def check_matcher(value: Any, name: str = "matcher") -> Matcher:
    """Return the matcher, or raise before anything is matched; `name` is what the caller's argument is called.

    Raises:
        TypeError: it cannot be called, or is a class.
    """
    if not callable(value) or isinstance(value, type):
        raise TypeError(message(name, "a matcher, such as Auction() or Exact()", describe(value)))
    matcher: Matcher = value
    return matcher


def check_answer(answer: Any, pairs: int, tokens: int) -> Assignment:
    """Return what a matcher answered for B pairs of images, if it is that.

    Args:
        answer: what it returned.
        pairs: B.
        tokens: S, of each image of x.

    Raises:
        TypeError: it is no Assignment.
        ValueError: its shapes are not those of the pairs, or a value or bound is NaN.
    """
    expected = f"one that returns an Assignment of {pairs} pairs: permutation ({pairs}, {tokens}), value, upper_bound"
    if not isinstance(answer, Assignment):
        raise TypeError(message("matcher", expected, describe(answer)))
    shapes = [np.shape(each) for each in (answer.permutation, answer.value, answer.upper_bound)]
    if shapes != [(pairs, tokens), (pairs,), (pairs,)]:
        raise ValueError(message("matcher", expected, f"shapes {shapes}"))
    if not np.all(np.isfinite(answer.value)) or np.any(np.isnan(answer.upper_bound)):
        raise ValueError(message("matcher", expected, "a value that is NaN or infinite, or a bound that is NaN"))
    return answer


@dataclass(frozen=True, eq=False)
class Products:
    """What a matcher makes of all pairs of two sets: matched products and their upper bounds (N, M), float64."""

    products: NDArray[np.float64]
    upper_bound: NDArray[np.float64]
    fallbacks: Fallbacks = NO_FALLBACKS


@dataclass(eq=False, kw_only=True)
class PairJob:
    """All pairs of x and y, or the pairs i < j of x alone, within a budget of memory in bytes."""

    x: TokenSet
    y: TokenSet
    symmetric: bool
    memory: int
    progress: Progress | None = None
    done: int = field(default=0, init=False)

    @property
    def pairs(self) -> int:
        """The number of pairs to match."""
        n, m = len(self.x), len(self.y)
        return n * (n - 1) // 2 if self.symmetric else n * m

    def tick(self, done: int) -> None:
        """Report how many pairs are done; the callback may raise to cancel."""
        self.done = done
        if self.progress is not None:
            self.progress(done, self.pairs)


@runtime_checkable
class SetMatcher(Protocol):
    """A matcher that knows a better way through all pairs than one batch after another."""

    def match_sets(self, job: PairJob) -> Products:
        """Return the products of all pairs of a job."""


@runtime_checkable
class AffinityMatcher(Protocol):
    """A matcher that works on affinities."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which products are wanted."""

    @property
    def bearable(self) -> float:
        """The rounding of products that it can bear, in units of ‖X‖‖Y‖."""

    @property
    def workers(self) -> int:
        """The number of threads over which pairs are shared."""

    def solve_pairs(self, affinities: Affinities, norms: NDArray[np.float64], pool: Pool) -> Assignment:
        """Return the assignment of every pair; norms are the products of the two token sets' Frobenius norms."""


class Limits(NamedTuple):
    """What an auction is run with by compiled code."""

    kernel: Any
    gap: float
    bids: int


@runtime_checkable
class CompiledMatcher(AffinityMatcher, Protocol):
    """A matcher whose auction compiled code may run by itself, products included."""

    def limits(self, columns: int, rounding: float) -> Limits | None:
        """Return what it takes to match products of T columns and a rounding; None if compiled code shall not."""

    def settle(
        self, affinities: Affinities, norms: NDArray[np.float64], pool: Pool, found: Assignment,
        status: NDArray[np.int64],
    ) -> Assignment:  # fmt: skip
        """Return what was found, pairs whose status is not 0 solved again, with bounds that include the rounding."""


class TensorSolver(Protocol):
    """What solves affinities where they are."""

    def __call__(
        self, affinity: torch.Tensor, norms: NDArray[np.float64], pool: Pool, rounding: float = 0.0
    ) -> Assignment:
        """Return the assignment of affinities (P, S, T), S <= T; the pool is for what falls back to the CPU."""
