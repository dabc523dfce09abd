"""Loading ahead: between cells only, never in the way of a cell, a fork or the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import nbclient
import nbformat
import pytest

from semrsm_widgets.ahead import PAUSE, Ahead
from semrsm_widgets.common import options


class Events:
    """IPython's events, of which a test is the shell."""

    def __init__(self) -> None:
        self.hear: dict[str, list] = {}

    def register(self, name, function) -> None:
        self.hear.setdefault(name, []).append(function)

    def tell(self, name: str) -> None:
        for function in self.hear[name]:
            function(None)


class Step:
    """A step that lasts until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go, self.done = threading.Event(), threading.Event(), False

    def __call__(self) -> None:
        self.begun.set()
        assert self.go.wait(30)
        self.done = True


@pytest.fixture
def events():
    return Events()


def test_nothing_begins_while_a_cell_runs(events):
    steps = [Step(), Step()]
    ahead = Ahead(events, tuple(steps), ())
    for step in steps:
        step.go.set()
    assert not steps[0].begun.wait(2 * PAUSE)  # the package is imported in a cell
    events.tell("post_run_cell")
    events.tell("pre_run_cell")  # the next of the same run
    assert not steps[0].begun.wait(2 * PAUSE)
    events.tell("post_run_cell")
    ahead.thread.join(30)
    assert [step.done for step in steps] == [True, True]


def test_a_cell_waits_for_the_import_at_hand_and_not_for_the_kernel(events):
    first, second, kernel = Step(), Step(), Step()
    ahead = Ahead(events, (first, second), (kernel,))
    events.tell("post_run_cell")
    assert first.begun.wait(30)
    threading.Timer(0.3, first.go.set).start()
    events.tell("pre_run_cell")
    assert first.done
    assert not second.begun.wait(2 * PAUSE)
    events.tell("post_run_cell")
    second.go.set()
    assert kernel.begun.wait(30)
    events.tell("pre_run_cell")  # returns, though the step goes on
    assert not kernel.done
    kernel.go.set()
    ahead.thread.join(30)
    assert kernel.done


@pytest.mark.parametrize("how", ["stopped", "option", "error"])
def test_it_ends_early(events, monkeypatch, how):
    first, second = Step(), Step()

    def broken() -> None:
        first()
        raise ImportError("no torch")

    ahead = Ahead(events, (broken if how == "error" else first, second), (second,))
    events.tell("post_run_cell")
    assert first.begun.wait(30)
    if how == "stopped":
        ahead.stop()
    elif how == "option":
        monkeypatch.setattr(options, "ahead", False)
    first.go.set()
    ahead.thread.join(30)
    assert not ahead.thread.is_alive()
    assert not second.begun.is_set()
    events.tell("pre_run_cell")
    events.tell("post_run_cell")


def test_a_fork_waits_for_the_step_at_hand(events):
    step = Step()
    ahead = Ahead(events, (), (step,))
    events.tell("post_run_cell")
    assert step.begun.wait(30)
    threading.Timer(0.5, step.go.set).start()
    child = os.fork()
    if child == 0:
        os._exit(0 if step.done and not ahead._working.locked() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ahead.thread.join(30)
    assert not ahead.thread.is_alive()
    child = os.fork()  # and nobody holds up another
    if child == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_process_ends_in_the_midst_of_an_import():
    script = (
        "import time\nfrom tests.test_ahead import Events\nfrom semrsm_widgets.ahead import Ahead\n"
        "events = Events()\nAhead(events)\nevents.tell('post_run_cell')\ntime.sleep({0})\n"
    )
    for seconds in (0.5, 1.5):
        done = subprocess.run(
            [sys.executable, "-c", script.format(seconds)],
            cwd=os.path.dirname(os.path.dirname(__file__)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


LOADED = "import sys; print([name in sys.modules for name in ('torch', 'timm', 'semrsm_widgets.views')])"


@pytest.mark.parametrize("wished", ["", "0"])
def test_a_notebook_loads_ahead(monkeypatch, wished):
    monkeypatch.setenv("SEMRSM_AHEAD", wished)
    cells = [nbformat.v4.new_code_cell(f"import semrsm_widgets\n{LOADED}")]
    cells += [nbformat.v4.new_code_cell(LOADED) for _ in range(40)]
    client = nbclient.NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=120)
    with client.setup_kernel():
        found = []
        for index, cell in enumerate(cells[:4] if wished else cells):
            client.execute_cell(cell, index)
            found.append(cell.outputs[0].text.strip())
            if found[-1] == str([True] * 3):
                break
            time.sleep(3)
    assert found[0] == str([False] * 3)
    assert found[-1] == str([not wished] * 3)
