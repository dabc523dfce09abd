"""How all pairs are gone through: one block ahead on an accelerator, within the budget, and interrupted at any time."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from helpers.matchers import tokens

from semrsm_widgets.matching import block_plan, blocks
from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.exact import Exact
from semrsm_widgets.rsm.rsm import matched_gram


@pytest.mark.parametrize("matcher", [Auction(threads=1), Auction(threads=2), Exact()], ids=repr)
@pytest.mark.parametrize("sizes", [(30, 30), (20, 33), (33, 20)])
def test_working_ahead_changes_no_number(matcher, sizes, monkeypatch):
    x, y = (tokens(seed, 9, size, 7).astype(np.float32) for seed, size in enumerate(sizes))
    monkeypatch.setattr(blocks, "own_multiplier", lambda *_: None)  # torch multiplies in either case
    here = matched_gram(x, y, matcher=matcher, memory=200_000)
    monkeypatch.setattr(block_plan, "works_ahead", lambda device: True)
    seen = []
    ahead = matched_gram(x, y, matcher=matcher, memory=200_000, progress=lambda done, total: seen.append(done))
    assert np.array_equal(ahead.products, here.products)
    assert np.array_equal(ahead.upper_bound, here.upper_bound)
    assert len(set(seen)) > 2


def test_the_next_block_is_made_while_one_is_used():
    begun = [threading.Event() for _ in range(5)]

    def work(item):
        begun[item].set()
        return item

    seen = []
    for item in blocks._one_ahead(work, range(5)):
        assert item == 4 or begun[item + 1].wait(10)
        assert item > 2 or not begun[item + 2].is_set()
        seen.append(item)
    assert seen == list(range(5))


def test_an_error_ahead_is_raised_when_its_turn_comes():
    ahead = blocks._one_ahead(lambda item: 1 // item, [1, 0, 1])
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("semrsm-product")]


SCRIPT = """
import json, os, signal, sys, threading
import numpy as np
import semrsm_widgets as srsm

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin deaf to it
threads = int(sys.argv[1])
x = np.abs(np.random.default_rng(0).normal(size=(400, 400, 8))).astype(np.float32)  # 79,800 pairs: minutes
seen = []

def progress(done, total):
    if not done:
        return  # before the first pair
    if not seen:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    seen.append(done)

try:
    srsm.matched_gram(x, matcher=srsm.Auction(gap=1e-5, threads=threads), progress=progress)
    ended = "finished"
except KeyboardInterrupt:
    ended = "interrupted"
left = [thread.name for thread in threading.enumerate() if thread.name.startswith("semrsm")]
again = srsm.cosine(srsm.matched_gram(x[:2, :50]))[0, 1]
print(json.dumps({"ended": ended, "done": seen[-1], "left": left, "again": again}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process can send itself Ctrl-C there")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_in_the_middle_ends_the_work_and_leaves_nothing_behind(threads):
    command = [sys.executable, "-c", SCRIPT, str(threads)]
    output = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    found = json.loads(output)
    assert found["ended"] == "interrupted"
    assert 0 < found["done"] < 79_800
    assert found["left"] == []
    x = np.abs(np.random.default_rng(0).normal(size=(400, 400, 8))).astype(np.float32)[:2, :50]
    assert found["again"] == pytest.approx(matched_gram(x).products[0, 1] / matched_gram(x).norms[0, 1], abs=1e-4)
