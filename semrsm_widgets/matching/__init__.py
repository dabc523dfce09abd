"""Matching: pairing the tokens of two images one to one so that the sum of their inner products is largest.

A matcher is an immutable value that is called with token sets x (B, S, D) and y (B, T, D) and answers with an
`Assignment`. Not to be confused with methods that permute *neurons across models*: here *positions across images* are
permuted.
"""

from __future__ import annotations

from typing import Any, Protocol

from ._engine import Engine, engine, warm_up
from .approximate import BatchOptimal, Greedy, TopKGreedy
from .assignment import Assignment, Fallbacks, affinity, dual_bound
from .auction import Auction
from .bounds import row_column_bounds, undecided
from .exact import Exact, Identity

__all__ = [
    "Assignment",
    "Auction",
    "BatchOptimal",
    "Engine",
    "Exact",
    "Fallbacks",
    "Greedy",
    "Identity",
    "Matcher",
    "TopKGreedy",
    "affinity",
    "dual_bound",
    "engine",
    "row_column_bounds",
    "undecided",
    "warm_up",
]


class Matcher(Protocol):
    """What all matchers are: a callable on B pairs of token sets. Any function of this signature serves, too."""

    def __call__(self, x: Any, y: Any, /) -> Assignment:
        """Return the assignment of x (B, S, D) and y (B, T, D): min(S, T) pairs of tokens each."""
        ...
