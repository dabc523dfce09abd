"""The stand-alone report without a browser: what is in the file, what is not, and how it is packed."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.analysis.recipe import AnalysisRecipe
from semrsm_widgets.report import report
from semrsm_widgets.report.near_pairs import near_pairs
from semrsm_widgets.report.packing import Blobs, Rounding, pack
from semrsm_widgets.report.products import PRODUCTS, token_shares
from semrsm_widgets.report.recording import Recorded, Recording, recorded_view
from semrsm_widgets.views.base import Message, plain
from semrsm_widgets.views.base.traits import KERNELS

NASTY = "</script><script>alert(1)</script>"


def make_analysis(n=8, grid=(3, 4), layers=("a", "b"), ids=None, seed=0, channels=8):
    rng = np.random.default_rng(seed)
    pictures = [(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), f"label{k % 2}") for k in range(n)]
    images = srsm.load_images(pictures)
    if ids is not None:
        images = replace(images, ids=tuple(ids))
    tokens = {
        name: srsm.Tokens(
            values=torch.from_numpy(rng.normal(size=(n, grid[0] * grid[1], channels)).astype(np.float32)),
            grid=grid,
            native_grid=grid,
            layer=name,
        )
        for name in layers
    }
    return srsm.Analysis(images, tokens, matcher=srsm.Exact())


class Elements(html.parser.HTMLParser):
    """The page's script elements, as a parser reads them: [(attributes, text)]."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.policy, self.text, self.tag = [], "", [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tag = tag
        if tag == "script":
            self.scripts.append((attributes, ""))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_endtag(self, tag):
        self.tag = ""

    def handle_data(self, data):
        if self.tag == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        else:
            self.text.append(data)

    def data(self, name):
        return next(text for attributes, text in self.scripts if attributes.get("id") == name)


def unpacked(text):
    """Return the head of a pack and its planes."""
    packed = zlib.decompress(base64.b64decode(text))
    (size,) = struct.unpack_from("<I", packed)
    return json.loads(packed[4 : 4 + size]), packed[4 + size :]


@pytest.fixture(scope="module")
def analysis():
    return make_analysis()


@pytest.fixture(scope="module")
def page(analysis):
    return Elements(report.static(analysis).html)


# -- the file ----------------------------------------------------------------------------------------------------


def test_the_policy_names_exactly_the_scripts_that_run(page):
    running = [text for attributes, text in page.scripts if attributes.get("type", "module") == "module"]
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running}
    assert len(running) == len(hashes) == 2  # BokehJS and ours
    allowed = dict(part.strip().split(" ", 1) for part in page.policy.split(";"))
    assert set(re.findall(r"'sha256-([^']+)'", allowed["script-src"])) == hashes
    assert "unsafe" not in allowed["script-src"]
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data: blob:"


def test_the_page_names_no_other_host(page):
    own = [text for attributes, text in page.scripts if attributes.get("type") == "module"]
    assert len(own) == 1
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", " ".join(own)))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_the_views_are_there_with_every_layer_and_kernel(page, analysis):
    data = json.loads(page.data("srsm-page"))
    names = [part["module"] for part in data["parts"]]
    assert names == ["RSMView", "PairView", "RetrievalView"]
    assert len({str(part["traits"]["pair"]) for part in data["parts"]}) == 1
    assert not [name for part in data["parts"] for name in part["traits"] if name.startswith(("_esm", "_css", "_view"))]
    states = {}
    for part in data["parts"]:
        found = states[part["module"]] = set()
        for pack_ in part["packs"]:
            head, _ = unpacked(page.data(pack_["id"]))
            scopes = [message["scope"] for message in head["messages"]]
            assert {scope.get("layer") for scope in scopes} == {pack_["layer"]}
            found |= {tuple(str(scope[key]) for key in part["keys"]) for scope in scopes if len(scope) == 2}
    layers = analysis.layers
    assert states["RSMView"] == {(layer, kernel) for layer in layers for kernel in KERNELS}
    assert states["PairView"] == {(layer, str(held)) for layer in layers for held in data["pairs"]["held"]}
    assert states["RetrievalView"] == {(layer, str(query)) for layer in layers for query in range(len(analysis))}


