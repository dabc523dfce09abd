"""Tokens in a store, a matcher that notes what it matches, and clusters of real processes."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen

import numpy as np
import torch

from semrsm_widgets.matching import Auction, match_job
from semrsm_widgets.storage import TokenStore, open_tokens


def tokens_in(store: Path, values, batch: int = 4, layer: str = "noise", ids=None):
    """Write tokens (N, S, D) into a store as `extract` does, and return them as they are opened from it."""
    values = torch.as_tensor(values)
    target = TokenStore(
        store,
        settings={"noise": "yes"},
        ids=[f"{i}" for i in range(len(values))] if ids is None else ids,
        pictures=np.zeros((len(values), 32), np.uint8),
        batch=batch,
        dtype=values.dtype,
    )
    words = {"layer": layer, "grid": None, "native_grid": None, "note": "", "caution": "", "has_class_token": False}
    with target.written():
        target.add(layer, "", 0, words)
        for start in range(0, len(values), batch):
            here = range(start, min(start + batch, len(values)))
            target.write(here, {layer: (values[here.start : here.stop].contiguous(), None)})
    return open_tokens(store)[layer]


@dataclass(frozen=True)
class Noting:
    """The auction, noting in a file which process matched how many pairs, when it begins and when it is done.

    Attributes:
        log: the file.
        seconds: waited before each job, in the middle of which a process may be killed.
        fails_at: a job of so many pairs raises.
    """

    log: str
    seconds: float = 0.0
    fails_at: int = -1
    dies_at: int = -1

    def __repr__(self) -> str:
        return "Auction(gap=0.0001)"  # the store is to be that of the auction itself

    def __call__(self, x, y):
        return Auction(threads=1)(x, y)

    def match_sets(self, job):
        with open(self.log, "a") as file:
            file.write(f"begun {os.getpid()} {job.pairs}\n")
        time.sleep(self.seconds)
        if job.pairs == self.fails_at:
            raise ArithmeticError("no")
        if job.pairs == self.dies_at:
            os._exit(1)
        found = match_job(Auction(threads=1), job)
        with open(self.log, "a") as file:
            file.write(f"done {os.getpid()} {job.pairs}\n")
        return found


def noted(log: Path, what: str = "begun") -> list[tuple[int, int]]:
    """Return (process, pairs) of the jobs that a matcher noted."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(pid), int(pairs)) for word, pid, pairs in map(str.split, lines) if word == what]


@contextmanager
def cluster(workers: int = 2, **options):
    """Give a client of a cluster of processes, of one thread each.

    They are forked from one that has imported what they need: to import it anew takes each of them some seconds.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.utils import get_mp_context

    given = {"threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0, **options}
    before = dict(os.environ)
    try:
        os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # as Dask sets it, where it comes in time
        with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
            get_mp_context().set_forkserver_preload(["distributed", __name__])
            with LocalCluster(n_workers=workers, **given) as local, Client(local) as client:
                yield client
    finally:  # what Dask sets for its workers stays set here: one BLAS thread, for all processes that begin later
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def scheduler_of_its_own(folder: Path):
    """Give (the process of a scheduler, a client of it) with one worker, each a process started as on a cluster."""
    from distributed import Client

    where = folder / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # they unpickle what this process sends
    commands = (
        ["scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(where)],
        ["worker", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60", "--scheduler-file", str(where)],
    )
    run = (sys.executable, "-m", "dask")
    processes = [Popen([*run, *command], env=environment, stdout=DEVNULL, stderr=DEVNULL) for command in commands]
    try:
        client = Client(scheduler_file=str(where), timeout=120)
        client.wait_for_workers(1, timeout=120)
        try:
            yield processes[0], client
        finally:
            client.close(timeout=1)
    finally:
        for process in processes:
            process.kill()
            process.wait()
