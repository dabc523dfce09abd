"""Work shared among threads: interruptions and errors reach the caller."""

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