def test_the_top_says_what_is_in_the_file(page):
    text = " ".join(page.text)
    assert "Tokens · 8 images · 2 layers" in text
    assert "Heatmaps: all 28 pairs of images at 2 layers under 3 kernels" in text
    assert "Patches: all 28 pairs." in text
    assert "This file holds pictures, names and labels of the 8 images." in text
    assert f"semrsm_widgets {srsm.__version__}" in text
    assert "Tokens, layers a to b; semrsm_widgets" in text


def test_names_with_markup_are_data(tmp_path):
    analysis = make_analysis(n=4, ids=["a", "b", NASTY, "<img src=x onerror=alert(2)>"])
    text = report.static(analysis, notices=[NASTY]).html
    assert NASTY not in text
    assert "<img" not in text
    page = Elements(text)
    assert NASTY in "".join(page.text)  # the notice, as text
    ids = [row["id"] for row in json.loads(page.data("srsm-page"))["parts"][0]["traits"]["_images"]]
    assert ids == list(analysis.images.ids)


def test_without_images_neither_pictures_nor_names_leave(tmp_path):
    names = [f"patient-{k}.png" for k in range(6)]
    analysis = make_analysis(n=6, ids=names)
    path = srsm.to_html(analysis, tmp_path / "private", images=False)
    assert path.name == "private.html"
    page = Elements(path.read_text())
    everything = path.read_bytes()
    for text in page.scripts:
        if text[0].get("id", "").startswith("srsm-pack"):
            head, planes = unpacked(text[1])
            everything += json.dumps(head).encode() + planes
        if text[0].get("id", "").startswith("srsm-blob"):
            picture = base64.b64decode(text[1])
            assert Image.open(io.BytesIO(picture)).format == "PNG"
            everything += picture
    assert b"patient" not in everything
    assert b"label0" not in everything
    assert b"\xff\xd8\xff" not in everything
    assert base64.b64encode(b"\xff\xd8\xff") not in everything
    assert b"image 6" in everything
    assert "neither pictures nor file names nor labels" in " ".join(page.text)
    # the analysis itself is as it was
    assert analysis.images.ids == tuple(names)
    assert "label0" in report.static(analysis, images=False, labels=True).html


def test_a_picture_is_kept_once_and_no_larger_than_it_says(page):
    blobs = [text for attributes, text in page.scripts if attributes.get("id", "").startswith("srsm-blob")]
    assert len(set(blobs)) == len(blobs)
    sizes = [Image.open(io.BytesIO(base64.b64decode(text))).size for text in blobs]
    assert max(max(size) for size in sizes) <= 340


def test_the_pairs_are_the_nearest_ones():
    analysis = make_analysis(n=16)
    page = Elements(report.static(analysis, neighbours=1).html)
    held = json.loads(page.data("srsm-page"))["pairs"]["held"]
    assert {tuple(pair) for pair in held} == set(near_pairs(analysis, 1).pairs)
    assert f"Patches: {len(held)} of 120 pairs: each image’s nearest at every layer" in " ".join(page.text)


def test_fewer_pairs_where_there_is_no_room(monkeypatch):
    monkeypatch.setattr("semrsm_widgets.report.build._LEAST_PAIR_BYTES", 12_000)
    analysis = make_analysis(n=16, grid=(8, 8))
    text = report.static(analysis, neighbours=10, max_megabytes=0.1).html
    page = Elements(text)
    held = json.loads(page.data("srsm-page"))["pairs"]["held"]
    near = near_pairs(analysis, 10)
    assert 0 < len(held) < len(near.pairs)
    assert {tuple(pair) for pair in held} == {tuple(held[0]), *near.pairs[: len(held) - 1]}
    words = " ".join(page.text)
    assert f"Patches: {len(held)} of 120 pairs" in words
    assert "More would not fit: max_megabytes" in words


def test_large_grids_are_pooled_for_the_patches_alone():
    analysis = make_analysis(n=4, grid=(6, 6))
    page = Elements(report.static(analysis, max_grid=3).html)
    rsm, pair, _ = json.loads(page.data("srsm-page"))["parts"]
    assert [row["grid"] for row in pair["traits"]["_layers"]] == [[3, 3], [3, 3]]
    assert [row["native"] for row in pair["traits"]["_layers"]] == [[6, 6], [6, 6]]
    assert [row["grid"] for row in rsm["traits"]["_layers"]] == [[6, 6], [6, 6]]
    assert "Patches at a and b are pooled from 6×6 to 3×3" in " ".join(page.text)


