"""Threads that solve pairs while the calling thread watches."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise

import numpy as np
import torch

TASKS_PER_THREAD = 4
_POLL_SECONDS = 0.1
BRIEF = 0.001  # seconds of work that are not worth a thread
_SLICE = 0.005  # seconds of work on the calling thread between two looks at what interrupts it
_QUICK = 0.05  # seconds of an item after which an interruption may be heard, even if it takes ten times as long


_HOME = os.getpid()


def stay_alone_after_fork() -> None:
    """Have torch use one thread in a forked child: those that it started before are not there, and it waits for them.

    torch's own data loaders do the same. A child that is spawned is not concerned.
    """
    if os.getpid() != _HOME and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


class Pool:
    """Threads that work while the calling thread watches; used as a context."""

    def __init__(self, threads: int, tick: Callable[[int], None] | None = None) -> None:
        stay_alone_after_fork()
        self.threads, self.tick = threads, tick
        self.cancel = np.zeros(1, np.int64)
        self._executor: ThreadPoolExecutor | None = None  # none where all work is brief
        self.is_within = False

    @classmethod
    def here(cls) -> Pool:
        """Return a pool of the calling thread alone, which does all work at once."""
        pool = cls(1)
        pool.is_within = True
        return pool

    def alone(self) -> Pool:
        """Return a pool as `here` does, for work within this one's: it is cancelled with it."""
        pool = Pool.here()
        pool.cancel = self.cancel
        return pool

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def run(self, work: Callable[[slice], None], count: int, seconds: float) -> None:
        """Call `work` on slices that cover range(count); return when all are done, or raise what stopped it.

        Args:
            work: solves the items of a slice; it looks at `cancel` if it may take long.
            count: the number of items.
            seconds: what one item takes, roughly. Brief work, and quick items that one thread would do anyway, are
                done on the calling thread: handing them over would take longer than some of them do.
        """
        if self.is_within:
            work(slice(0, count))
            return
        alone = min(self.threads, count) == 1
        if count * seconds <= BRIEF or (alone and seconds <= _QUICK):
            self._run_here(work, count, max(1, int(_SLICE / seconds)) if count else 1)
        else:
            self._run_on_threads(work, count)

    def _run_here(self, work: Callable[[slice], None], count: int, step: int) -> None:
        ticked = time.monotonic()
        for first in range(0, count, step):  # an interruption is heard between slices
            work(slice(first, min(first + step, count)))
            if self.tick is not None and time.monotonic() > ticked + _POLL_SECONDS:
                self.tick(min(first + step, count))
                ticked = time.monotonic()

    def _run_on_threads(self, work: Callable[[slice], None], count: int) -> None:
        tasks = min(count, self.threads * TASKS_PER_THREAD)
        edges = [count * k // tasks for k in range(tasks + 1)] if tasks else [0]
        parts = [slice(a, b) for a, b in pairwise(edges)]
        executor = self._executor = self._executor or ThreadPoolExecutor(
            self.threads, thread_name_prefix="semrsm-match"
        )
        futures: dict[Future[None], int] = {executor.submit(work, part): part.stop - part.start for part in parts}
        try:
            pending = set(futures)
            while pending:
                _, pending = wait(pending, timeout=_POLL_SECONDS)
                if self.tick is not None:
                    self.tick(count - sum(futures[future] for future in pending))
            for future in futures:
                future.result()
        except BaseException:
            self.cancel[0] = 1
            for future in futures:
                future.cancel()
            wait(futures)
            raise


def default_threads() -> int:
    """Return the cores this process may use, no more than torch was told to use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, torch.get_num_threads()))
