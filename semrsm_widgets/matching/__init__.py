"""Matching: pairing the tokens of two images one to one so that the sum of their inner products is largest.

A matcher is an immutable value that is called with token sets x (B, S, D) and y (B, T, D) and answers with an
`Assignment`. Not to be confused with methods that permute *neurons across models*: here *positions across images* are
permuted.
"""

from .approximate import BatchOptimal, Greedy, TopKGreedy
from .assignment import Assignment, Fallbacks, affinity, dual_bound
from .auction import Auction
from .block_plan import block_shape
from .blocks import match_job, product_rounding
from .bounds import undecided
from .exact import Exact, Identity
from .matcher import AffinityMatcher, Matcher, PairJob, Products, SetMatcher, check_answer, check_matcher
from .solvers.engine import Engine, engine, warm_up
from .token_set import TokenSet, as_tensor, check_comparable
from .trace import (
    MOST_BIDS,
    MOST_TOKENS,
    AuctionTrace,
    Step,
    auction_plan,
    auction_trace,
    check_order,
    check_plan,
    read_square,
)

__all__ = [
    "MOST_BIDS",
    "MOST_TOKENS",
    "AffinityMatcher",
    "Assignment",
    "Auction",
    "AuctionTrace",
    "BatchOptimal",
    "Engine",
    "Exact",
    "Fallbacks",
    "Greedy",
    "Identity",
    "Matcher",
    "PairJob",
    "Products",
    "SetMatcher",
    "Step",
    "TokenSet",
    "TopKGreedy",
    "affinity",
    "as_tensor",
    "auction_plan",
    "auction_trace",
    "block_shape",
    "check_answer",
    "check_comparable",
    "check_matcher",
    "check_order",
    "check_plan",
    "dual_bound",
    "engine",
    "match_job",
    "product_rounding",
    "read_square",
    "undecided",
    "warm_up",
]
