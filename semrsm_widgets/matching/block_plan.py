"""How all pairs are cut into blocks, and what a block takes of the memory."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt

import torch

from semrsm_widgets.common import message

from .affinities import padded
from .matcher import AffinityMatcher, PairJob
from .products import Multiplication, multiplication
from .solvers.multiplier import Multiplier, multiplier
from .token_set import TokenSet

BLOCK_BYTES = 2**22  # of affinities at a time: still in the cache when they are matched
# For each of several threads. Torch's threads go on spinning for milliseconds after a product, on the cores that the
# pairs want: with fewer and larger products that costs less than the cache gains.
SHARED_BLOCK_BYTES = 2**26
OWN_BLOCK_BYTES = 2**20
"""Of a thread that makes its own products: they stay in the cache of its core."""
_MOST_SHARED = 4  # threads for which the block grows
_OWN_BLOCKS = 8  # for each thread, at least: so many are dealt out evenly
_PAGE = 4096
_WORKSPACE_BYTES = 448  # for each column, what a solver keeps on each thread: prices, owners, candidate lists
_PREPARED_PART = 16


def works_ahead(device: torch.device) -> bool:
    """Return whether products are made while pairs are matched: not by the CPU, which is busy with the pairs."""
    return device.type != "cpu"


def made_for(matcher: AffinityMatcher, x: TokenSet, y: TokenSet) -> Multiplication:
    """Return how the affinities of x and y are made for a matcher."""
    return multiplication(x.channels, max(x.size, y.size), matcher.dtype, matcher.bearable)


def own_multiplier(matcher: AffinityMatcher, x: TokenSet, y: TokenSet) -> tuple[Multiplier, Multiplication] | None:
    """Return what multiplies on the threads that match, and how; None where torch has to: float64, accelerators."""
    if works_ahead(x.values.device) or matcher.dtype != torch.float32:
        return None
    made = made_for(matcher, x, y)
    found = multiplier() if made.dtype == torch.float32 else None
    return None if found is None else (found, made)


def is_prepared(tokens: TokenSet, dtype: torch.dtype, job: PairJob) -> bool:
    """Return whether a side takes so little of the budget that its tokens are made ready at once."""
    return tokens.values.numel() * dtype.itemsize <= job.memory // _PREPARED_PART


def check_memory(need: int, job: PairJob) -> None:
    """Refuse a job of which one pair does not fit into the budget."""
    if need > job.memory:
        expected = f"at least {need} bytes, for one pair of {job.x.size} x {job.y.size} tokens"
        todo = f"Pass memory={need}, or pool the tokens to a smaller grid: extract(..., max_grid=...)."
        raise ValueError(message("memory", expected, f"{job.memory} bytes", todo))


def block_shape(matcher: AffinityMatcher, job: PairJob) -> tuple[int, int, int]:
    """Return (images of x, images of y) whose affinities are held at once, and the bytes that takes.

    The smaller side gives the rows, as in `match_sets`. The bytes of a single pair may exceed the budget; `match_sets`
    refuses that.
    """
    x, y = (job.x, job.y) if job.x.size <= job.y.size else (job.y, job.x)
    if own_multiplier(matcher, x, y) is not None:
        tall, wide, _, need = own_blocks(matcher, job)
        return tall, wide, need
    rows, width, item = x.size, padded(y.size), matcher.dtype.itemsize
    channels, made = x.channels, made_for(matcher, x, y)
    affinity = rows * width * item * (3 if works_ahead(x.values.device) else 1)
    if made.dtype != matcher.dtype:
        affinity += rows * width * made.dtype.itemsize
    fixed = matcher.workers * width * _WORKSPACE_BYTES + (len(job.x) + len(job.y)) * channels * 8
    each = affinity + 3 * (rows + width) * channels * made.dtype.itemsize  # tokens are cast and scaled on their way
    block = BLOCK_BYTES if matcher.workers == 1 else SHARED_BLOCK_BYTES * min(matcher.workers, _MOST_SHARED)
    wanted = max(block // (rows * width * item), 2 * matcher.workers)
    pairs = max(1, min(wanted, (job.memory - job.memory // 4 - fixed) // each))
    # A symmetric block wastes a triangle of its side, which matters more than the calls it saves once there are many.
    tall, wide = _sides(pairs, len(x), len(y), max(len(x) // 8, min(4, len(x))) if job.symmetric else len(x))
    if wide > 1 and padded(wide * y.size) * item % _PAGE == 0:
        wide -= 1  # rows a multiple of a page apart would share cache sets
    tokens = 3 * (tall * rows + wide * width) * channels * made.dtype.itemsize
    return tall, wide, fixed + tall * wide * affinity + tokens


def own_blocks(matcher: AffinityMatcher, job: PairJob) -> tuple[int, int, int, int]:
    """Return (images of x, images of y) that a thread takes at once, the threads, and the bytes that all take.

    Fewer threads than the matcher would use, where memory does not allow for a pair on each.
    """
    x, y = (job.x, job.y) if job.x.size <= job.y.size else (job.y, job.x)
    rows, width, channels = x.size, padded(y.size), x.channels
    affinity = 4 * rows * width
    common = (len(job.x) + len(job.y)) * channels * 8
    # For each number of a token: those of x are cast, those of y packed, too, all at once or on their way.
    left, right = _cast_bytes(x), (0 if y is x and is_prepared(y, torch.float32, job) else _cast_bytes(y)) + 4
    if is_prepared(x, torch.float32, job):
        common, left = common + left * x.values.numel(), 0
    if is_prepared(y, torch.float32, job):
        common, right = common + right * y.values.numel(), 0
    each = affinity + (left * rows + right * width) * channels
    fixed = width * _WORKSPACE_BYTES
    budget = job.memory - job.memory // 4 - common
    threads = max(1, min(matcher.workers, budget // (fixed + each)))
    wanted = max(2, OWN_BLOCK_BYTES // affinity) if affinity < OWN_BLOCK_BYTES else 1
    if threads > 1:
        wanted = min(wanted, max(2, job.pairs // (_OWN_BLOCKS * threads)))
    pairs = max(1, min(wanted, (budget // threads - fixed) // each))
    # y is packed once, so flat blocks cost nothing, and waste less of the diagonal
    tall, wide = _sides(pairs, len(x), len(y), max(2, len(x) // 32) if job.symmetric else len(x))
    tokens = (left * tall * rows + right * wide * width) * channels
    return tall, wide, threads, common + threads * (fixed + tall * wide * affinity + tokens)


def _cast_bytes(tokens: TokenSet) -> int:
    """Return the bytes for each number of a token until it is float32 at a common scale."""
    if tokens.numbers is not None:
        return 0
    return 12 if tokens.exponents.any() else 4


def _sides(pairs: int, n: int, m: int, most: int) -> tuple[int, int]:
    """Return the rows, no more than n or `most`, and the columns of blocks of so many pairs."""
    tall = max(1, min(n, most, isqrt(max(1, pairs // 2))))
    return tall, max(1, min(m, pairs // tall))


def index_blocks(n: int, m: int, tall: int, wide: int, symmetric: bool) -> Iterator[tuple[int, int, int, int]]:
    """Yield (first row, end, first column, end) of blocks that cover all pairs, or all pairs i < j."""
    for top in range(0, n, tall):
        for left in range(top + 1 if symmetric else 0, m, wide):
            yield top, min(top + tall, n), left, min(left + wide, m)
