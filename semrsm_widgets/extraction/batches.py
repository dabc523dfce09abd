"""Batches of model inputs, decoded and transformed by threads while the model works on the batch before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from semrsm_widgets.common import message
from semrsm_widgets.models import prepare

if TYPE_CHECKING:
    from semrsm_widgets.images import Images
    from semrsm_widgets.models import Transform

MOST_THREADS = 8  # decoding releases the interpreter's lock; beyond this the disk or the lock is the limit
AHEAD = 2  # batches that wait decoded: what is held in memory besides the one being computed


def default_workers() -> int:
    """Return the number of decoding threads: one for each processor, up to MOST_THREADS."""
    return min(os.cpu_count() or 1, MOST_THREADS)


def in_order(count: int, batch_size: int) -> list[range]:
    """Return which of N images each batch is of, as they follow each other."""
    return [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


def batches(
    transform: Transform,
    images: Images,
    first: Tensor,
    batch_size: int,
    workers: int,
    wanted: Sequence[Sequence[int]] | None = None,
) -> Generator[tuple[Sequence[int], Tensor], None, None]:
    """Yield (images, their batch (B, C, H, W)) in order, whatever the threads finish first.

    Args:
        transform: from a picture to a tensor; called by several threads at once unless `workers` is 0.
        images: N images.
        first: the input of image 0, made already.
        batch_size: B; the last batch may be smaller.
        workers: threads; 0 decodes in the caller's thread.
        wanted: which images each batch is of; None: all, as they follow each other.

    Raises:
        ValueError: inputs differ in size; both images are named.
        OSError: an image cannot be read.
    """
    groups = in_order(len(images), batch_size) if wanted is None else wanted
    order = [i for group in groups for i in group]

    def make(i: int) -> Tensor:
        return first if i == 0 else prepare(transform, images.image(i))[0]

    if workers == 0:
        yield from _gathered(map(make, order), images, first, groups)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="semrsm-decode")
    try:
        yield from _gathered(_ahead(pool, make, order, AHEAD * batch_size), images, first, groups)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, make: Callable[[int], Tensor], order: Sequence[int], ahead: int
) -> Iterator[Tensor]:
    """Yield make(i) for each i, in order, with at most `ahead` of them made or being made."""
    waiting: deque[Future[Tensor]] = deque()
    for k in range(len(order)):
        while len(waiting) < ahead and k + len(waiting) < len(order):
            waiting.append(pool.submit(make, order[k + len(waiting)]))
        yield waiting.popleft().result()


def _gathered(
    inputs: Iterator[Tensor], images: Images, first: Tensor, groups: Iterable[Sequence[int]]
) -> Iterator[tuple[Sequence[int], Tensor]]:
    for group in groups:
        batch = list(islice(inputs, len(group)))
        for i, pixels in zip(group, batch, strict=True):
            if pixels.shape != first.shape:
                got = f"{tuple(first.shape)} for {images.ids[0]!r} and {tuple(pixels.shape)} for {images.ids[i]!r}"
                todo = "Add a centre crop to the transform."
                raise ValueError(message("model.transform", "a transform to one size for all images", got, todo))
        yield group, torch.stack(batch)