def test_without_tokens_there_are_no_patches(tmp_path):
    make_analysis(n=4).save(tmp_path / "saved.npz")
    page = Elements(report.static(srsm.Analysis.load(tmp_path / "saved.npz")).html)
    assert [part["module"] for part in json.loads(page.data("srsm-page"))["parts"]] == ["RSMView", "RetrievalView"]
    assert "No patches: this Analysis was saved without its tokens" in " ".join(page.text)


def test_the_file_appears_whole_or_not_at_all(tmp_path, analysis, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("an older report")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        srsm.to_html(analysis, path)
    assert path.read_text() == "an older report"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "report.png"}, r'`path` must be the name of an "\.html" file'),
        ({"path": "nowhere/report.html"}, "`path` must be in a folder that exists"),
        ({"path": "r.html", "layer": "c"}, "`layer` must be one of"),
        ({"path": "r.html", "kernel": "linear"}, "`kernel` must be one of"),
        ({"path": "r.html", "pair": (1, 1)}, "`pair` must be indices of two different images"),
        ({"path": "r.html", "pair": (0, 8)}, "`pair` must be indices of two different images"),
        ({"path": "r.html", "query": 8}, "`query` must be an integer from 0 to 7"),
        ({"path": "r.html", "neighbours": 0}, "`neighbours` must be"),
        ({"path": "r.html", "max_megabytes": 0}, "`max_megabytes` must be"),
    ],
)
def test_what_cannot_be_is_refused(analysis, tmp_path, arguments, said):
    path = tmp_path / arguments.pop("path")
    with pytest.raises(ValueError, match=said):
        srsm.to_html(analysis, path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_too_many_images_are_refused(monkeypatch, analysis):
    monkeypatch.setattr(report, "MOST_IMAGES", 7)
    with pytest.raises(ValueError, match="`analysis` must be of at most 7 images; got 8"):
        report.static(analysis)


def test_progress_goes_up_and_may_cancel(tmp_path):
    seen = []
    srsm.to_html(make_analysis(n=4), tmp_path / "r", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (100, 100)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        srsm.to_html(make_analysis(n=4), tmp_path / "s", progress=stop)
    assert not (tmp_path / "s.html").exists()


def test_in_a_notebook_the_page_stands_in_a_frame(analysis):
    static = report.static(analysis)
    bundle = static._repr_mimebundle_()
    (attributes,) = (dict(a) for tag, a in _tags(bundle["text/html"]) if tag == "iframe")
    assert attributes["srcdoc"] == static.html
    assert attributes["sandbox"] == "allow-scripts"
    assert re.fullmatch(r"StaticReport\(\d\.\d MB\)", bundle["text/plain"])


def _tags(text):
    found = []
    parser = html.parser.HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, attributes))
    parser.feed(text)
    return found


def test_explore_without_a_kernel_shows_the_report(analysis):
    shown = srsm.explore(analysis, live=False, pair=(2, 5), query=3, layer="b", kernel="RBF")
    assert isinstance(shown, srsm.StaticReport)
    rsm, pair, retrieval = json.loads(Elements(shown.html).data("srsm-page"))["parts"]
    assert (rsm["traits"]["layer"], rsm["traits"]["kernel"], rsm["traits"]["pair"]) == ("b", "RBF", [2, 5])
    assert pair["traits"]["layer"] == "b"
    assert retrieval["traits"]["query"] == 3
    assert b"\xff\xd8\xff" not in base64.b64decode(
        Elements(srsm.explore(analysis, live=False, save_images=False).html).data("srsm-blob-0")
    )


def test_a_recipe_says_what_it_reduced():
    recipe = AnalysisRecipe(images=srsm.demo_images(crops=1), max_images=3, layers=["blocks.5"])
    analysis, notices = report.analysis_at_once(recipe)
    assert len(analysis) == 3
    assert notices[0].startswith("Showing 3 of 8 images")


