"""RetrievalView without a browser: what it sends, what it refuses, and what each trait changes."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.views.retrieval import view as module

DEADLINE = 60
N, D, GRID = 8, 6, (3, 4)


def make_analysis(n=N, *, labels=True, grid=GRID, layers=("a", "b"), prefix=False, matcher=None, model=None):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (30, 40, 3), dtype=np.uint8) for _ in range(n)]
    images = srsm.load_images(pictures, labels=[f"kind {k % 2}" for k in range(n)] if labels else None)
    grids = {name: grid for name in layers}
    tokens = {
        name: srsm.Tokens(
            values=torch.from_numpy(rng.normal(size=(n, each[0] * each[1] if each else 12, D)).astype(np.float32)),
            grid=each,
            native_grid=each,
            layer=name,
            prefix=torch.from_numpy(rng.normal(size=(n, 1, D)).astype(np.float32)) if prefix else None,
            has_class_token=prefix,
        )
        for name, each in grids.items()
    }
    return srsm.Analysis(images, tokens, matcher=matcher or srsm.Exact(), model=model)


class Sent(list):
    """What a view sent to the browser, as (content, buffers)."""

    def __init__(self, view):
        super().__init__()
        view.send = lambda content, buffers=None: self.append((content, buffers or []))

    def of(self, kind):
        return [(content, buffers) for content, buffers in self if content["kind"] == kind]

    def results(self):
        return self.of("results")[-1]


def ask(view, buffers=(), **content):
    """Deliver a message as the browser would."""
    view._handle_custom_msg(content, [memoryview(each) for each in buffers])


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def settled(view):
    assert view.wait(DEADLINE)
    assert view.last_error == "", view.last_error
    return view


def rows_of(content, buffers):
    """Return name -> (facts, values, order) as the browser reads them, and F1 of the labels."""
    buffers = iter(buffers)
    right = np.frombuffer(next(buffers), np.float32) if content["answers"] else None
    rows = {}
    for row in content["rows"]:
        values = order = None
        if row["state"] == "ready":
            values, order = np.frombuffer(next(buffers), np.float32), np.frombuffer(next(buffers), np.int32)
        rows[row["name"]] = row, values, order
    assert next(buffers, None) is None
    return rows, right


@pytest.fixture
def analysis():
    return make_analysis()


@pytest.fixture
def view(analysis):
    view = settled(srsm.RetrievalView(analysis, layer="b", query=2, rankings={"mine": np.arange(N * N).reshape(N, N)}))
    yield view
    view.close()


@pytest.fixture(scope="module")
def seen():
    """Real images, a real model."""
    images = srsm.demo_images().select([0, 1, 2, 8])
    model = srsm.load_model()
    return srsm.Analysis(images, srsm.extract(model, images, ["blocks.4", "blocks.5"], max_grid=7), model=model)


# -- what a page gets ----------------------------------------------------------------------------------------------


def test_a_page_gets_the_query_its_answers_and_their_thumbnails(view, analysis):
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    ((query, pictures),) = sent.of("query")
    assert (query["index"], query["id"], query["labels"]) == (2, "2", ["kind 0"])
    assert bytes(pictures[0]).startswith(b"\xff\xd8")
    content, buffers = sent.results()
    assert (content["layer"], content["kernel"], content["query"], content["box"]) == ("b", "cosine", 2, None)
    assert content["complete"] is True
    assert content["patches"] == [12, 12]
    assert content["null"]["mean"] == pytest.approx(analysis.null("b").mean)
    rows, right = rows_of(content, buffers)
    assert list(rows) == ["aligned", "semantic", "pooled", "mine"]
    similarities = analysis.similarities("b")
    others = np.arange(N) != 2
    for name in ("aligned", "semantic", "pooled"):
        facts, values, order = rows[name]
        expected = getattr(similarities, name)
        np.testing.assert_allclose(values[others], expected[2, others], atol=1e-6)
        assert order.tolist() == srsm.nearest(expected)[2].tolist()
        f1 = srsm.label_f1(analysis.images.labels)
        assert facts["f1"][4] == pytest.approx(srsm.f1_at_k(srsm.nearest(expected), f1, 5)[2])
    assert rows["mine"][2].tolist() == [7, 6, 5, 4, 3, 1, 0]
    assert right.tolist() == [1, 0] * 4
    assert content["answers"]["relevant"] == 3
    thumbnails = {k for message, _ in sent.of("thumbnails") for k in message["indices"]}
    assert thumbnails >= {k for _, _, order in rows.values() for k in order[:5].tolist()}


def test_what_costs_one_product_comes_before_anything_is_matched(monkeypatch):
    sent = []
    when_matched = []

    def matcher(x, y):
        when_matched.append([content for content, _ in sent if content["kind"] == "results"])
        return srsm.Exact()(x, y)

    monkeypatch.setattr(srsm.RetrievalView, "send", lambda self, content, buffers=None: sent.append((content, buffers)))
    view = settled(srsm.RetrievalView(make_analysis(matcher=matcher)))
    (first,) = when_matched[0]
    assert [row["state"] for row in first["rows"]] == ["ready", "pending", "ready"]
    assert first["complete"] is False
    last = [content for content, _ in sent if content["kind"] == "results"][-1]
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


def test_a_class_token_has_a_row_of_its_own():
    view = settled(srsm.RetrievalView(make_analysis(prefix=True)))
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    assert [row["name"] for row in sent.results()[0]["rows"]] == ["aligned", "semantic", "pooled", "class token"]
    view.close()


def test_without_labels_nothing_is_marked():
    view = settled(srsm.RetrievalView(make_analysis(labels=False)))
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    content, buffers = sent.results()
    assert content["answers"] is None
    rows, right = rows_of(content, buffers)
    assert right is None
    assert rows["semantic"][0]["f1"] == []
    view.close()


def test_every_kernel_is_shown_and_the_rbf_says_its_width(view, analysis):
    for kernel, function in module.KERNELS.items():
        sent = Sent(view)
        view.kernel = kernel
        ask(view, kind="ready")
        settled(view)
        content, buffers = sent.results()
        assert content["kernel"] == kernel
        assert (content["sigma"] is not None) == (kernel == "RBF")
        expected = srsm.nearest(function(analysis.gram("b")))[2]
        assert rows_of(content, buffers)[0]["semantic"][2].tolist() == expected.tolist()


def test_images_that_are_all_alike_have_no_rbf_but_rankings_of_ones_own():
    analysis = make_analysis()
    for tokens in analysis.tokens.values():
        tokens.values[:] = 1.0
    view = settled(srsm.RetrievalView(analysis, kernel="RBF", rankings={"mine": np.eye(N)}))
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    rows, _ = rows_of(*sent.results())
    assert "differ" in rows["semantic"][0]["reason"]
    assert rows["mine"][0]["state"] == "ready"
    view.kernel = "cosine"
    settled(view)
    assert rows_of(*sent.results())[0]["semantic"][2].tolist() == list(range(1, N))
    view.close()


def test_one_image_retrieves_nothing_and_says_nothing_wrong():
    view = settled(srsm.RetrievalView(make_analysis(1)))
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    rows, _ = rows_of(*sent.results())
    assert len(rows["semantic"][2]) == 0
    assert view.picture() is None
    view.close()


def test_of_many_images_only_asked_thumbnails_are_decoded(monkeypatch):
    analysis = make_analysis(300, layers=("a",), matcher=srsm.Greedy())
    asked = []
    thumbnail = srsm.Images.thumbnail
    monkeypatch.setattr(srsm.Images, "thumbnail", lambda self, i, size=96: asked.append(i) or thumbnail(self, i, size))
    view = settled(srsm.RetrievalView(analysis))
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
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
    assert sent.results()[0]["query"] == 3
    assert view.save_figure(tmp_path / "f.png").exists()
    view.close()


# -- boxes -----------------------------------------------------------------------------------------------------------


def test_a_box_searches_with_its_patches(view, analysis):
    sent = Sent(view)
    view.box = (0, 1, 2, 3)
    settled(view)
    content, buffers = sent.results()
    assert content["box"] == [0, 1, 2, 3]
    assert content["patches"] == [4, 12]
    rows, _ = rows_of(content, buffers)
    part = analysis.tokens["b"].values[2][[1, 2, 5, 6]]
    found = srsm.search(part, analysis.tokens["b"].values, matcher=srsm.Exact(), candidates=[0, 1, 3, 4, 5, 6, 7], k=7)
    assert rows["semantic"][2].tolist() == found.indices[0].tolist()
    np.testing.assert_allclose(rows["semantic"][1][found.indices[0]], found.values[0], atol=1e-6)
    assert rows["pooled"][0]["state"] == "ready"
    assert "same position" in rows["aligned"][0]["reason"]
    assert "whole images" in rows["mine"][0]["reason"]
    assert 0 < content["null"]["mean"] < analysis.null("b").mean


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
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    assert sent.results()[0]["grid"] is None
    view.close()


# -- pictures from outside ---------------------------------------------------------------------------------------------


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
    content, buffers = sent.results()
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
    assert sent.results()[0]["layer"] == "blocks.5"
    view.box = (0, 0, 3, 3)
    settled(view)
    assert sent.results()[0]["patches"] == [9, 49]
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
    assert view._outside_name == "holiday.jpg"
    rows, _ = rows_of(*sent.results())
    assert rows["semantic"][2][0] == 2
    view.close()


def test_a_broken_file_is_said_and_nothing_changes(seen):
    view = settled(srsm.RetrievalView(seen, layer="blocks.4", query=1))
    ask(view, [b"no picture"], kind="file", name="<b>notes</b>.txt", size=10, part=0, parts=1)
    assert view._status["state"] == "error"
    assert "<b>notes</b>.txt" in view._status["text"]
    assert "no format that Pillow knows" in view._status["text"]
    assert view.query == 1
    ask(view, [b""], kind="file", name="film.mov", size=2**30, part=0, parts=1024)
    assert "at most 64 MB" in view._status["text"]
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
    assert "9 × 112" in view._status["text"]
    view.close()


# -- traits, errors, waiting -------------------------------------------------------------------------------------------


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


def test_a_long_search_waits_for_start_with_what_is_cheap_on_screen():
    def matcher(x, y):
        time.sleep(0.002 * len(x))
        return srsm.Exact()(x, y)

    view = srsm.RetrievalView(make_analysis(matcher=matcher), patience=0.05)
    wait_for(lambda: view._status["state"] == "waiting")
    assert f"{N + 96} pairs" in view._status["text"]
    assert [row.name for row in view._latest[1]] == ["aligned", "pooled"]
    ask(view, kind="start")
    settled(view)
    assert [row.name for row in view._latest[1]] == ["aligned", "semantic", "pooled"]
    view.query = 1  # the same layer is not asked for again
    settled(view)
    view.close()


def test_cancel_is_shown_and_resume_goes_on():
    def matcher(x, y):
        time.sleep(0.02 * len(x))
        return srsm.Exact()(x, y)

    view = srsm.RetrievalView(make_analysis(matcher=matcher), patience=0.05)
    wait_for(lambda: view._status["state"] == "waiting")
    ask(view, kind="cancel")
    wait_for(lambda: view._status["state"] == "cancelled")
    ask(view, kind="resume")
    wait_for(lambda: view._status["state"] == "waiting")
    ask(view, kind="start")
    settled(view)
    assert view._status["state"] == "ready"
    view.close()


def test_an_error_in_the_worker_is_shown_with_its_traceback():
    def matcher(x, y):
        raise RuntimeError("out of luck")

    view = srsm.RetrievalView(make_analysis(matcher=matcher))
    assert view.wait(DEADLINE)
    assert view._status["state"] == "error"
    assert "out of luck" in view._status["text"]
    assert "matcher" in view.last_error
    view.close()


def test_closing_ends_the_thread(analysis):
    view = settled(srsm.RetrievalView(analysis))
    thread = view.worker._thread
    view.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()


# -- without a browser ---------------------------------------------------------------------------------------------


def test_a_view_without_a_browser_is_a_picture(view):
    picture = view.picture()
    assert picture.width > 600
    data, _ = view._repr_mimebundle_()
    assert "image/png" in data
    assert data["text/plain"] == "RetrievalView('b', 'cosine', '2')"
    view.save_images = False
    assert "image/png" not in view._repr_mimebundle_()[0]
    view.box = (0, 0, 1, 2)
    settled(view)
    assert np.asarray(view.picture()).std() > 0
    assert repr(view) == "RetrievalView('b', 'cosine', '2', box=(0, 0, 1, 2))"


def test_a_figure_says_what_is_on_screen(view, analysis, tmp_path):
    words = view.save_figure(tmp_path / "whole.svg").read_text(encoding="utf-8")
    f1 = srsm.label_f1(analysis.images.labels)
    order = srsm.nearest(analysis.rsm("b"))
    relevant = (f1 > 0) & ~np.eye(N, dtype=bool)
    scores = srsm.f1_at_k(order, f1, 5)[2], srsm.average_precision(order, relevant)[2]
    assert f"F1@5 {scores[0]:.2f}, AP {scores[1]:.2f}" in words
    assert f"unrelated {analysis.null('b').mean:.2f}" in words
    assert "as 3 of 7 do" in words
    view.box = (0, 0, 1, 2)
    words = view.save_figure(tmp_path / "part.svg").read_text(encoding="utf-8")
    assert "2 of 12 patches" in words
    assert "same position" in words


def test_an_answer_without_a_right_one_has_a_dash(tmp_path):
    analysis = make_analysis(layers=("a",))
    images = srsm.load_images(analysis.images, labels=["alone", *["other"] * (N - 1)])
    view = settled(srsm.RetrievalView(srsm.Analysis(images, analysis.tokens, matcher=srsm.Exact())))
    sent = Sent(view)
    ask(view, kind="ready")
    settled(view)
    assert rows_of(*sent.results())[0]["semantic"][0]["ap"] is None
    assert view.picture() is not None
    assert "AP –" in view.save_figure(tmp_path / "f.svg").read_text(encoding="utf-8")
    view.close()


def test_names_of_private_pictures_stay_out_of_the_notebook(seen, tmp_path):
    seen.images.image(1).save(tmp_path / "Jane Doe.png")
    view = settled(srsm.RetrievalView(seen, save_images=False))
    sent = Sent(view)
    view.search(tmp_path / "Jane Doe.png")
    settled(view)
    assert "Jane" not in str(view.get_state(drop_defaults=True) | {"_esm": "", "_css": ""})
    assert {"_outside_name": "Jane Doe.png"} in [content["state"] for content, _ in sent.of("private")]
    assert view._repr_mimebundle_()[0]["text/plain"] == "RetrievalView()"
    view.close()


def test_the_picture_marks_right_and_wrong_answers(view):
    colours = {tuple(colour) for colour in np.asarray(view.picture()).reshape(-1, 3)}
    assert (0x1B, 0x7F, 0xBD) in colours
    assert (0xD5, 0x5E, 0x00) in colours
