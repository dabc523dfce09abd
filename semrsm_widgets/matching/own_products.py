"""Pairs whose products are made by the thread that matches them: no thread waits for another, and the cache is warm.

Whatever interrupts the calling thread sets the cancel flag, as in `blocks.py`.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .affinities import Affinities, padded
from .assignment import NO_FALLBACKS, Assignment, Fallbacks
from .block_plan import OWN_BLOCK_BYTES, check_memory, index_blocks, is_prepared, own_blocks
from .matcher import AffinityMatcher, CompiledMatcher, Limits, PairJob, Products
from .solvers.multiplier import entries_at_once
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
    seconds = seconds_of(*sizes)
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
    work = _Blocks(matcher, job, maker, made, (tall, wide))
    count = len(work.blocks)
    each = seconds_of(x.size, y.size, x.channels) * job.pairs / max(1, count)
    with Pool(threads, lambda _: job.tick(int(work.done.sum()))) as pool:
        pool.run(partial(work.solve, pool), count, each)
    job.tick(job.pairs)
    products, upper_bound = work.products, work.upper_bound
    exponents = np.add.outer(x.exponents, y.exponents)
    if exponents.any():
        products, upper_bound = np.ldexp(products, exponents), np.ldexp(upper_bound, exponents)
    return Products(products, upper_bound, sum(work.fallbacks, Fallbacks()))


class _Bench:
    """What one thread needs for a block: room for products, the block's pairs, and what compiled code answers."""

    def __init__(self, pool: Pool, pairs: int, rows: int, room: int) -> None:
        self.pool, self.room = pool.alone(), np.empty(room, np.float32)
        self.images, self.permutation = np.empty((2, pairs), np.int64), np.empty((pairs, rows), np.int64)
        self.starts, self.status, self.bids = np.empty((3, pairs), np.int64)
        self.norms, self.value, self.bound = np.empty((3, pairs))
        self.shape = np.empty(3, np.int64)


class _Blocks:
    """All blocks of a job, and what is known of their pairs so far.

    Where tokens are ready at once and the matcher allows, compiled code goes through the blocks by itself.
    """

    def __init__(
        self, matcher: AffinityMatcher, job: PairJob, maker: Multiplier, made: Multiplication, shape: tuple[int, int]
    ) -> None:
        """Cut the job into blocks of `shape` images of x and y."""
        x, y = job.x, job.y
        self.matcher, self.job, self.maker, self.made = matcher, job, maker, made
        self.blocks = list(index_blocks(len(x), len(y), *shape, job.symmetric))
        self._most_pairs = shape[0] * shape[1]
        self._room = shape[0] * x.size * padded(shape[1] * y.size + maker.panel) + padded(y.size)
        self.rows, self.columns, self.depth = x.size, y.size, x.channels
        self.ready = _numbers(x, slice(0, len(x))) if is_prepared(x, torch.float32, job) else None
        self.lefts = _left(x, self.ready)
        self.packed = _Packed(y, job, maker, self.ready if y is x else None)
        self.x_norms, self.y_norms = _scaled_norms(x), _scaled_norms(y)
        self.products, self.upper_bound = np.zeros((len(x), len(y))), np.zeros((len(x), len(y)))
        self.cuts = np.array(self.blocks, np.int64).reshape(-1, 4)
        self.done = np.zeros(len(self.blocks), np.int64)
        self.fallbacks = [Fallbacks()]
        self._own = threading.local()

    def solve(self, pool: Pool, part: slice) -> None:
        """Match the pairs of consecutive blocks on this thread."""
        bench = self._bench(pool)
        if isinstance(self.matcher, CompiledMatcher) and self.ready is not None and self.packed.all is not None:
            limits = self.matcher.limits(self.columns, self.made.rounding)
            if limits is not None:
                self._solve_compiled(self.matcher, limits, bench, part, (self.ready, self.packed.all))
                return
        for number in range(part.start, part.stop):
            if pool.cancel[0]:
                return
            self._solve_block(number, bench)

    def _solve_block(self, number: int, bench: _Bench) -> None:
        """Match the pairs of a block; written for few calls: after its products nothing else is in the cache."""
        block = self.blocks[number]
        top, bottom, first, end = block
        numbers, token = self.packed(first, end)
        columns, maker = self.columns, self.maker
        stride, offset = maker.of_block(
            self.lefts(top, bottom), numbers, token, (end - first) * columns, self.depth, self.made.chunk, bench.room,
            bench.pool.cancel,
        )  # fmt: skip
        if bench.pool.cancel[0]:  # a part of them is not there, and none is wanted
            return
        count, size = maker.places(
            block, self.job.symmetric, self.rows, columns, stride, offset, padded(columns), self.x_norms, self.y_norms,
            bench.images, bench.starts, bench.norms, bench.room,
        )  # fmt: skip
        affinities = self._affinities(bench, count, stride, size)
        self._keep(number, bench, self.matcher.solve_pairs(affinities, bench.norms[:count], bench.pool))

    def _solve_compiled(
        self, matcher: CompiledMatcher, limits: Limits, bench: _Bench, part: slice, sets: tuple[Any, Any]
    ) -> None:
        """Have compiled code do all that `_solve_block` does, but for pairs that need a second solver."""
        kernel, gap, bids = limits
        number = part.start
        while True:
            making = kernel.module.making(
                kernel.module.BLOCKS, depth=self.depth, chunk=self.made.chunk, rounding=self.made.rounding,
                blocks=self.cuts, part=(number, part.stop), symmetric=self.job.symmetric,
                entries=entries_at_once(self.depth), norms=(self.x_norms, self.y_norms), images=bench.images,
                answers=(self.products, self.upper_bound, self.done, bench.shape),
            )  # fmt: skip
            number = kernel.match(
                sets, making, bench.room, (bench.starts, bench.norms), (0, self.rows, self.columns), (gap, bids),
                bench.pool.cancel, (bench.permutation, bench.value, bench.bound, bench.status, bench.bids),
            )  # fmt: skip
            if number == part.stop or bench.pool.cancel[0]:
                return
            count, stride, size = bench.shape.tolist()
            found = Assignment(bench.permutation[:count], bench.value[:count], bench.bound[:count])
            affinities = self._affinities(bench, count, stride, size)
            answer = matcher.settle(affinities, bench.norms[:count], bench.pool, found, bench.status[:count])
            self._keep(number, bench, answer)
            number += 1

    def _affinities(self, bench: _Bench, count: int, stride: int, size: int) -> Affinities:
        return Affinities(bench.room[:size], bench.starts[:count], stride, self.rows, self.columns, self.made.rounding)

    def _keep(self, number: int, bench: _Bench, answer: Assignment) -> None:
        i, j = bench.images[:, : len(answer)]
        self.products[i, j], self.upper_bound[i, j] = answer.value, answer.upper_bound
        if answer.fallbacks is not NO_FALLBACKS:
            self.fallbacks.append(answer.fallbacks)
        self.done[number] = len(answer)

    def _bench(self, pool: Pool) -> _Bench:
        """Return this thread's bench."""
        if not hasattr(self._own, "bench"):
            self._own.bench = _Bench(pool, self._most_pairs, self.rows, self._room)
        bench: _Bench = self._own.bench
        return bench


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


def seconds_of(rows: int, columns: int, depth: int) -> float:
    """Return what a pair takes, roughly."""
    return rows * columns * (_SECONDS_PER_ENTRY + depth * _SECONDS_PER_FLOP)
