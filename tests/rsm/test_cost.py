"""What an RSM will cost."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.matchers import CERTIFIED, names, tokens

from semrsm_widgets.rsm.cost import estimate


@pytest.mark.parametrize("row", CERTIFIED, ids=names(CERTIFIED))
def test_estimate_foretells_pairs_and_memory(row):
    found = estimate(tokens(0, 20, 300), row.matcher)
    assert found.pairs == 190
    assert 300 * 300 * 4 < found.memory < 2**30
    assert 0 < found.seconds < np.inf
    assert estimate(tokens(0, 1), row.matcher).pairs == 0


PEAK = """
import ctypes, resource, sys, torch
import semrsm_widgets as srsm

def peak():
    try:  # on Linux the usage begins with that of the process that started this one
        with open("/proc/self/status") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:  # kilobytes, on a Mac bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

matcher = srsm.Auction(threads={threads})
matcher.prepare({s})  # libraries, compiled code and threads are not counted
srsm.matched_gram(torch.rand(2, 30, {d}), matcher=matcher)
tokens = torch.empty({n}, {s}, {d}, dtype=torch.{dtype}).uniform_(-1, 1)
try:  # else what compiling took and gave back would hide what is taken now
    ctypes.CDLL(None).malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")
except (OSError, AttributeError):
    pass
before = peak()
srsm.matched_gram(tokens, matcher=matcher)
print(peak() - before, srsm.estimate(tokens, matcher).memory, tokens.numel())
"""


@pytest.mark.parametrize(
    ("n", "s", "d", "dtype", "threads"),
    [
        (1500, 9, 16, "float32", 1),
        (600, 25, 768, "float32", 1),
        (600, 25, 768, "float16", 1),
        (60, 196, 768, "bfloat16", 2),
        (300, 36, 2048, "float16", 1),  # more than is made ready at once
        (8, 3136, 64, "float32", 2),
    ],
)
def test_matching_takes_the_memory_that_was_estimated(n, s, d, dtype, threads):
    script = PEAK.format(n=n, s=s, d=d, dtype=dtype, threads=threads)
    for _ in range(3):  # what the system adds now and then, or had free already, is not the matching's
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        used, estimated, numbers = map(int, done.stdout.split())
        if 0.8 * estimated < used < 1.2 * estimated:
            break
    assert 0.8 * estimated < used < 1.2 * estimated
    if dtype != "float32" and d == 2048:
        assert used < 4 * numbers  # no copy of everything in a wider type
