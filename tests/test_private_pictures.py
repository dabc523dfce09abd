"""What a saved notebook holds: with save_images=False no picture, no name of a file, no path; and never megabytes."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from helpers.analyses import make_analysis
from helpers.views import DEADLINE, Sent, ask, shown
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.views.base import view

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LABELS, NAMES = ("surgery", "ward"), ("Jane Doe 1971", "visit-0815", "scan 7")
# The beginnings of PNG, JPEG and GIF files, as base64 and as a data address write them.
PICTURES = ("image/png", "image/jpeg", "iVBOR", "/9j/", "R0lGOD", "data:image")

SETUP = """
import os
import numpy as np, torch
import semrsm_widgets as srsm
torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8), torch.nn.ReLU())
scale = lambda picture: torch.from_numpy(np.asarray(picture.resize((64, 64)), np.float32) / 255).permute(2, 0, 1)
model = srsm.VisionModel(module, scale, name="tiny")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of pictures with telling names, one of them broken, which the kernel knows but the notebook does not."""
    rng = np.random.default_rng(0)
    root = tmp_path / "Hospital of Springfield"
    for label in LABELS:
        (root / label).mkdir(parents=True)
        for name in NAMES:
            Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(root / label / f"{name}.png")
    (root / LABELS[0] / "broken scan.png").write_bytes(b"nothing")
    monkeypatch.setenv("PICTURES_OF_THE_TEST", str(root))
    return root


def saved(*cells):
    """Run cells in a kernel and return the notebook as it is saved, with the state of its widgets."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", store_widget_state=True).execute()
    for widget in notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"].state.values():
        for own in ("_esm", "_css"):  # our own script, which says "image/jpeg" of what it gets from the kernel
            widget["state"].pop(own, None)
    return nbformat.writes(notebook)


def cells(private):
    """Return cells that show every view, over everything that may carry a name."""
    option = f"save_images={not private}"
    return [
        SETUP,
        "explorer = srsm.explore(model, images=os.environ['PICTURES_OF_THE_TEST'], skip_unreadable=True, "
        f"pair=(0, 4), {option})\nexplorer",
        "assert explorer.wait(120)\nassert not explorer.last_error\nassert len(explorer.analysis) == 6",
        "explorer",  # again, now that there is a picture
        f"rsm_view = srsm.RSMView(explorer.analysis, {option})\nrsm_view.wait(60)\nrsm_view",
        f"pair_view = srsm.PairView(explorer.analysis, {option})\npair_view.wait(60)\npair_view",
        f"retrieval_view = srsm.RetrievalView(explorer.analysis, {option})\nretrieval_view.wait(60)\nretrieval_view",
        f"stepper = srsm.AuctionStepper.of(pair_view)\nstepper.wait(60)\nstepper\n"
        f"srsm.AuctionStepper(explorer.analysis, pair=(1, 2), {option})",
        "retrieval_view.search(sorted(__import__('pathlib').Path(os.environ['PICTURES_OF_THE_TEST']).rglob('visit*'))[0])\n"
        "assert retrieval_view.wait(60)\nassert not retrieval_view.last_error",
        "explorer.pair = (2, 3)\nexplorer.layer = explorer.analysis.layers[0]\nassert explorer.wait(60)",
        f"failed = srsm.explore(model, images=os.environ['PICTURES_OF_THE_TEST'], {option})\nfailed",
        "failed.wait(60)\nassert 'broken' in failed.last_error",
        "import time; time.sleep(0.5)  # what the workers sent last is on its way",
    ]


def secrets(folder):
    """Return the words that must not be saved."""
    return [str(folder), folder.name, "broken scan", *LABELS, *NAMES]


def test_private_pictures_leave_neither_bytes_nor_names_in_the_notebook(folder):
    content = saved(*cells(private=True))
    assert [word for word in (*secrets(folder), *PICTURES) if word in content] == []
    widgets = json.loads(content)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    held = [widget["state"]["_images"] for widget in widgets.values() if "_images" in widget["state"]]
    assert len(held) >= 7  # the views are there, with six images each
    assert all(rows == [{"id": f"image {k}", "labels": []} for k in range(1, 7)] for rows in held if len(rows) == 6)
    assert any(len(rows) == 6 for rows in held)


