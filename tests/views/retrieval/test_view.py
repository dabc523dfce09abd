"""RetrievalView without a browser: what it sends, what it refuses, and what each trait changes."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets
from helpers.analyses import N, make_analysis
from helpers.views import (
    DEADLINE,
    Sent,
    ask,
    have_ended,
    opened_page,
    rows_of,
    settled,
    shown,
    wait_for,
    worker_threads,
)
from PIL import Image

import semrsm_widgets as srsm


def test_what_costs_one_product_comes_before_anything_is_matched(monkeypatch):
    sent = Sent.by_any(srsm.RetrievalView, monkeypatch)
    when_matched = []

    def matcher(x, y):
        when_matched.append([content for content, _ in sent.of("results")])
        return srsm.Exact()(x, y)

    view = settled(srsm.RetrievalView(make_analysis(matcher=matcher)))
    (first,) = when_matched[0]
    assert [row["state"] for row in first["rows"]] == ["ready", "pending", "ready"]
    assert first["complete"] is False
    last, _ = sent.newest("results")
    assert [row["state"] for row in last["rows"]] == ["ready", "ready", "ready"]
    view.close()


def test_a_new_query_costs_one_row_and_an_old_one_nothing():
    pairs = []

    def matcher(x, y):
        pairs.append(len(x))
        return srsm.Exact()(x, y)

    view = settled(srsm.RetrievalView(make_analysis(matcher=matcher)))
    before = sum(pairs)
    view.query = 3
    settled(view)
    assert sum(pairs) == before + N
    sent = Sent(view)
    view.query = 0
    settled(view)
    assert sum(pairs) == before + N
    assert len(sent.of("results")) == 1  # nothing flickers
    view.close()


def test_k_needs_no_kernel(view):
    sent = Sent(view)
    view.k = 3
    settled(view)
    assert sent == []


def test_of_many_images_only_asked_thumbnails_are_decoded(monkeypatch):
    analysis = make_analysis(300, layers=("a",), matcher=srsm.Greedy())
    asked = []
    thumbnail = srsm.Images.thumbnail
    monkeypatch.setattr(srsm.Images, "thumbnail", lambda self, i, size=96: asked.append(i) or thumbnail(self, i, size))
    view = settled(srsm.RetrievalView(analysis))
    sent = opened_page(view)
    assert len(set(asked)) <= 1 + 3 * 5
    asked.clear()
    ask(view, kind="thumbnails", indices=[40, 41])
    ((_, buffers),) = [each for each in sent.of("thumbnails") if each[0]["indices"] == [40, 41]]
    assert len(buffers) == 2
    assert asked == [40, 41]
    ask(view, kind="thumbnails", indices=[300])
    assert "indices" in view.last_error
    view.close()


def test_a_picture_that_is_gone_leaves_the_others(tmp_path):
    for k in range(4):
        Image.new("RGB", (20, 20), (60 * k, 0, 0)).save(tmp_path / f"{k}.png")
    images = srsm.load_images(tmp_path)
    analysis = srsm.Analysis(images, make_analysis(4).tokens, matcher=srsm.Exact())
    (tmp_path / "3.png").unlink()
    view = settled(srsm.RetrievalView(analysis))
    sent = Sent(view)
    ask(view, kind="thumbnails", indices=[2, 3])
    ((_, buffers),) = sent.of("thumbnails")
    assert [len(buffer) > 0 for buffer in buffers] == [True, False]
    assert view.picture() is not None
    view.query = 3  # its tokens are there all the same
    settled(view)
    ((query, pictures),) = sent.of("query")
    assert query["problem"] == "FileNotFoundError"  # its text would name the file
    assert bytes(pictures[0]).startswith(b"\xff\xd8")
    assert sent.of("results")[-1][0]["query"] == 3
    assert view.save_figure(tmp_path / "f.png").exists()
    view.close()


@pytest.mark.parametrize("empty", [None, (), (0, 0, 3, 4)])
def test_no_box_is_the_whole_image(view, empty):
    view.box = (0, 0, 1, 1)
    view.box = empty
    assert view.box is None


def test_a_box_belongs_to_its_image_but_not_to_its_layer():
    analysis = make_analysis()
    values = analysis.tokens["b"].values
    analysis.tokens["b"] = srsm.Tokens(values=values.repeat(1, 4, 1), grid=(6, 8), native_grid=(6, 8), layer="b")
    view = settled(srsm.RetrievalView(analysis, layer="a", box=(0, 1, 2, 3)))
    assert view.box == (0, 1, 2, 3)
    view.layer = "b"
    assert view.box == (0, 2, 4, 6)
    view.query = 1
    assert view.box is None
    settled(view)
    view.close()


def test_a_layer_without_grid_has_no_box():
    view = settled(srsm.RetrievalView(make_analysis(grid=None)))
    with pytest.raises(traitlets.TraitError, match="no known place"):
        view.box = (0, 0, 1, 1)
    sent = opened_page(view)
    assert sent.of("results")[-1][0]["grid"] is None
    view.close()


@pytest.mark.parametrize(
    ("trait", "value", "text"),
    [
        ("layer", "z", "'a', 'b'"),
        ("kernel", "sine", "cosine"),
        ("query", N, "0 to 7"),
        ("query", -1, "search"),
        ("k", 0, "1 to 7"),
        ("k", N, "7 other images"),
        ("box", (0, 0, 4, 1), "3×4 patches"),
        ("box", (0, 0), "half-open"),
        ("box", ("a", 0, 1, 1), "half-open"),
        ("pair", (0, N), "0 to 7"),
    ],
)
def test_a_wrong_trait_raises_and_keeps_the_old_value(view, trait, value, text):
    before = getattr(view, trait)
    with pytest.raises(traitlets.TraitError, match=text):
        setattr(view, trait, value)
    assert getattr(view, trait) == before


def test_what_cannot_be_shown_is_refused_at_once():
    with pytest.raises(TypeError, match="Analysis"):
        srsm.RetrievalView("photos")
    with pytest.raises(ValueError, match=r"rankings\['mine'\]"):
        srsm.RetrievalView(make_analysis(), rankings={"mine": np.eye(3)})


def test_a_long_search_waits_for_start_with_what_is_cheap_on_screen(monkeypatch):
    sent = Sent.by_any(srsm.RetrievalView, monkeypatch)

    def ready():
        rows, _ = rows_of(*sent.of("results")[-1])
        return [name for name, (facts, _, _) in rows.items() if facts["state"] == "ready"]

    view = srsm.RetrievalView(make_analysis(), patience=1e-9)
    wait_for(lambda: view.status.state == "waiting")
    assert f"{N + 96} pairs" in view.status.text
    assert ready() == ["aligned", "pooled"]
    ask(view, kind="start")
    settled(view)
    assert ready() == ["aligned", "semantic", "pooled"]
    view.query = 1  # the same layer is not asked for again
    settled(view)
    view.close()


def test_cancel_is_shown_and_resume_goes_on():
    view = srsm.RetrievalView(make_analysis(), patience=1e-9)
    wait_for(lambda: view.status.state == "waiting")
    ask(view, kind="cancel")
    wait_for(lambda: view.status.state == "cancelled")
    ask(view, kind="resume")
    wait_for(lambda: view.status.state == "waiting")
    ask(view, kind="start")
    settled(view)
    assert view.status.state == "ready"
    view.close()


def test_an_error_in_the_worker_is_shown_with_its_traceback():
    def matcher(x, y):
        raise RuntimeError("out of luck")

    view = srsm.RetrievalView(make_analysis(matcher=matcher))
    assert view.wait(DEADLINE)
    assert view.status.state == "error"
    assert "out of luck" in view.status.text
    assert "matcher" in view.last_error
    view.close()


def test_closing_ends_the_thread(analysis):
    before = worker_threads()
    view = settled(srsm.RetrievalView(analysis))
    view.close()
    assert have_ended(worker_threads() - before)


def test_a_view_without_a_browser_is_a_picture(view):
    picture = view.picture()
    assert picture.width > 600
    data = shown(view)
    assert "image/png" in data
    assert data["text/plain"] == "RetrievalView('b', 'cosine', '2')"
    view.save_images = False
    assert "image/png" not in shown(view)
    view.box = (0, 0, 1, 2)
    settled(view)
    assert np.asarray(view.picture()).std() > 0
    assert repr(view) == "RetrievalView('b', 'cosine', '2', box=(0, 0, 1, 2))"