def test_files_that_were_left_out_are_named_only_where_names_may_be(tmp_path):
    for k in range(2):
        Image.new("RGB", (32, 32), (80 * k, 90, 90)).save(tmp_path / f"patient-{k}.png")
    (tmp_path / "patient-broken.png").write_bytes(b"no picture")
    recipe = AnalysisRecipe(images=str(tmp_path), skip_unreadable=True, layers=["blocks.5"])
    _, notices = report.analysis_at_once(recipe, save_images=False)
    assert notices == ["1 of 3 left out, unreadable."]
    with pytest.warns(UserWarning, match="patient-broken"):
        _, notices = report.analysis_at_once(recipe)
    assert notices == ["1 of 3 left out, unreadable: patient-broken.png."]


# -- recording ---------------------------------------------------------------------------------------------------


def test_a_view_without_a_browser_opens_no_comm_and_no_thread(analysis):
    recording = Recording(("layer", "pair"))
    view = recorded_view(srsm.PairView, recording, analysis, layer="a", pair=(0, 1))
    assert view.comm is None
    assert view.worker._thread is None
    assert recording.covers({"layer": "a", "pair": (0, 1)})
    assert not recording.covers({"layer": "b", "pair": (0, 1)})
    view.layer = "b"
    assert recording.covers({"layer": "b", "pair": (0, 1)})


def test_an_error_of_a_view_is_raised(analysis, monkeypatch):
    view = recorded_view(srsm.PairView, Recording(("layer", "pair")), analysis, layer="a", pair=(0, 1))

    def fail(*arguments, **options):
        raise RuntimeError("no match")

    monkeypatch.setattr(analysis, "matches", fail)
    with pytest.raises(RuntimeError, match="no match"):
        view.pair = (2, 3)


def test_the_last_message_of_a_kind_about_the_same_is_kept():
    recording = Recording(("layer",))
    for complete, layer in ((False, "a"), (False, "b"), (True, "a")):
        recording.add({"kind": "frame", "layer": layer, "complete": complete}, [])
    assert [(m.scope["layer"], m.content["complete"]) for m in recording.messages] == [("b", False), ("a", True)]


def test_plain_values_are_json():
    value = {"a": (1, float("nan")), "b": np.float64(1 / 3), "c": [np.int64(2), float("inf")], "d": None}
    assert plain(value, 8) == {"a": [1, None], "b": 0.33333333, "c": [2, None], "d": None}
    assert plain(value)["b"] == 1 / 3


def test_orders_of_the_images_are_recorded(page, analysis):
    rsm = json.loads(page.data("srsm-page"))["parts"][0]
    (effect,) = rsm["effects"]
    assert effect["given"] == ["order", "layer", "kernel"]
    assert effect["gives"] == ["_sequence", "_sequence_note"]
    view = srsm.RSMView(analysis, layer="b", order="cluster")
    assert view.wait(30)
    assert effect["values"]['["cluster","b","cosine"]'] == [view._sequence, "clusters of b"]
    view.close()
    assert effect["values"]['["label","a","RBF"]'] == [[0, 2, 4, 6, 1, 3, 5, 7], ""]
    assert effect["values"]['["file","a","RBF"]'] == [[], ""]
    assert len(effect["values"]) == 3 * 2 * 3


def recorded(arrays):
    """Return a recorded message of some arrays."""
    message = Message.of("k", arrays=arrays)
    return Recorded(content=message.content, buffers=message.buffers, scope={})


# -- packing -----------------------------------------------------------------------------------------------------


