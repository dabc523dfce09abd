"""All pairs of two sets of images: one matrix product for a block's affinities, then its pairs over threads.

On the CPU, products run on the calling thread with torch's own threads, and pairs on a pool of threads (the kernels
release the GIL) while the calling thread reports progress. Tokens on an accelerator are multiplied there by a thread
of its own, one block ahead of the pairs. Whatever interrupts the calling thread (a progress callback that raises,
Ctrl-C) sets the cancel flag, which the kernels poll, and is raised again once the pool is quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semrsm_widgets.common import message

from . import block_plan
from .affinities import Affinities, padded
from .assignment import Assignment, Fallbacks
from .block_plan import (
    BLOCK_BYTES,
    SHARED_BLOCK_BYTES,
    block_shape,
    check_memory,
    index_blocks,
    is_prepared,
    made_for,
    own_multiplier,
)
from .matcher import AffinityMatcher, PairJob, Products, SetMatcher, TensorSolver, check_answer
from .own_products import match_all, match_pairs
from .products import multiplication
from .threads import Pool
from .token_set import TokenSet, check_comparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Multiplied = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[Any]"]
"""The images of x and of y of a block, and its products in one flat array."""

_BATCH_BYTES = 2**28
_PRODUCT_FLOPS = 2**33  # multiply-adds of one call: a fraction of a second


def match_job(matcher: Callable[[Any, Any], Assignment], job: PairJob) -> Products:
    """Return the products of all pairs of a job, by the best way that the matcher knows."""
    return matcher.match_sets(job) if isinstance(matcher, SetMatcher) else match_batches(matcher, job)


def match_batch(matcher: AffinityMatcher, x: Any, y: Any, solve: TensorSolver | None = None) -> Assignment:
    """Return the assignment of B pairs of token sets (B, S, D), (B, T, D).

    Affinities are handed to `matcher.solve_pairs`, or to `solve` as a tensor (P, S, T) where the tokens are.
    """
    left, right = TokenSet.read("x", x), TokenSet.read("y", y)
    check_comparable(left, right)
    if len(left) != len(right):
        raise ValueError(message("y", f"{len(left)} token sets, one for each of x", str(len(right))))
    if left.size > right.size:
        return transposed(_match_batch(matcher, right, left, solve), left.size)
    return _match_batch(matcher, left, right, solve)


def transposed(answer: Assignment, size: int) -> Assignment:
    """Return the assignment of (y, x) as that of (x, y), for x of `size` tokens, no fewer than y."""
    permutation = np.full((len(answer), size), -1, np.int64)
    np.put_along_axis(permutation, answer.permutation, np.arange(answer.permutation.shape[1])[None], 1)
    return replace(answer, permutation=permutation)


def _match_batch(matcher: AffinityMatcher, left: TokenSet, right: TokenSet, solve: TensorSolver | None) -> Assignment:
    """Return the assignment of B pairs of token sets of S <= T tokens."""
    own = own_multiplier(matcher, left, right) if solve is None else None
    if own is not None:
        return match_pairs(matcher, left, right, *own)
    width = padded(right.size)
    most = _BATCH_BYTES if solve is not None else BLOCK_BYTES if matcher.workers == 1 else SHARED_BLOCK_BYTES
    step = max(1, most // (left.size * width * matcher.dtype.itemsize))
    made = made_for(matcher, left, right)
    parts = []
    with Pool(matcher.workers) as pool:
        for first in range(0, len(left), step):
            index = slice(first, min(first + step, len(left)))
            count = index.stop - first
            flat = torch.zeros(count * left.size * width + width, dtype=matcher.dtype, device=left.home(made.dtype))
            product = flat[:-width].view(count, left.size, width)[:, :, : right.size]
            right_tokens = right.block(index, made.dtype, right.size)
            made.into(product, left.block(index, made.dtype, left.size), right_tokens.mT)
            if solve is None:
                starts = np.arange(count, dtype=np.int64) * (left.size * width)
                affinities = Affinities(flat.cpu().numpy(), starts, width, left.size, right.size, made.rounding)
                solve_all = partial(matcher.solve_pairs, affinities, pool=pool)
            else:
                solve_all = partial(solve, product, pool=pool, rounding=made.rounding)
            parts.append(_rescaled(solve_all, left, right, index, index))
    if not parts:
        empty = np.zeros(0)
        return Assignment(np.zeros((0, left.size), np.int64), empty, empty.copy())
    return Assignment(
        np.concatenate([part.permutation for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.upper_bound for part in parts]),
        sum((part.fallbacks for part in parts), Fallbacks()),
    )


def match_sets(matcher: AffinityMatcher, job: PairJob) -> Products:
    """Return the products of all pairs of a job, one block of pairs after another."""
    x, y = job.x, job.y
    if x.size > y.size:
        found = match_sets(matcher, replace(job, x=y, y=x))
        return Products(found.products.T, found.upper_bound.T, found.fallbacks)
    own = own_multiplier(matcher, x, y)
    if own is not None:
        return match_all(matcher, job, *own)
    products, upper_bound = np.zeros((len(x), len(y))), np.zeros((len(x), len(y)))
    fallbacks = Fallbacks()
    tall, wide, need = block_shape(matcher, job)
    check_memory(need, job)
    rounding = made_for(matcher, x, y).rounding
    done = 0
    with Pool(matcher.workers, lambda part: job.tick(done + part)) as pool:
        for rows, columns, flat in _multiplied(matcher, job, tall, wide):
            i, j = (side.ravel() for side in np.meshgrid(rows, columns, indexing="ij"))
            stride = padded(len(columns) * y.size)
            starts = ((i - rows[0]) * x.size * stride + (j - columns[0]) * y.size).astype(np.int64)
            wanted = i < j if job.symmetric else np.ones(len(i), bool)
            i, j = i[wanted], j[wanted]
            affinities = Affinities(flat, starts[wanted], stride, x.size, y.size, rounding)
            solve = partial(matcher.solve_pairs, affinities, pool=pool)
            answer = _rescaled(solve, x, y, i, j)
            products[i, j], upper_bound[i, j] = answer.value, answer.upper_bound
            fallbacks += answer.fallbacks
            done += len(i)
            job.tick(done)
    return Products(products, upper_bound, fallbacks)


def _multiplied(matcher: AffinityMatcher, job: PairJob, tall: int, wide: int) -> Iterator[_Multiplied]:
    """Yield the images and the products of one block after another, on the CPU; an accelerator works one ahead."""
    x, y = job.x, job.y
    made = made_for(matcher, x, y)
    device, tail = x.home(made.dtype), padded(y.size)
    lefts = _prepared(x, made.dtype, job)
    rights = lefts if y is x else _prepared(y, made.dtype, job)
    step = max(1, _PRODUCT_FLOPS // (wide * y.size * x.values.shape[2]))
    ahead = block_plan.works_ahead(device)

    def room(images: int, others: int) -> torch.Tensor:
        return torch.zeros(images * x.size * padded(others * y.size) + tail, dtype=matcher.dtype, device=device)

    # where blocks are made ahead, the last one is still being matched and needs its own memory
    buffer = None if ahead else room(tall, wide)

    def multiply(block: tuple[NDArray[np.int64], NDArray[np.int64]]) -> _Multiplied:
        rows, columns = block
        left, right = lefts(rows).flatten(0, 1), rights(columns).flatten(0, 1)
        flat = room(len(rows), len(columns)) if buffer is None else buffer
        # pairs stand side by side without padding, which would be multiplied, too; the row as a whole is padded
        stride = padded(len(right))
        product = flat[: len(left) * stride].view(len(left), stride)[:, : len(right)]
        for first in range(0, len(left), step):  # a key press is heard between products
            made.into(product[first : first + step], left[first : first + step], right.T)
        return rows, columns, flat.cpu().numpy()

    blocks = (
        (np.arange(top, bottom), np.arange(left, right))
        for top, bottom, left, right in index_blocks(len(x), len(y), tall, wide, job.symmetric)
    )
    return _one_ahead(multiply, blocks) if ahead else map(multiply, blocks)


def _one_ahead(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield work(item) for each item, in order; the next is worked on, by another thread, while one is used."""
    with ThreadPoolExecutor(1, thread_name_prefix="semrsm-product") as helper:
        coming = None
        for item in items:
            following = helper.submit(work, item)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def product_rounding(matcher: Any, channels: int, columns: int) -> float:
    """Return how far a matcher's values may be off the true ones of its permutations, in units of ‖X‖‖Y‖.

    Args:
        matcher: any; of one that makes its own products, float32 is assumed.
        channels: D.
        columns: the larger of S and T.
    """
    if isinstance(matcher, AffinityMatcher):
        return multiplication(channels, columns, matcher.dtype, matcher.bearable).rounding
    return multiplication(channels, columns, torch.float32, float("inf")).rounding + channels * 2.0**-24


