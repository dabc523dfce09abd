"""A process that Ctrl-C ends: with what status, how soon, and what is written by then."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

BEGIN = """
import atexit, gc, os, signal, sys, threading
import semrsm_widgets.common as common
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

class Cycle:
    def __init__(self):
        self.self = self
    def __del__(self):
        print("looked for cycles", flush=True)

kept = Cycle()
class Asked:
    @property  # some of torch's objects warn, or import, when they are asked what they are
    def __class__(self):
        print("was asked", flush=True)

asked = [Asked()]
held = Cycle()
held.file = open(sys.argv[1], "w")
held.file.write("all of it")
"""
PRESSED = "signal.raise_signal(signal.SIGINT)\n"
# What torch's compiler does at the end: it imports `tabulate`, which makes named tuples.
AT_THE_END = "atexit.register(lambda: __import__('collections').namedtuple('T', 'a'))\n"
NEVER_ENDS = """
def work():
    print("works", flush=True)
    threading.Event().wait()
    print("goes on", flush=True)
common.in_background(work, "semrsm-test")
"""
# The command line: it has answered, and says with which status it ends.
ANSWERED = "common.end_soon(130)\nsys.exit(130)\n"


def ended(tmp_path, *parts):
    """Run a script; return its exit status, the lines that it printed, the last line of its errors, and its file."""
    target = tmp_path / "file.txt"
    script = BEGIN + "".join(parts)
    done = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True, timeout=60)
    said = done.stderr.strip().splitlines()
    return done.returncode, done.stdout.splitlines(), said[-1] if said else "", target.read_text()


@posix
@pytest.mark.parametrize("parts", [(PRESSED,), (AT_THE_END, PRESSED)], ids=["plain", "with torch's compiler"])
def test_after_ctrl_c_the_signal_is_the_status_and_nobody_looks_for_cycles(tmp_path, parts):
    assert ended(tmp_path, *parts) == (-signal.SIGINT, [], "KeyboardInterrupt", "all of it")


@posix
@pytest.mark.parametrize(
    ("last", "status", "said"), [(PRESSED, -signal.SIGINT, "KeyboardInterrupt"), (ANSWERED, 130, "")]
)
def test_what_is_at_work_for_long_ends_with_it_and_files_are_written(tmp_path, last, status, said):
    assert ended(tmp_path, NEVER_ENDS, last) == (status, ["works"], said, "all of it")


def test_a_command_that_was_stopped_has_its_own_status(tmp_path):
    assert ended(tmp_path, ANSWERED) == (130, [], "", "all of it")


@posix
@pytest.mark.parametrize(
    ("last", "status"),
    [
        ("", 0),
        ("raise SystemExit(3)\n", 3),
        (f"try:\n    {PRESSED}except KeyboardInterrupt:\n    pass\n", 0),
        ("sys.ps1 = '>>> '\nsys.last_type = KeyboardInterrupt\n", 0),  # where somebody types it was answered long ago
    ],
    ids=["done", "with a status", "caught", "typed"],
)
def test_any_other_end_is_pythons_own(tmp_path, last, status):
    code, said, _, written = ended(tmp_path, AT_THE_END, last)
    assert (code, said, written) == (status, ["looked for cycles"] * 2, "all of it")
