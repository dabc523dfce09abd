"""The explorer's button that writes a report."""

from __future__ import annotations

import math
import threading

import pytest
from helpers.analyses import make_analysis
from helpers.views import DEADLINE, finished, opened_page

import semrsm_widgets as srsm
from semrsm_widgets.views.base import Job, worker
from semrsm_widgets.views.explorer import Explorer
from semrsm_widgets.views.explorer.reporter import free_path


@pytest.fixture
def explorer(explore, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = explore(make_analysis(n=5))
    assert finished(made)
    return made


def press(explorer, page, *, pairs="current", images=True):
    """Press "Write the file" and return what the page is told once that has ended."""
    explorer.header.receive({"kind": "report", "pairs": pairs, "images": images})
    assert explorer.reporter.worker.wait(DEADLINE)
    return [content for content, *_ in page.of("report")]


def test_the_file_stands_beside_the_notebook_and_no_other_is_replaced(explorer, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "REPORTS_PER_SECOND", math.inf)  # every step is told, however quick the machine is
    page = opened_page(explorer.header)
    explorer.pair = (1, 3)
    for name in ("report-tokens.html", "report-tokens-2.html"):
        told = press(explorer, page)
        path = tmp_path / name
        assert told[-1]["state"] == "done"
        assert (told[-1]["path"], told[-1]["bytes"]) == (str(path), path.stat().st_size)
    assert told[0]["state"] == "working"
    fractions = [each["fraction"] for each in told if each["state"] == "working" and each["fraction"]]
    assert fractions[-1] > 0.5
    assert "1 of 10 pairs: the one shown first" in path.read_text()
    assert opened_page(explorer.header).of("report")[-1][0]["state"] == "done"  # a page that opens later knows, too


def test_private_pictures_stay_out_whatever_the_page_asks(explorer, tmp_path):
    explorer.save_images = False
    press(explorer, opened_page(explorer.header), images=True)
    text = (tmp_path / "report-tokens.html").read_text()
    assert "This file holds neither pictures nor file names" in text


def test_cancelled_or_failed_it_says_so_and_leaves_no_file(explorer, tmp_path, monkeypatch):
    page = opened_page(explorer.header)
    begun = threading.Event()
    step = Job.step

    def stopped(job, text, fraction=None):
        if text == "Writing the report:" and not begun.is_set():
            begun.set()
            explorer.header.receive({"kind": "cancel report"})
        step(job, text, fraction)

    monkeypatch.setattr(Job, "step", stopped)
    assert press(explorer, page)[-1]["state"] == "cancelled"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("semrsm_widgets.report.report.MOST_IMAGES", 3)
    told = press(explorer, page)[-1]
    assert told["state"] == "error"
    assert "`analysis` must be of at most 3 images" in told["words"]
    assert explorer.status.state == "ready"


def test_without_something_that_writes_there_is_no_button(closing):
    analysis = make_analysis(n=3)
    explorer = closing(Explorer(lambda job, observer: analysis))
    assert finished(explorer)
    assert not explorer.header.can_report
    explorer.header.receive({"kind": "report", "pairs": "all", "images": True})
    assert explorer.header.last_error == ""


def test_a_name_becomes_that_of_a_file(tmp_path):
    assert free_path(tmp_path, "report-hub/ViT b16: ✓").name == "report-hub-ViT-b16.html"
    assert free_path(tmp_path, "../..").parent == tmp_path
    assert srsm.to_html(make_analysis(n=3), free_path(tmp_path, "report"), pairs="current").name == "report.html"
    assert free_path(tmp_path, "report").name == "report-2.html"
