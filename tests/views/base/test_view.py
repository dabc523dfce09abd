"""What every view has: the status line, visible errors, an answer while it works, a picture without a browser."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from helpers.analyses import make_analysis
from helpers.views import DEADLINE, Sent, ask, settled, shown

import semrsm_widgets as srsm
from semrsm_widgets.views.base import view as view_module
from semrsm_widgets.views.base import worker as worker_module
from semrsm_widgets.views.base.view import Status, View, guarded_method, seconds_left


@pytest.fixture
def analysis():
    return make_analysis()


@pytest.fixture
def rsm_view(analysis, opened):
    return opened(srsm.RSMView(analysis))


def test_an_error_in_a_callback_is_shown_too(rsm_view):
    ask(rsm_view, kind="value", i=0, j=99)
    assert rsm_view.status.state == "error"
    assert "from 0 to 7" in rsm_view.status.text


@pytest.mark.parametrize("view_class", [srsm.RSMView, srsm.PairView, srsm.RetrievalView, srsm.AuctionStepper])
def test_an_argument_that_is_none_is_refused_with_the_nearest(analysis, view_class):
    with pytest.raises(TypeError, match=rf"{view_class.__name__}\(\) got .* argument 'layers'. Did you mean 'layer'"):
        view_class(analysis, layers="a")


def test_unknown_messages_are_ignored(rsm_view):
    ask(rsm_view, kind="__init__")
    ask(rsm_view, kind=None)
    assert rsm_view.last_error == ""


def test_a_view_without_a_browser_is_a_picture(analysis, rsm_view, opened):
    for view in (rsm_view, opened(srsm.PairView(analysis))):
        data = shown(view)
        assert data["text/plain"] == repr(view)
        assert data["image/png"].startswith("iVBOR")
        assert "application/vnd.jupyter.widget-view+json" in data
        view.save_images = False
        assert "image/png" not in shown(view)


def test_guarded_methods_never_raise():
    class Broken(View):
        _esm = "export default {}"

        def fail(self, change):
            raise KeyError("nothing there")

    view = Broken()
    guarded_method(view, "fail")(None)
    assert view.status.state == "error"
    assert "nothing there" in view.last_error
    view.close()


@pytest.mark.parametrize("view_class", [srsm.RSMView, srsm.PairView])
def test_a_view_answers_a_ping_while_its_worker_is_busy(analysis, view_class):
    view = view_class(analysis)
    assert view.wait(DEADLINE)
    started, go_on = threading.Event(), threading.Event()
    view.run(lambda job: (started.set(), go_on.wait(DEADLINE)))
    assert started.wait(DEADLINE)
    sent = Sent(view)
    ask(view, kind="ping")
    assert list(sent) == [({"kind": "pong"}, [])]
    assert view.worker.busy
    go_on.set()
    view.close()


@pytest.mark.parametrize(
    ("elapsed", "first", "fraction", "left"),
    [
        (10.0, 0.0, 0.25, 30.0),
        (10.0, 0.5, 0.75, 10.0),  # a step that goes on where it was
        (600.0, 0.0, 0.25, 1800.0),
        (1.0, 0.0, 0.25, None),  # too early to tell
        (10.0, 0.0, 0.0, None),
        (10.0, 0.0, None, None),
        (10.0, 0.0, 1.0, None),
    ],
)
def test_the_time_that_is_left_is_told_once_it_can_be(elapsed, first, fraction, left):
    assert seconds_left(elapsed, first, fraction) == left


def test_progress_says_how_far_a_step_is_and_how_long_it_takes(monkeypatch):
    clock = [100.0]
    for module in (view_module, worker_module):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    view, seen = View(), []

    def work(job):
        steps = ((100.0, "Matching:", 0.0), (104.0, "Matching:", 0.5), (104.5, "Calibrating:", 0.1))
        for clock[0], text, fraction in steps:
            job.step(text, fraction)
            seen.append(view.status)

    view.run(work)
    settled(view)
    assert seen == [
        Status("working", "Matching:", 0.0, ""),
        Status("working", "Matching:", 0.5, "about 4 s left"),
        Status("working", "Calibrating:", 0.1, ""),
    ]
    assert view.status.state == "ready"
    view.close()


def test_what_is_on_the_status_line_cannot_be_set_from_outside():
    view = View()
    view.show_status("ready", "Ready")
    assert view.status == Status("ready", "Ready", None, "")
    with pytest.raises(AttributeError):
        view.status = Status("error", "", None, "")
    with pytest.raises(AttributeError):
        view.status.text = "other"
    view.close()
