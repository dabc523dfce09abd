"""Ctrl-C that compiled code swallows."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from semrsm_widgets.common import interrupts_heard

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
