"""Memo and cached_property: one computation a key, whoever asks; nothing is left of a failed one, nor of the oldest."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from semrsm_widgets.common.memo import Memo, cached_property

DEADLINE = 10.0


def test_a_value_is_computed_once():
    memo: Memo[str, int] = Memo()
    calls = []
    for _ in range(3):
        assert memo.get("a", lambda report: calls.append(1) or 7) == 7
    assert len(calls) == 1
    assert "a" in memo
    assert "b" not in memo


def test_threads_wait_for_one_computation_and_hear_how_far_it_is():
    memo: Memo[str, str] = Memo()
    begun, go_on, heard = threading.Event(), threading.Event(), threading.Event()

    def compute(report):
        report(1, 4)
        begun.set()
        assert go_on.wait(DEADLINE)
        return "done"

    def never(report):
        pytest.fail("computed twice")

    def hear(done, total):
        assert (done, total) == (1, 4)
        heard.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memo.get, "a", compute)
        assert begun.wait(DEADLINE)
        second = pool.submit(memo.get, "a", never, hear)
        assert heard.wait(DEADLINE)
        assert memo.get("b", lambda report: "another key goes on") == "another key goes on"
        go_on.set()
        assert first.result(DEADLINE) == second.result(DEADLINE) == "done"


def test_a_failed_computation_leaves_nothing_behind():
    memo: Memo[str, int] = Memo()

    def fail(report):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        memo.get("a", fail)
    assert "a" not in memo
    assert memo.get("a", lambda report: 3) == 3


def test_who_waits_may_leave():
    memo: Memo[str, int] = Memo()
    begun, go_on = threading.Event(), threading.Event()

    def compute(report):
        begun.set()
        assert go_on.wait(DEADLINE)
        return 1

    def leave(done, total):
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(memo.get, "a", compute)
        assert begun.wait(DEADLINE)
        with pytest.raises(KeyboardInterrupt):
            memo.get("a", compute, leave)
        go_on.set()
        assert first.result(DEADLINE) == 1


def test_the_one_asked_for_longest_ago_is_forgotten():
    memo: Memo[str, str] = Memo(keep=2)
    memo.put("a", "A")
    memo.put("b", "B")
    assert memo.get("a", lambda report: "new") == "A"
    memo.put("c", "C")
    assert [key in memo for key in "abc"] == [True, False, True]
    assert memo.get("b", lambda report: "computed anew") == "computed anew"


def test_progress_that_cannot_be_called_is_refused():
    memo: Memo[str, int] = Memo()
    with pytest.raises(TypeError, match="`progress` must be a function"):
        memo.get("a", lambda report: 7, 3)
    assert "a" not in memo


def test_a_property_that_is_kept_waits_for_no_other_instance():
    class Slow:
        calls = 0

        @cached_property
        def value(self) -> int:
            self.calls += 1
            return both.wait(DEADLINE)

    both = threading.Barrier(2)
    instances = Slow(), Slow()
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda each: each.value, instances)) == [0, 1]
    assert sorted(each.value for each in instances) == [0, 1]
    assert [each.calls for each in instances] == [1, 1]
