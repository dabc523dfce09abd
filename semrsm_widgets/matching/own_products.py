"""Pairs whose products are made by the thread that matches them: no thread waits for another, and the cache is warm.

Whatever interrupts the calling thread sets the cancel flag, as in `blocks.py`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .affinities import Affinities, padded
from .assignment import NO_FALLBACKS, Assignment, Fallbacks
from .block_plan import OWN_BLOCK_BYTES, check_memory, index_blocks, is_prepared, own_blocks
from .matcher import AffinityMatcher, PairJob, Products
from .threads import BRIEF, Pool
from .token_set import TokenSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .products import Multiplication
    from .solvers.multiplier import Multiplier

_SECONDS_PER_ENTRY = 3e-9
"""Of an affinity: what matching takes, roughly."""
_SECONDS_PER_FLOP = 2.5e-11
"""A multiply-add."""


def match_pairs(
    matcher: AffinityMatcher, left: TokenSet, right: TokenSet, maker: Multiplier, made: Multiplication
) -> Assignment:
    """Return the assignment of B pairs of token sets of S <= T tokens."""
    count, size = len(left), left.size
    sizes = (size, right.size, left.channels)
    step = max(2, OWN_BLOCK_BYTES // (4 * size * padded(sizes[1])))
    seconds = _seconds(*sizes)
    if count * seconds < BRIEF and count <= step and left.numbers is not None and right.numbers is not None:
        flat, starts, stride = maker.of_pairs(left.numbers, right.numbers, sizes, count, made.chunk)
        affinities = Affinities(flat, starts, stride, size, sizes[1], made.rounding)
        return matcher.solve_pairs(affinities, np.sqrt(left.sq_norms * right.sq_norms), Pool.here())
    norms = _scaled_norms(left) * _scaled_norms(right)
    parts: dict[int, Assignment] = {}

    def solve(part: slice) -> None:
        for first in range(part.start, part.stop, step):
            here = slice(first, min(first + step, part.stop))
            x, y = (_numbers(side, here) for side in (left, right))
            flat, starts, stride = maker.of_pairs(x, y, sizes, here.stop - here.start, made.chunk)
            affinities = Affinities(flat, starts, stride, left.size, right.size, made.rounding)
            parts[first] = matcher.solve_pairs(affinities, norms[here], pool.alone())
            if pool.cancel[0]:
                return

    with Pool(1 if count * seconds < BRIEF else matcher.workers) as pool:
        pool.run(solve, count, seconds)
    if len(parts) == 1:
        answer = parts[0]
    else:
        found = [parts[first] for first in sorted(parts)]
        answer = Assignment(
            np.concatenate([np.zeros((0, left.size), np.int64), *(part.permutation for part in found)]),
            np.concatenate([np.zeros(0), *(part.value for part in found)]),
            np.concatenate([np.zeros(0), *(part.upper_bound for part in found)]),
            sum((part.fallbacks for part in found), Fallbacks()),
        )
    exponents = left.exponents + right.exponents
    if not exponents.any():
        return answer
    value, upper_bound = np.ldexp(answer.value, exponents), np.ldexp(answer.upper_bound, exponents)
    return Assignment(answer.permutation, value, upper_bound, answer.fallbacks)


def match_all(matcher: AffinityMatcher, job: PairJob, maker: Multiplier, made: Multiplication) -> Products:
    """Return the products of all pairs of a job, of S <= T tokens, one block of pairs after another on each thread."""
    x, y = job.x, job.y
    tall, wide, threads, need = own_blocks(matcher, job)
    check_memory(need, job)
    depth, columns = x.channels, y.size
    ready = _numbers(x, slice(0, len(x))) if is_prepared(x, torch.float32, job) else None
    lefts, packed = _left(x, ready), _Packed(y, job, maker, ready if y is x else None)
    x_norms, y_norms = _scaled_norms(x), _scaled_norms(y)
    products, upper_bound = np.zeros((len(x), len(y))), np.zeros((len(x), len(y)))
    blocks = list(index_blocks(len(x), len(y), tall, wide, job.symmetric))
    done, fallbacks = np.zeros(len(blocks), np.int64), [Fallbacks()]
    own = threading.local()
    tail = padded(columns)
    room = tall * x.size * padded(wide * columns + maker.panel) + tail

    def solve(part: slice) -> None:
        # What is done for each block is written for few calls: after a block's products nothing else is in the cache.
        if not hasattr(own, "room"):
            own.room, own.pool = np.empty(room, np.float32), pool.alone()
            own.images, own.starts = np.empty((2, tall * wide), np.int64), np.empty(tall * wide, np.int64)
            own.norms = np.empty(tall * wide)
        for number in range(part.start, part.stop):
            if pool.cancel[0]:
                return
            block = blocks[number]
            top, bottom, first, end = block
            numbers, token = packed(first, end)
            stride, offset = maker.of_block(
                lefts(top, bottom), numbers, token, (end - first) * columns, depth, made.chunk, own.room, pool.cancel
            )
            if pool.cancel[0]:  # a part of them is not there, and none is wanted
                return
            count, size = maker.places(
                block, job.symmetric, x.size, columns, stride, offset, tail, x_norms, y_norms, own.images, own.starts,
                own.norms, own.room,
            )  # fmt: skip
            affinities = Affinities(own.room[:size], own.starts[:count], stride, x.size, columns, made.rounding)
            answer = matcher.solve_pairs(affinities, own.norms[:count], own.pool)
            i, j = own.images[:, :count]
            products[i, j], upper_bound[i, j] = answer.value, answer.upper_bound
            if answer.fallbacks is not NO_FALLBACKS:
                fallbacks.append(answer.fallbacks)
            done[number] = count

    each = _seconds(x.size, y.size, depth) * job.pairs / max(1, len(blocks))
    with Pool(threads, lambda _: job.tick(int(done.sum()))) as pool:
        pool.run(solve, len(blocks), each)
    job.tick(job.pairs)
    exponents = np.add.outer(x.exponents, y.exponents)
    if exponents.any():
        products, upper_bound = np.ldexp(products, exponents), np.ldexp(upper_bound, exponents)
    return Products(products, upper_bound, sum(fallbacks, Fallbacks()))


class _Packed:
    """The packed tokens of consecutive images: all at once if memory allows, else those that are asked for."""

    def __init__(
        self, tokens: TokenSet, job: PairJob, maker: Multiplier, ready: NDArray[np.float32] | None = None
    ) -> None:
        self.tokens, self.maker, self.depth = tokens, maker, tokens.channels
        self.all = None
        if ready is not None:
            self.all = maker.packed(ready, self.depth)
        elif is_prepared(tokens, torch.float32, job):
            self.all = self._pack(0, len(tokens))

    def _pack(self, first: int, end: int) -> NDArray[np.float32]:
        return self.maker.packed(_numbers(self.tokens, slice(first, end)), self.depth)

    def __call__(self, first: int, end: int) -> tuple[NDArray[np.float32], int]:
        """Return packed tokens, and which of them is the first of image `first`."""
        return (self._pack(first, end), 0) if self.all is None else (self.all, first * self.tokens.size)


def _left(tokens: TokenSet, ready: NDArray[np.float32] | None) -> Any:
    """Return a function of (first image, end) that gives their tokens' numbers, which may be ready."""

    def some(first: int, end: int) -> NDArray[np.float32]:
        return _numbers(tokens, slice(first, end))

    if ready is None:
        return some
    each = tokens.size * tokens.channels
    return lambda first, end: ready[first * each : end * each]


def _numbers(tokens: TokenSet, images: slice) -> NDArray[np.float32]:
    """Return the numbers of some images as they are multiplied, in one flat array."""
    if tokens.numbers is not None:
        each = tokens.size * tokens.channels
        return tokens.numbers[images.start * each : images.stop * each]
    numbers: NDArray[np.float32] = tokens.block(images, torch.float32, tokens.size).numpy().reshape(-1)
    return numbers


def _scaled_norms(tokens: TokenSet) -> NDArray[np.float64]:
    """Return the Frobenius norms of the images as they are multiplied."""
    norms: NDArray[np.float64] = np.ldexp(np.sqrt(tokens.sq_norms), -tokens.exponents)
    return norms


def _seconds(rows: int, columns: int, depth: int) -> float:
    """Return what a pair takes, roughly."""
    return rows * columns * (_SECONDS_PER_ENTRY + depth * _SECONDS_PER_FLOP)
