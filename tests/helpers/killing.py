"""What writes, killed or interrupted at random moments: `python tests/helpers/killing.py --times 100`.

Each trial is a forked child of a process that has imported everything, so that a moment falls into the work and not
into imports. That process and its children compute on one thread: OpenMP's threads do not survive a fork, and a child
waits for them for ever. After SIGKILL another child looks at what is there; after SIGINT the interrupted process
itself goes on.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import os
import random
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import matplotlib.backends.backend_agg
import matplotlib.backends.backend_pdf
import matplotlib.backends.backend_svg  # noqa: F401 (imported before a child is interrupted)
import torch
import zarr.codecs  # noqa: F401

from helpers.killed import WORKS, Work

DONE, INTERRUPTED, FELL = 0, 130, 1
"""How a child ends."""
PATIENCE = 120.0
"""Seconds after which a child hangs."""


def _child(action: Callable[[], int]) -> int:
    """Return the process id of a forked child that ends with what `action` returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the child is ready to hear it
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        return child
    status = FELL
    faulthandler.dump_traceback_later(PATIENCE - 5)  # of one that hangs, where
    try:
        status = action()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _ended(child: int) -> int:
    """Return how a child ended; one that hangs is killed, and counts as fallen."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("a child hung", file=sys.stderr)
    return FELL


def _arm(number: signal.Signals, after: float) -> None:
    """Have the kernel send this process a signal after so many seconds: SIGKILL, too, which Python's timers cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    event, timer = (ctypes.c_int * 16)(0, 0, number), ctypes.c_void_p()  # a sigevent: SIGEV_SIGNAL is 0
    spec = (ctypes.c_long * 4)(0, 0, int(after), max(1, int(after % 1 * 1e9)))  # an itimerspec: once
    if libc.timer_create(time.CLOCK_MONOTONIC, event, ctypes.byref(timer)) or libc.timer_settime(timer, 0, spec, None):
        raise OSError(ctypes.get_errno(), "no timer")


def _killed(work: Work, folder: Path, after: float) -> int:
    _arm(signal.SIGKILL, after)
    work.run(folder)
    return DONE


def _interrupted(work: Work, folder: Path, after: float) -> int:
    """Interrupt the work, and go on in the same process: model and store must be as they were."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = DONE
    try:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            _arm(signal.SIGINT, after)
            work.run(folder)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        status = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work.check(folder)
    if status == INTERRUPTED:
        work.run(folder)
        work.check(folder)
    return status


def _checked(work: Work, folder: Path) -> int:
    work.check(folder)
    return DONE


def _trial(work: Work, number: signal.Signals, after: float) -> tuple[bool, bool]:
    """Run the work once and send it a signal; return whether all is well, and whether the signal met it at work."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        work.begin(folder)
        run = _killed if number == signal.SIGKILL else _interrupted
        status = _ended(_child(lambda: run(work, folder, after)))
        met = status in (INTERRUPTED, -signal.SIGKILL)
        good = met or status == DONE
        if good and number == signal.SIGKILL:
            good = _ended(_child(lambda: _checked(work, folder))) == DONE
        if not good:
            print(f"fell: {number.name} after {after:.4f} s", file=sys.stderr)
        return good, met


def _seconds(work: Work) -> float:
    """Return how long the work takes in a child."""
    found = []
    for _ in range(3):
        with TemporaryDirectory() as name:
            folder = Path(name)
            work.begin(folder)

            def timed(folder: Path = folder) -> int:
                began = time.monotonic()
                work.run(folder)
                (folder / "seconds").write_text(f"{time.monotonic() - began}")
                return DONE

            assert _ended(_child(timed)) == DONE
            found.append(float((folder / "seconds").read_text()))
    return sorted(found)[1]


def survived(name: str, number: signal.Signals, times: int, seed: int = 0) -> tuple[int, int]:
    """Return of so many trials at random moments how many survived, and how many were met at work.

    Args:
        name: of the work.
        number: SIGKILL or SIGINT.
        times: trials.
        seed: of the moments.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what is forked has threads of torch that do nothing
        work = WORKS[name]()
        seconds = _seconds(work)
        moments = random.Random(f"{seed} {name} {number}")
        results = [_trial(work, number, moments.uniform(0, 1.1 * seconds)) for _ in range(times)]
    return sum(good for good, _ in results), sum(met for _, met in results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", default=list(WORKS))
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    os.environ["SEMRSM_PROGRESS"] = "0"
    torch.set_num_threads(1)
    from semrsm_widgets.matching import warm_up

    warm_up()
    for each in given.works:
        for sent in (signal.SIGKILL, signal.SIGINT):
            begun = time.monotonic()
            good, met = survived(each, sent, given.times, given.seed)
            took = time.monotonic() - begun
            print(
                f"{each:20} {sent.name} tried {given.times} met {met} fell {given.times - good} {took:.0f} s",
                flush=True,
            )
