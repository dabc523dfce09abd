"""Views that are shown, used and closed leave nothing behind: in a real kernel, 60 times after 12 to warm up.

No widget, thread or comm may stay, and of memory less than what 60 views would take.
"""

from __future__ import annotations

import json

import nbclient
import nbformat
import pytest

SCRIPT = """
import gc, json, os, sys, threading, time
os.environ["SEMRSM_AHEAD"] = "0"  # its thread would be one of those that are counted
import numpy as np, torch
import semrsm_widgets as srsm
from IPython.display import clear_output, display
from ipywidgets.widgets.widget import _instances
from semrsm_widgets.views.pair import view as pair_view
from semrsm_widgets.views.rsm import view as rsm_view

torch.set_num_threads(1)
rsm_view.DEBOUNCE_SECONDS = pair_view._DEBOUNCE_SECONDS = 0.0  # nobody drags
rng = np.random.default_rng(0)
images = srsm.load_images([rng.integers(0, 255, (48, 48, 3), dtype=np.uint8) for _ in range(12)])
tokens = {
    name: srsm.Tokens(
        values=torch.from_numpy(rng.normal(size=(12, 9, 8)).astype(np.float32)),
        grid=(3, 3),
        native_grid=(3, 3),
        layer=name,
    )
    for name in "abc"
}
analysis = srsm.Analysis(images, tokens, matcher=srsm.Exact())
make = {make}

def memory():
    try:
        import resource
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:  # no Linux
        import psutil
        return psutil.Process().memory_info().rss

def threads():
    end = time.monotonic() + 60
    while (names := [t.name for t in threading.enumerate() if t.name.startswith("semrsm")]) and time.monotonic() < end:
        time.sleep(0.01)  # a closed worker ends once its job does
    return names

def round_trip(k):
    view = make()
    assert view.wait(60)
    display(view)
    for part in getattr(view, "views", [view]):
        part._handle_custom_msg(dict(kind="ready"), [])  # as a page does
    for name in "cab":
        view.layer = name
    view.pair = (k % 12, (k + 5) % 12)
    assert view.wait(60)
    assert not view.last_error, view.last_error
    view.close()
    clear_output()

def state():
    gc.collect()
    comms = sys.modules["comm"].get_comm_manager().comms
    counts = dict(widgets=len(_instances), comms=len(comms), objects=len(gc.get_objects()))
    return dict(bytes=memory(), threads=threads(), **counts)

for k in range(12):
    round_trip(k)
before = state()
for k in range(60):
    round_trip(k)
print("RESULT", json.dumps([before, state()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        "srsm.RSMView(analysis)",
        "srsm.PairView(analysis)",
        "srsm.RetrievalView(analysis)",
        "srsm.AuctionStepper(analysis)",
        "srsm.explore(analysis)",
    ],
)
def test_views_that_are_closed_leave_nothing_behind(make):
    cell = nbformat.v4.new_code_cell(SCRIPT.replace("{make}", f"lambda: {make}"))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
    printed = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    before, after = json.loads(printed.split("RESULT", 1)[1].strip())
    assert after["threads"] == before["threads"] == []
    assert after["widgets"] == before["widgets"]
    assert after["comms"] == before["comms"]
    assert after["bytes"] - before["bytes"] < 30 * 2**20
    # 60 views that stay would be 12,000 objects and more
    assert after["objects"] - before["objects"] < 4_000, (before, after)