def test_pictures_that_are_not_private_are_saved_so_the_test_above_can_fail(folder):
    content = saved(*cells(private=False))
    for word in ("image/png", "iVBOR", "broken scan", *LABELS, *NAMES):
        assert word in content, word
    assert str(folder) not in content  # ids are relative to the folder


def test_the_quickstart_with_its_outputs_stays_small():
    notebook = nbformat.read(NOTEBOOKS / "01_quickstart.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", store_widget_state=True).execute()
    content = nbformat.writes(notebook)
    assert "iVBOR" in content
    assert len(content.encode()) < 2**20


def test_the_shipped_quickstart_shows_its_view_to_who_has_not_run_it():
    notebook = nbformat.read(NOTEBOOKS / "01_quickstart.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1
    width, height = Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size
    assert width > 900
    assert height > 1000  # heatmaps, pair and answers
    assert "widgets" not in notebook.metadata  # they would need a kernel
    assert not any(output["output_type"] == "error" for output in outputs)


# -- the same without a kernel -------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [srsm.RSMView, srsm.PairView, srsm.RetrievalView])
def test_names_go_as_messages_and_come_back_when_they_may_be_saved(make):
    view = make(make_analysis(3, labels=["x", "y", "z"]), save_images=False)
    assert view.wait(DEADLINE)
    sent = Sent(view)
    hidden = [{"id": f"image {k}", "labels": []} for k in (1, 2, 3)]
    names = [{"id": f"{k}", "labels": [label]} for k, label in enumerate("xyz")]
    assert view.get_state()["_images"] == hidden
    assert view.get_state(["_images"])["_images"] == hidden
    ask(view, kind="ready")
    assert sent.kinds[0] == "private"  # before anything that needs the names
    assert sent[0][0]["state"]["_images"] == names

    sent.clear()
    view.show_error(OSError("image 'x' cannot be read"))
    assert "'x'" not in view.get_state()["_status"]["text"]
    assert "last_error" in view.get_state()["_status"]["text"]
    assert "'x'" in sent[-1][0]["state"]["_status"]["text"]
    assert "'x'" in view.status.text
    view.show_status("ready", "Ready")
    assert view.get_state()["_status"]["text"] == sent[-1][0]["state"]["_status"]["text"] == "Ready"

    view.save_images = True
    assert "public" in sent.kinds
    assert view.get_state()["_images"] == names
    assert view.get_state()["_private"] is False
    view.save_images = False
    assert view.get_state()["_images"] == hidden
    assert sent[-1][0]["state"]["_images"] == names
    view.close()


def test_the_explorer_hands_privacy_on_to_its_parts():
    explorer = srsm.explore(make_analysis(3), save_images=False)
    assert explorer.wait(DEADLINE)
    parts = explorer.views
    assert [part.save_images for part in parts] == [False] * 4
    explorer.save_images = True
    assert [part.save_images for part in parts] == [True] * 4
    assert "image/png" in shown(explorer)
    explorer.save_images = False
    data = shown(explorer)
    assert "image/png" not in data
    assert data["text/plain"] == "Explorer()"
    explorer.close()


def test_every_view_that_knows_names_can_keep_them_out_of_the_notebook():
    """A new view must wrap what it exports, or it would show "image 1" for a name."""
    import semrsm_widgets.views  # noqa: F401  (all views)

    def kinds(view):
        return [view, *(each for kind in view.__subclasses__() for each in kinds(kind))]

    # anywidget makes a class of its own for each instance; those have a trait in this place
    views = [
        kind
        for kind in kinds(view.View)
        if isinstance(getattr(kind, "_esm", None), str) and "_images" in kind.class_trait_names()
    ]
    assert len(views) >= 3
    for kind in views:  # only `withPrivate` reads this trait, and a bundle holds nothing that its view does not use
        assert '"_private"' in kind._esm, kind
