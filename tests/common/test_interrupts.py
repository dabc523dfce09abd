"""Ctrl-C that compiled code swallows."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from semrsm_widgets.common import interrupts_heard
from semrsm_widgets.common.interrupts import Presses

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def swallowed():
    with suppress(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@posix
@pytest.mark.parametrize("after", [lambda: None, lambda: int("x")], ids=["goes on", "an error of its own"])
def test_whatever_becomes_of_ctrl_c_it_is_one(after):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts_heard():  # noqa: PT012 (it is all within)
        swallowed()
        after()
    assert signal.getsignal(signal.SIGINT) is before


@posix
def test_ctrl_c_is_raised_at_once():
    went_on = False
    with pytest.raises(KeyboardInterrupt), interrupts_heard():  # noqa: PT012 (it is all within)
        os.kill(os.getpid(), signal.SIGINT)
        went_on = True
    assert not went_on


def test_without_ctrl_c_errors_are_what_they_were():
    with pytest.raises(ValueError, match="invalid literal"), interrupts_heard():
        int("x")


@posix
def test_a_handler_that_raises_nothing_and_other_threads_are_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with interrupts_heard():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]
    done = []

    def work():
        with interrupts_heard():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [before]


def pressed():
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@posix
def test_a_press_is_seen_once_and_handed_on_to_whoever_looked_before():
    theirs = os.pipe()
    os.set_blocking(theirs[1], False)
    before = signal.set_wakeup_fd(theirs[1])
    try:
        presses = Presses()
        pressed()
        assert not presses.seen()
        presses.begin()
        assert not presses.seen()
        pressed()
        assert [presses.seen(), presses.seen()] == [True, False]
        pressed()
        presses.end()
        assert not presses.seen()
        assert os.read(theirs[0], 100) == bytes([signal.SIGINT]) * 3
        assert signal.set_wakeup_fd(-1) == theirs[1]
    finally:
        signal.set_wakeup_fd(before)
        for end in theirs:
            os.close(end)


@posix
def test_what_came_later_stays_and_only_the_main_thread_looks():
    presses = Presses()
    thread = threading.Thread(target=presses.begin)
    thread.start()
    thread.join()
    assert signal.set_wakeup_fd(-1) == -1
    presses.begin()
    later = os.pipe()
    os.set_blocking(later[1], False)
    signal.set_wakeup_fd(later[1])
    presses.end()
    assert signal.set_wakeup_fd(-1) == later[1]
    for end in later:
        os.close(end)
