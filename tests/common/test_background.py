"""A process that ends waits for its background threads: C++ would end it otherwise."""

import signal
import subprocess
import sys
import threading
import time
from contextvars import ContextVar

import numpy as np
import pytest
import torch

from semrsm_widgets.common import background, in_background, interruptibly, large_heard

# Short operations of torch, each of which lets go of the interpreter's lock and asks for it again.
TORCH = """
import threading, time, torch
from semrsm_widgets.common import in_background

stopped = threading.Event()

def work():
    x, end = torch.rand(30, 30), time.monotonic() + {seconds}
    while time.monotonic() < end and not stopped.is_set():
        x = torch.nn.functional.batch_norm((x @ x.T)[None], x.mean(0), x.var(0))[0]
    print("quiet", flush=True)

in_background(work, "semrsm-test", stop={stop})
time.sleep(0.3)
print("ends", flush=True)
"""


def test_the_end_of_a_process_waits_for_the_work_at_hand() -> None:
    script = TORCH.format(seconds=1.5, stop="None")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["ends", "quiet"], "")


def test_what_can_be_stopped_is_not_waited_for() -> None:
    script = TORCH.format(seconds=60, stop="stopped.set")
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["ends", "quiet"], "")
    assert time.monotonic() - started < 40


def test_ctrl_c_ends_the_waiting() -> None:
    script = "import threading\nfrom semrsm_widgets.common import in_background\n"
    script += "in_background(threading.Event().wait, 'semrsm-test')\nprint('ends', flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ends\n"
    time.sleep(0.5)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - started < background.LAST_SECONDS / 2
    assert (process.returncode, said) == (0, "")


def test_a_thread_that_is_done_is_forgotten() -> None:
    seen = []
    thread = in_background(lambda: seen.append(1), "semrsm-test")
    thread.join(10)
    assert seen == [1]
    assert thread not in background._running


SORTING = """
import threading
from semrsm_widgets.common import interruptibly
released = threading.Event()
def work():
    print("sorts", flush=True)
    while not released.wait(0.01):  # hears no signal: it is not the main thread
        pass
try:
    interruptibly(work, "semrsm-test")
except KeyboardInterrupt:
    print("heard", flush=True)
    released.set()
"""


def test_ctrl_c_is_heard_while_a_library_works() -> None:
    process = subprocess.Popen([sys.executable, "-c", SORTING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "sorts\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "heard\n"
    assert process.wait(timeout=60) == 0


def test_what_the_work_gives_or_raises_comes_back_and_its_context_is_the_callers() -> None:
    place = ContextVar("place", default="nowhere")
    place.set("here")
    assert interruptibly(lambda: (place.get(), threading.current_thread().name), "semrsm-test") == (
        "here",
        "semrsm-test",
    )
    with pytest.raises(ZeroDivisionError):
        interruptibly(lambda: 1 / 0, "semrsm-test")
    names = []
    other = threading.Thread(target=lambda: names.append(interruptibly(lambda: threading.current_thread(), "no")))
    other.start()
    other.join()
    assert names == [other]


def test_only_what_goes_through_large_arrays_has_a_thread_of_its_own() -> None:
    def where(*arrays: object) -> str:
        return large_heard(lambda: threading.current_thread().name, *arrays)

    here = threading.current_thread().name
    side = int(background.LARGE**0.5) + 1
    ragged = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)
    assert where(np.eye(3), "text", None, [[1.0]], ragged) == here
    assert where(np.eye(3), np.broadcast_to(1.0, (side, side))) != here