def _prepared(tokens: TokenSet, dtype: torch.dtype, job: PairJob) -> Callable[[Any], torch.Tensor]:
    """Return a function of consecutive images that gives their scaled tokens, made ready once if memory allows."""
    if not is_prepared(tokens, dtype, job):
        return lambda images: tokens.block(images, dtype, tokens.size)
    ready = tokens.block(np.arange(len(tokens)), dtype, tokens.size)
    return lambda images: ready[images[0] : images[-1] + 1]


def match_batches(matcher: Callable[[Any, Any], Assignment], job: PairJob, batch: int = BLOCK_BYTES) -> Products:
    """Return the products of all pairs by calling any matcher on batches of pairs, of some bytes of affinities."""
    x, y = job.x, job.y
    products, upper_bound = np.zeros((len(x), len(y))), np.zeros((len(x), len(y)))
    fallbacks = Fallbacks()
    i, j = np.triu_indices(len(x), 1) if job.symmetric else (a.ravel() for a in np.indices(products.shape))
    step = max(1, min(batch, job.memory // 2) // (4 * x.size * y.size))
    for first in range(0, len(i), step):
        rows, columns = i[first : first + step], j[first : first + step]
        answer = check_answer(matcher(x.values[rows], y.values[columns]), len(rows), x.size)
        products[rows, columns], upper_bound[rows, columns] = answer.value, answer.upper_bound
        fallbacks += answer.fallbacks
        job.tick(first + len(rows))
    return Products(products, upper_bound, fallbacks)


def _rescaled(
    solve: Callable[[NDArray[np.float64]], Assignment], x: TokenSet, y: TokenSet, i: Any, j: Any
) -> Assignment:
    """Solve pairs of scaled images, given their norms, and bring the values back to the images' own scale."""
    exponents = x.exponents[i] + y.exponents[j]
    norms = np.ldexp(np.sqrt(x.sq_norms[i]), -x.exponents[i]) * np.ldexp(np.sqrt(y.sq_norms[j]), -y.exponents[j])
    answer = solve(norms)
    value, upper_bound = np.ldexp(answer.value, exponents), np.ldexp(answer.upper_bound, exponents)
    return replace(answer, value=value, upper_bound=upper_bound)
