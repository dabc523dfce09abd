"""The picture that a notebook keeps of a view: run without a browser, by nbclient, and read as nbconvert writes it."""

from __future__ import annotations

import base64
import io
import re
import time

import nbclient
import nbconvert
import nbformat
import numpy as np
import pytest
from helpers.analyses import make_analysis
from helpers.views import finished
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.figures import DIVERGING, PALETTE
from semrsm_widgets.views.base import kept_picture

SETUP = """
import numpy as np, torch
import semrsm_widgets as srsm
rng = np.random.default_rng(0)
pictures = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(6)]
images = srsm.load_images(pictures, labels=list("aabbcc"))
module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, padding=1))
scale = lambda picture: torch.from_numpy(np.asarray(picture.resize((64, 64)), np.float32) / 255).permute(2, 0, 1)
model = srsm.VisionModel(module, scale, name="tiny")
analysis = srsm.Analysis(images, srsm.extract(model, images, layers=["0", "2"]), model=model, matcher=srsm.Exact())
"""
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(*cells: str) -> nbformat.NotebookNode:
    """Run cells in a kernel that nobody watches and return the notebook."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (SETUP, *cells)])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", store_widget_state=True).execute()
    return notebook


def pictures(cell: nbformat.NotebookNode) -> list[Image.Image]:
    """Return the pictures that a cell's outputs keep."""
    found = [output["data"]["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


VIEWS = {
    "RSMView": "srsm.RSMView(analysis)",
    "PairView": "srsm.PairView(analysis)",
    "RetrievalView": "srsm.RetrievalView(analysis)",
    "CompareView": "srsm.CompareView(analysis, analysis, cell=('0', '2'))",
    "Explorer": "srsm.explore(analysis)",
    "TransformLab": "srsm.TransformLab(model, images, layers=['0', '2'], layer='0')",
}


def test_each_view_leaves_its_picture_though_nothing_waits_for_it():
    notebook = run(*VIEWS.values())
    for name, cell in zip(VIEWS, notebook.cells[1:], strict=True):
        widget, picture = cell.outputs
        assert WIDGET in widget["data"], name
        assert "image/png" not in widget["data"], name  # JupyterLab would show "model not found" in its place
        assert widget["data"]["text/plain"] == name
        (image,) = pictures(cell)
        assert np.ptp(np.asarray(image.convert("L"))) > 100, name
        assert picture["data"]["text/plain"].startswith(f"{name}("), name
    # and whoever converts the notebook sees them, with or without the state of the widgets
    for stored in (True, False):
        if not stored:
            del notebook.metadata["widgets"]
        page, _ = nbconvert.HTMLExporter(template_name="lab").from_notebook_node(notebook)
        assert len(re.findall(r'<img[^>]+src="data:image/png;base64,iVBOR', page)) == len(VIEWS)


def test_the_picture_follows_later_cells_and_stays_when_the_view_is_closed():
    before, after = (
        run("view = srsm.RSMView(analysis, layer='0')\nview", *later).cells[1]
        for later in ([], ["view.layer = '2'", "view.close()"])
    )
    assert pictures(before)[0].tobytes() != pictures(after)[0].tobytes()
    assert WIDGET not in after.outputs[0]["data"]
    assert after.outputs[0]["data"]["text/plain"] == "RSMView('2', 'cosine', 6 images)"


def test_a_view_in_two_cells_has_its_picture_in_both_and_a_private_one_in_none():
    notebook = run(
        "view = srsm.PairView(analysis)\nview",
        "view",
        "view.pair = (2, 3)",
        "srsm.PairView(analysis, save_images=False)",
        "hidden = srsm.RSMView(analysis)\nhidden",
        "hidden.save_images = False",
    )
    first, again, _, private, hidden, _ = notebook.cells[1:]
    assert pictures(first)[0].tobytes() == pictures(again)[0].tobytes()
    assert len(private.outputs) == 1  # there is no second output that could be forgotten
    assert pictures(hidden) == []  # what was shown is taken back


def test_where_no_kernel_runs_a_view_is_its_text(capsys, opened):
    view = opened(srsm.RSMView(make_analysis()))
    view._ipython_display_()
    assert capsys.readouterr().out == f"{view!r}\n"


class Shell:
    """A kernel's shell, as far as a view asks it; somebody sits before it."""

    kernel = object()

    def get_parent(self):
        return {"content": {"allow_stdin": True}}


@pytest.fixture
def published(monkeypatch):
    """What views publish: (data, place, whether it replaces something)."""
    sent = []
    monkeypatch.setattr(kept_picture, "_running_kernel", Shell)
    monkeypatch.setattr(
        kept_picture, "_publish", lambda data, metadata, place, update=False: sent.append((data, place, update))
    )
    return sent


def test_somebody_who_watches_never_waits_and_an_unchanged_picture_is_not_sent_again(published, closing, monkeypatch):
    monkeypatch.setattr(kept_picture, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(kept_picture, "_READY_SECONDS", 0.01)
    monkeypatch.setattr(kept_picture.KeptPicture, "_await", lambda self: pytest.fail("it waited"))
    view = closing(srsm.RSMView(make_analysis(), layer="a"))
    assert finished(view)
    view._ipython_display_()
    assert [update for _, _, update in published] == [False, False]
    view.kept._draw()
    assert len(published) == 2  # nothing changed

    view.layer = "b"
    assert finished(view)
    wait_until_drawn(view)
    (data, place, update) = published[-1]
    assert update
    assert place == published[1][1]
    assert data["image/png"] != published[1][0]["image/png"]


def wait_until_drawn(view):
    """Wait for the timers of a view's picture, and for what the last of them draws."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with view.kept._drawing:
            if view.kept._timer is None and not view.kept._changed:
                return
        time.sleep(0.01)
    pytest.fail("the picture was not drawn")


def test_a_picture_that_cannot_be_drawn_is_said_and_not_tried_again(published, closing, monkeypatch):
    view = closing(srsm.RSMView(make_analysis(), layer="a"))
    assert finished(view)
    monkeypatch.setattr(type(view), "picture", lambda self: 1 / 0)
    view._ipython_display_()
    assert "ZeroDivisionError" in view.status.text
    assert len(published) == 1  # the widget is there
    view.layer = "b"
    assert view.kept._timer is None


def test_a_closed_view_leaves_no_timer(published):
    view = srsm.RSMView(make_analysis(), layer="a")
    assert finished(view)
    view._ipython_display_()
    view.layer = "b"
    timer = view.kept._timer
    assert timer is not None
    view.close()
    timer.join(10)
    assert not timer.is_alive()


def test_a_heatmap_beside_photographs_keeps_its_colours():
    rng = np.random.default_rng(0)
    value = rng.normal(60, 15, (16, 16)).clip(0, 254).astype(int)
    value[0, 1] = value[1, 0] = 180  # one pair that stands out
    difference = rng.normal(127, 10, (16, 16)).clip(0, 254).astype(int)
    difference[2, 3], difference[5, 6] = 250, 3

    def drawn(indices, palette):
        colours = np.array([[int(each[k : k + 2], 16) for k in (1, 3, 5)] for each in palette], np.uint8)
        return np.kron(colours[indices], np.ones((12, 12, 1), np.uint8))

    heatmaps = np.hstack([drawn(value, PALETTE), drawn(difference, DIVERGING)])
    size = (heatmaps.shape[1], 300)
    photographs = [np.asarray(srsm.demo_images(crops=1).image(k).convert("RGB").resize(size)) for k in (0, 3, 4)]
    picture = np.vstack([heatmaps, *photographs])
    kept = Image.open(io.BytesIO(base64.b64decode(kept_picture.png_base64(Image.fromarray(picture)))))
    off = np.abs(np.asarray(kept.convert("RGB")).astype(int) - picture)[: len(heatmaps)]
    assert off.max() < 40  # of 255; median cut is 80 off: the colour of another value
