"""The worker thread of a view: newest wins, cancel, errors, progress. Waits have deadlines, never fixed lengths."""

from __future__ import annotations

import threading
from itertools import count
from types import SimpleNamespace

import pytest
from helpers.views import DEADLINE, have_ended, worker_threads

from semrsm_widgets.views.base import worker
from semrsm_widgets.views.base.worker import CancelledError, Job, Worker


class Log:
    """What a worker reported."""

    def __init__(self):
        self.reports, self.outcomes, self.errors = [], [], []
        self.worker = Worker(
            report=lambda text, fraction: self.reports.append((text, fraction)),
            done=self.outcomes.append,
            failed=self.errors.append,
        )


@pytest.fixture
def log():
    log = Log()
    yield log
    log.worker.close()


def test_runs_a_job_and_says_that_it_is_done(log):
    results = []
    log.worker.submit(lambda job: results.append(threading.current_thread().name))
    assert log.worker.wait(DEADLINE)
    assert results == ["semrsm-worker"]
    assert log.outcomes == [True]


def test_the_newest_of_many_wins_and_those_that_wait_are_never_started(log):
    started = []
    for number in range(7):
        log.worker.submit(lambda job, number=number: started.append(number), debounce=3600.0)
    log.worker.submit(lambda job: started.append(7))
    assert log.worker.wait(DEADLINE)
    assert started == [7]
    assert log.outcomes == [True]


def test_a_newer_job_stops_the_running_one(log):
    running, results = threading.Event(), []

    def endless(job):
        running.set()
        while True:
            job.step("endless")

    log.worker.submit(endless)
    assert running.wait(DEADLINE)
    log.worker.submit(lambda job: results.append("second"))
    assert log.worker.wait(DEADLINE)
    assert results == ["second"]
    assert log.outcomes == [True]  # the first is superseded in silence


def test_cancel_is_said(log):
    running = threading.Event()

    def endless(job):
        running.set()
        job.wait(threading.Event())  # an event that never comes

    log.worker.submit(endless)
    assert running.wait(DEADLINE)
    log.worker.cancel()
    assert log.worker.wait(DEADLINE)
    assert log.outcomes == [False]
    assert not log.errors


def test_an_error_is_handed_on_and_the_thread_lives(log):
    def fail(job):
        raise KeyError("layer")

    log.worker.submit(fail)
    assert log.worker.wait(DEADLINE)
    assert [type(error) for error in log.errors] == [KeyError]
    log.worker.submit(lambda job: None)
    assert log.worker.wait(DEADLINE)
    assert log.outcomes == [True]


def test_close_ends_the_thread(log):
    before = worker_threads()
    log.worker.submit(lambda job: None)
    assert log.worker.wait(DEADLINE)
    log.worker.close()
    assert have_ended(worker_threads() - before)
    log.worker.submit(lambda job: log.outcomes.append("late"))
    assert "late" not in log.outcomes


def test_progress_is_reported_seldom_but_a_new_text_at_once(monkeypatch):
    clock = count(0.0, 0.001)  # a step takes a millisecond
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    reports = []
    job = Job(lambda text, fraction: reports.append((text, fraction)))
    for k in range(10_000):
        job.step("matching", k / 10_000)
    job.step("done", 1.0)
    assert reports[0] == ("matching", 0.0)
    assert reports[-1] == ("done", 1.0)
    assert len(reports) == pytest.approx(10 * worker.REPORTS_PER_SECOND, abs=10)


def test_step_raises_once_cancelled():
    job = Job(lambda text, fraction: None)
    job.cancel()
    with pytest.raises(CancelledError):
        job.step("anything")
