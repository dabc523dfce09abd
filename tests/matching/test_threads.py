"""Work shared among threads: interruptions and errors reach the caller."""

import os
import subprocess
import sys
import threading

import pytest

from semrsm_widgets.matching.threads import Pool


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_interrupts_the_watch_reaches_the_kernels_and_the_caller(interruption):
    seen = []

    def endless(part):
        while not pool.cancel[0]:
            pass
        seen.append(part)

    def interrupt(done):
        raise interruption

    with pytest.raises(interruption), Pool(2, interrupt) as pool:
        pool.run(endless, 2, 1.0)
    assert len(seen) == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("semrsm-match")]


@pytest.mark.parametrize("seconds", [1e-6, 1.0])  # on the calling thread, and on others
def test_an_error_in_a_thread_is_the_callers_error(seconds):
    with pytest.raises(ZeroDivisionError), Pool(2) as pool:
        pool.run(lambda part: 1 // 0, 5, seconds)


FORK = """
import os, threading, time
import numpy as np, torch
import semrsm_widgets as srsm

torch.set_num_threads(2)
x = np.random.default_rng(0).normal(size=(8, 100, 16)).astype("f4")
finest = srsm.Auction(gap=1e-7)  # torch multiplies for it, by threads of its own
wide = np.random.default_rng(0).normal(size=(4, 100, 500))
stop = []

def work():
    while not stop:
        srsm.matched_gram(x)
        srsm.matched_gram(wide, matcher=finest)

srsm.matched_gram(x)
srsm.matched_gram(wide, matcher=finest)
thread = threading.Thread(target=work)
thread.start()
time.sleep(0.2)
ended = 0
for _ in range(5):
    child = os.fork()
    if child == 0:
        srsm.matched_gram(x)
        srsm.matched_gram(wide, matcher=finest)
        os._exit(0)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and os.waitpid(child, os.WNOHANG)[0] == 0:
        time.sleep(0.02)
    if time.monotonic() >= deadline:
        os.kill(child, 9)
        os.waitpid(child, 0)
        break
    ended += 1
stop.append(True)
thread.join()
print(ended)
"""


HELD = """
import os, threading, time
from semrsm_widgets.matching.solvers import engine

inside, go = threading.Event(), threading.Event()

def compile_something():
    with engine._lock:
        inside.set()
        go.wait()

thread = threading.Thread(target=compile_something)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    engine.warm_up()
    os._exit(0)
deadline = time.monotonic() + 60
while (ended := os.waitpid(child, os.WNOHANG)[0] != 0) is False and time.monotonic() < deadline:
    time.sleep(0.02)
if not ended:
    os.kill(child, 9)
go.set()
thread.join()
print(ended)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork there")
def test_a_child_forked_while_another_thread_compiles_does_not_hang():
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    done = subprocess.run(
        [sys.executable, "-c", HELD], capture_output=True, text=True, timeout=150, check=True, env=environment
    )
    assert done.stdout.split() == ["True"], done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork there")
def test_a_child_forked_while_another_thread_computes_does_not_hang():
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=150, check=True, env=environment
    )
    assert done.stdout.split() == ["5"], done.stderr