def test_packs_keep_exact_numbers_round_the_named_ones_and_drop_the_inverse():
    rng = np.random.default_rng(0)
    permutation = rng.permutation(300).astype(np.int32)
    permutation[7] = -1
    inverse = np.full(300, -1, np.int32)
    inverse[permutation[permutation >= 0]] = np.flatnonzero(permutation >= 0)
    cosine = rng.uniform(-1, 1, 300).astype(np.float32)
    cosine[7] = np.nan
    exact = rng.normal(size=11).astype(np.float32)
    arrays = {"permutation": permutation, "inverse": inverse, "x_cosine": cosine, "exact": exact}
    head, planes = unpacked(pack([recorded(arrays)], {"cosine": Rounding(step=0.005)}, Blobs()))
    (row,) = head["messages"]
    assert row["buffers"][1] == {"inverse": "permutation", "count": 300}
    assert [column["width"] for column in head["columns"]] == [2, 2, 4]
    assert [column["numbers"] for column in head["columns"]] == ["Int32Array", "steps", "Float32Array"]

    def column(k):
        start = sum(each["width"] * each["count"] for each in head["columns"][:k])
        width, count = head["columns"][k]["width"], head["columns"][k]["count"]
        by_plane = np.frombuffer(planes[start : start + width * count], np.uint8).reshape(width, count)
        return np.ascontiguousarray(by_plane[::-1].T).tobytes()

    assert head["columns"][0]["offset"] == 1
    np.testing.assert_array_equal(np.frombuffer(column(0), np.uint16).astype(int) - 1, permutation)
    steps = np.frombuffer(column(1), np.int16)
    assert steps[7] == -32768
    known = np.isfinite(cosine)
    assert np.abs(steps[known] * row["buffers"][2]["step"] - cosine[known]).max() <= 0.0025 + 1e-6
    np.testing.assert_array_equal(np.frombuffer(column(2), np.float32), exact)


def test_small_steps_take_one_byte():
    cosine = np.array([0.5, -1, np.nan, 1], np.float32)
    head, planes = unpacked(pack([recorded({"cosine": cosine})], {"cosine": Rounding(step=0.01)}, Blobs()))
    assert head["columns"][0]["width"] == 1
    np.testing.assert_array_equal(np.frombuffer(planes, np.int8), [50, -100, -128, 100])


def test_contributions_follow_from_cosines_and_shares(analysis):
    recording = Recording(("layer", "pair"))
    recorded_view(srsm.PairView, recording, analysis, layer="a", pair=(1, 4))
    (message,) = (each for each in recording.messages if each.content["kind"] == "matches")
    shares = {image: token_shares(analysis.tokens["a"], image) for image in (1, 4)}
    names = [name for name, *_ in message.parts()]
    (row,) = unpacked(pack([message], {}, Blobs(), shares))[0]["messages"]
    left_out = {name for name, place in zip(names, row["buffers"], strict=True) if "product" in place}
    assert left_out == set(PRODUCTS) & set(names)
    assert len(left_out) == 5

    # another image's shares give other products: then the array is kept
    wrong = {1: shares[1], 4: token_shares(analysis.tokens["b"], 4)}
    (row,) = unpacked(pack([message], {}, Blobs(), wrong))[0]["messages"]
    kept = {name for name, place in zip(names, row["buffers"], strict=True) if "column" in place}
    assert {"contribution", "aligned_contribution", "other_pooled_contribution"} <= kept


def test_an_inverse_that_is_none_is_kept():
    arrays = {"permutation": np.arange(4), "inverse": np.array([3, 2, 1, 0])}
    head, _ = unpacked(pack([recorded(arrays)], {}, Blobs()))
    assert "column" in head["messages"][0]["buffers"][1]


# -- which pairs -------------------------------------------------------------------------------------------------


def test_near_pairs_are_those_among_the_nearest_of_any_similarity(analysis):
    near = near_pairs(analysis, 2)
    wanted = set()
    for layer in analysis.layers:
        found = analysis.similarities(layer)
        for matrix in (found.aligned, found.semantic, found.pooled):
            for i, row in enumerate(srsm.nearest(matrix, k=2)):
                wanted |= {(min(i, int(j)), max(i, int(j))) for j in row}
    assert set(near.pairs) == wanted
    assert near.ranks == sorted(near.ranks)
    first = near.ranks.index(2)
    assert near.whole_rank(first) == 1
    assert near.whole_rank(first - 1) == 0


def test_pairs_matched_together_are_those_matched_alone():
    together, alone = make_analysis(seed=3), make_analysis(seed=3)
    together.match_pairs("a", [(0, 1), (2, 5), (0, 1)])
    assert together.has_assignment("a", 2, 5)
    for pair in ((0, 1), (2, 5)):
        one, other = together.matches("a", *pair), alone.matches("a", *pair)
        np.testing.assert_array_equal(one.permutation, other.permutation)
        assert one.semantic == other.semantic
        assert one.upper == other.upper
