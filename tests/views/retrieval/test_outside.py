"""Pictures from outside the set, given from Python or as a file on screen."""

from __future__ import annotations

import io

import numpy as np
import pytest
import traitlets
from helpers.views import DEADLINE, Sent, ask, rows_of, settled
from PIL import Image

import semrsm_widgets as srsm


@pytest.fixture(scope="module")
def seen():
    """Real images, a real model."""
    images = srsm.demo_images().select([0, 1, 2, 8])
    model = srsm.load_model()
    return srsm.Analysis(images, srsm.extract(model, images, ["blocks.4", "blocks.5"], max_grid=7), model=model)


def jpeg(picture):
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=95)
    return stream.getvalue()


def test_a_picture_from_outside_finds_itself(seen):
    view = settled(srsm.RetrievalView(seen, layer="blocks.4"))
    sent = Sent(view)
    view.search(seen.images.image(3), labels=seen.images.labels[3])
    settled(view)
    assert view.query == -1
    content, buffers = sent.of("results")[-1]
    assert content["query"] == -1
    assert content["answers"]["relevant"] == 1
    rows, _ = rows_of(content, buffers)
    for name in ("aligned", "semantic", "pooled"):
        assert rows[name][2][0] == 3
        assert rows[name][1][3] == pytest.approx(1, abs=1e-3)
    ((query, _),) = sent.of("query")
    assert query["labels"] == sorted(seen.images.labels[3])
    # the model saw it once, for all layers; boxes work on it, too
    view.layer = "blocks.5"
    settled(view)
    assert sent.of("results")[-1][0]["layer"] == "blocks.5"
    view.box = (0, 0, 3, 3)
    settled(view)
    assert sent.of("results")[-1][0]["patches"] == [9, 49]
    view.query = 0
    settled(view)
    view.query = -1  # back to it
    settled(view)
    assert "your picture" in repr(view)
    view.close()


def test_a_file_chosen_on_screen_comes_in_parts(seen):
    view = settled(srsm.RetrievalView(seen, layer="blocks.4"))
    sent = Sent(view)
    whole = jpeg(seen.images.image(2))
    parts = [whole[:1000], whole[1000:]]
    for k, part in enumerate(parts):
        ask(view, [part], kind="file", name="holiday.jpg", size=len(whole), part=k, parts=2)
    settled(view)
    assert "holiday.jpg" in repr(view)
    rows, _ = rows_of(*sent.of("results")[-1])
    assert rows["semantic"][2][0] == 2
    view.close()


def test_a_broken_file_is_said_and_nothing_changes(seen):
    view = settled(srsm.RetrievalView(seen, layer="blocks.4", query=1))
    ask(view, [b"no picture"], kind="file", name="<b>notes</b>.txt", size=10, part=0, parts=1)
    assert view.status.state == "error"
    assert "<b>notes</b>.txt" in view.status.text
    assert "no format that Pillow knows" in view.status.text
    assert view.query == 1
    ask(view, [b""], kind="file", name="film.mov", size=2**30, part=0, parts=1024)
    assert "at most 64 MB" in view.status.text
    view.close()


def test_search_needs_a_model_and_a_picture(view, seen, tmp_path):
    with pytest.raises(ValueError, match=r"made with its model.*model=model"):
        view.search(np.zeros((8, 8, 3), np.uint8))
    assert "files" not in view.offers
    other = settled(srsm.RetrievalView(seen))
    with pytest.raises(OSError, match="gone"):
        other.search(tmp_path / "gone.jpg")
    with pytest.raises(TypeError):
        other.search(3)
    assert other.query == 0
    with pytest.raises(traitlets.TraitError, match="search"):
        other.query = -1
    other.close()


def test_tokens_of_another_shape_do_not_compare(seen):
    tokens = {"blocks.4": srsm.Tokens(values=seen.tokens["blocks.4"].values[:, :9], layer="blocks.4")}
    view = settled(srsm.RetrievalView(srsm.Analysis(seen.images, tokens, model=seen.model, matcher=srsm.Exact())))
    view.search(seen.images.image(0))
    assert view.wait(DEADLINE)
    assert "9 × 112" in view.status.text
    view.close()


def test_a_picture_from_outside_is_read_under_the_scale_of_the_set(seen):
    values = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
    images = srsm.load_images([values, values.T, values, values[::-1]], scale=4095)
    analysis = srsm.Analysis(images, seen.tokens, model=seen.model)
    view = srsm.RetrievalView(analysis)
    sent = Sent(view)
    view.search(values)
    settled(view)
    _, (picture,) = sent.of("query")[-1]
    grey = np.asarray(Image.open(io.BytesIO(picture)), dtype=float)[..., 0]
    assert np.abs(grey - values * (255 / 4095)).mean() < 4  # a JPEG
    view.search(Image.new("RGB", (64, 64)))  # which needs none
    settled(view)
    view.close()
