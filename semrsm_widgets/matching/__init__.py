"""Matching: pairing the tokens of two images one to one so that the sum of their inner products is largest.

A matcher is an immutable value that is called with token sets x (B, S, D) and y (B, T, D) and answers with an
`Assignment`. Not to be confused with methods that permute *neurons across models*: here *positions across images* are
permuted.
"""

from .approximate import BatchOptimal, Greedy, TopKGreedy
from .assignment import Assignment, Fallbacks, affinity, dual_bound
from .auction import Auction
from .blocks import block_shape, match_job, product_rounding
from .bounds import undecided
from .exact import Exact, Identity
from .matcher import AffinityMatcher, Matcher, PairJob, SetMatcher, check_answer, check_matcher
from .solvers.engine import Engine, engine, warm_up
from .token_set import TokenSet, as_tensor, check_comparable

__all__ = [
    "AffinityMatcher",
    "Assignment",
    "Auction",
    "BatchOptimal",
    "Engine",
    "Exact",
    "Fallbacks",
    "Greedy",
    "Identity",
    "Matcher",
    "PairJob",
    "SetMatcher",
    "TokenSet",
    "TopKGreedy",
    "affinity",
    "as_tensor",
    "block_shape",
    "check_answer",
    "check_comparable",
    "check_matcher",
    "dual_bound",
    "engine",
    "match_job",
    "product_rounding",
    "undecided",
    "warm_up",
]
