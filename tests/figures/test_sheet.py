"""Figures for papers: three formats, the same bytes each time, nothing cut or overlapping, numbers from the core."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.figures.palettes import colour_range
from semrsm_widgets.figures.sentences import certificate_sentence
from semrsm_widgets.figures.sheet import Sheet, clipped, number, paper_style, text_width, wrapped
from semrsm_widgets.rsm.kernels import UndefinedKernelError
from semrsm_widgets.views.explorer.view import Explorer
from semrsm_widgets.views.pair.paper import number_bars
from semrsm_widgets.views.rsm.frames import label_order
from semrsm_widgets.views.rsm.paper import draw_rsms

DEADLINE = 180.0  # the machine may be busy
N, GRID = 6, (4, 5)
SVG = "{http://www.w3.org/2000/svg}"


def make_analysis(n=N, grid=GRID, labels=True, names=None, seed=0, layers=("a", "b")):
    rng = np.random.default_rng(seed)
    pictures = [rng.integers(0, 255, (40, 50, 3), dtype=np.uint8) for _ in range(n)]
    images = srsm.load_images(pictures, labels=[f"kind {2 * k // n}" for k in range(n)] if labels else None)
    if names is not None:
        from dataclasses import replace

        images = replace(images, ids=tuple(names))
    size = 20 if grid is None else grid[0] * grid[1]
    tokens = {
        name: srsm.Tokens(
            values=torch.from_numpy(rng.normal(size=(n, size, 8)).astype(np.float32)),
            grid=grid,
            native_grid=grid,
            layer=name,
        )
        for name in layers
    }
    return srsm.Analysis(images, tokens, matcher=srsm.Exact())


@pytest.fixture
def opened():
    views = []

    def opening(view):
        assert view.wait(DEADLINE)
        views.append(view)
        return view

    yield opening
    for view in views:
        view.close()


@pytest.fixture(params=["rsm", "pair", "why", "retrieval", "explorer"])
def view(request, opened):
    analysis = make_analysis()
    make = {
        "rsm": lambda: srsm.RSMView(analysis, layer="b", pair=(1, 4)),
        "pair": lambda: srsm.PairView(analysis, layer="b", pair=(1, 4), top_k=12),
        "why": lambda: srsm.PairView(analysis, layer="b", pair=(1, 4), expected=2),
        "retrieval": lambda: srsm.RetrievalView(analysis, layer="b", query=1, box=(0, 1, 2, 3)),
        "explorer": lambda: srsm.explore(analysis, layer="b", pair=(1, 4)),
    }
    return opened(make[request.param]())


def drawn(view, width=85.0):
    """Return the sheet a view draws, laid out as it is written."""
    with paper_style():
        sheet = Sheet(width)
        view.draw_figure(sheet)
    return sheet


def texts_of(path):
    """Return all text of an SVG."""
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(path).iter(f"{SVG}text"))


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".svg", b"<?xml"), (".pdf", b"%PDF"), (".png", b"\x89PNG"), (".PNG", b"\x89PNG")]
)
def test_each_format_is_written_the_same_each_time_at_the_width_asked_for(view, tmp_path, suffix, magic):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    assert view.save_figure(first, width_mm=90) == first
    view.save_figure(str(second), width_mm=90)
    content = first.read_bytes()
    assert content.startswith(magic)
    assert content == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.name, second.name])
    if suffix == ".svg":
        assert float(ElementTree.parse(first).getroot().get("width").removesuffix("pt")) == pytest.approx(
            90 / 25.4 * 72
        )
    if suffix == ".pdf":
        assert b"CreationDate" not in content
    if suffix == ".png":
        assert Image.open(first).width == pytest.approx(90 / 25.4 * 400, abs=1)


def test_text_is_text_of_six_to_eight_points(view, tmp_path):
    content = view.save_figure(tmp_path / "f.svg").read_text(encoding="utf-8")
    sizes = {float(size) for size in re.findall(r"font(?:-size)?: [^;]*?([\d.]+)px", content)}
    assert sizes
    assert min(sizes) >= 6
    assert max(sizes) <= 8
    assert f"semrsm_widgets {srsm.__version__}." in texts_of(tmp_path / "f.svg")


@pytest.mark.parametrize("width", [70, 85, 180])
@pytest.mark.parametrize("grid", [GRID, (1, 20), None])
def test_nothing_is_cut_and_no_text_covers_another(tmp_path, opened, width, grid):
    names = ["a", "b" * 60, "c $x^2$", "d/e/f.jpg", "<b>g</b>", "h"]
    analysis = make_analysis(grid=grid, names=names)
    analysis.tokens["b"].values[:] += 3  # a pooled part
    for view in (
        srsm.RSMView(analysis, layer="a", pair=(1, 2)),
        srsm.PairView(analysis, layer="b", pair=(1, 2), top_k=5),
        srsm.RetrievalView(analysis, layer="b", query=1, k=5, rankings={"m" * 40: np.eye(N)}),
        srsm.RetrievalView(analysis, layer="a", query=2, box=None if grid is None else (0, 0, 1, 2), kernel="RBF"),
        srsm.PairView(analysis, layer="b", pair=(1, 2), expected=4, top_k=5),
        srsm.explore(analysis, layer="a", pair=(3, 4), kernel="inner product"),
    ):
        sheet = drawn(opened(view), width)
        with paper_style():
            sheet.write(tmp_path / "f.png")  # puts everything in its place
            renderer = FigureCanvasAgg(sheet.figure).get_renderer()
            boxes = {text: text.get_window_extent(renderer) for text in sheet.figure.texts}
        page = sheet.figure.bbox
        for text, box in boxes.items():
            assert box.x0 >= page.x0, text
            assert box.x1 <= page.x1, text
            assert box.y0 >= page.y0, text
            assert box.y1 <= page.y1, text
        found = [(text.get_text(), box) for text, box in boxes.items()]
        for k, (first, one) in enumerate(found):
            for second, other in found[:k]:
                covered = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
                assert min(covered) < 1.5, (first, second)  # pixels: letters' boxes may touch


def test_heatmaps_are_painted_with_the_core_s_numbers(opened):
    analysis = make_analysis()
    sheet = drawn(opened(srsm.RSMView(analysis, layer="b")))
    heatmaps = [axes.images[0].get_array() for axes in sheet.figure.axes[:3]]
    similarities = analysis.similarities("b")
    low, high = colour_range(similarities.aligned, similarities.semantic)
    difference = similarities.semantic - similarities.aligned
    widest = np.abs(difference[~np.eye(N, dtype=bool)]).max()
    for pixels, matrix, colours, (first, last) in zip(
        heatmaps,
        (similarities.aligned, similarities.semantic, difference),
        ("viridis", "viridis", "PuOr"),
        ((low, high), (low, high), (-widest, widest)),
        strict=True,
    ):
        cell = len(pixels) // N
        centres = pixels[cell // 2 :: cell, cell // 2 :: cell]
        expected = np.rint(255 * colormaps[colours]((matrix - first) / (last - first))[..., :3])
        off = ~np.eye(N, dtype=bool)
        np.testing.assert_array_equal(centres[off], expected[off])
        assert (centres[~off] == round(255 * 0.82)).all()


def test_a_figure_shows_what_is_on_screen(opened, tmp_path):
    """Another baseline, the excess over unrelated tokens, rows by label, a locked range of colours."""
    analysis = make_analysis()
    analysis.images = srsm.load_images(analysis.images, labels=list("bababa"))
    view = opened(
        srsm.RSMView(analysis, layer="b", baseline="pooled", excess=True, order="label", colour_range=(-2.0, 2.0))
    )
    sheet = drawn(view)
    similarities, rows = analysis.similarities("b"), label_order(analysis.images)
    assert rows == [1, 3, 5, 0, 2, 4]
    pooled = similarities.pooled[np.ix_(rows, rows)]
    semantic = similarities.semantic[np.ix_(rows, rows)] - similarities.null.mean
    widest = np.abs((semantic - pooled)[~np.eye(N, dtype=bool)]).max()
    for axes, matrix, colours, (low, high) in zip(
        sheet.figure.axes[:3],
        (pooled, semantic, semantic - pooled),
        ("viridis", "viridis", "PuOr"),
        ((-2.0, 2.0), (-2.0, 2.0), (-widest, widest)),
        strict=True,
    ):
        pixels = axes.images[0].get_array()
        cell = len(pixels) // N
        expected = np.rint(255 * colormaps[colours]((matrix - low) / (high - low))[..., :3])
        off = ~np.eye(N, dtype=bool)
        np.testing.assert_array_equal(pixels[cell // 2 :: cell, cell // 2 :: cell][off], expected[off])
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    for part in ("pooled", "mean token", "excess", "semantic − pooled", "is subtracted from semantic"):
        assert part in words, part


def test_rows_follow_the_order_that_is_given():
    analysis = make_analysis()
    similarities = analysis.similarities("b")
    order = [3, 1, 5, 0, 4, 2]
    with paper_style():
        sheet = Sheet(85)
        draw_rsms(sheet, analysis, similarities, kernel="cosine", limits=(0.0, 1.0), pair=(3, 1), order=order)
    pixels = sheet.figure.axes[1].images[0].get_array()
    cell = len(pixels) // N
    expected = np.rint(255 * np.array(colormaps["viridis"](similarities.semantic[3, 1])[:3]))
    np.testing.assert_array_equal(pixels[cell // 2, cell + cell // 2], expected)
    frame = sheet.figure.axes[1].patches[0].get_xy()
    side = sheet.figure.axes[1].get_xlim()[1] / N
    assert frame[:, 0].min() == pytest.approx(side)  # the pair is the cell in row 0, column 1
    assert frame[:, 1].min() == pytest.approx(0)


def test_the_pair_s_numbers_and_its_outlines_are_the_core_s(opened, tmp_path):
    analysis = make_analysis()
    view = opened(srsm.PairView(analysis, layer="b", pair=(1, 4), top_k=12))
    matches, null = analysis.matches("b", 1, 4), analysis.null("b")
    bars = {bar.name: bar for bar in number_bars(matches, null)}
    assert bars["semantic (best match)"].value == matches.semantic
    assert bars["unrelated tokens"].value == null.mean
    assert bars["= pooled part"].value + bars["+ matched part"].value == pytest.approx(matches.semantic)
    assert bars["+ matched part"].start == bars["= pooled part"].stop
    view.save_figure(tmp_path / "f.svg")
    words = texts_of(tmp_path / "f.svg")
    for value in (matches.aligned, matches.semantic, matches.pooled, null.mean):
        assert number(value) in words
    sheet = drawn(view)
    outlines, digits = sheet.figure.axes[0].patches, sheet.figure.axes[0].texts
    assert len(outlines) == 2 * 12
    assert [text.get_text() for text in digits] == [str(k) for k in range(9, 0, -1)]
    strongest = matches.top(1)[0]
    width, height = sheet.figure.axes[0].get_xlim()[1], sheet.figure.axes[0].get_ylim()[0]
    row, column = divmod(int(strongest), GRID[1])
    centre = ((column + 0.5) / GRID[1] * width, (row + 0.5) / GRID[0] * height)
    assert digits[-1].get_position() == pytest.approx(centre)


@pytest.mark.parametrize("similarity", ["same position", "mean token", "class token"])
def test_what_is_explained_is_what_is_outlined(opened, similarity):
    analysis = make_analysis()
    sheet = drawn(opened(srsm.PairView(analysis, layer="b", pair=(1, 4), top_k=3, similarity=similarity)))
    first, second = sheet.figure.axes[:2]
    if similarity == "class token":  # these tokens have none, and it would not split
        assert not first.patches
        assert "does not split over patches" in sheet.caption
        return
    split = analysis.matches("b", 1, 4).split(similarity)
    width, height = first.get_xlim()[1], first.get_ylim()[0]
    tokens = np.argsort(-split.contribution, kind="stable")[:3]
    centres = [((t % GRID[1] + 0.5) / GRID[1] * width, (t // GRID[1] + 0.5) / GRID[0] * height) for t in tokens]
    drawn_at = {text.get_text(): text.get_position() for text in first.texts}
    for rank, centre in enumerate(centres):
        assert drawn_at[str(rank + 1)] == pytest.approx(centre)
    assert len(second.texts) == (3 if similarity == "same position" else 0)


def test_why_this_and_not_that_shows_the_difference_of_scores(opened, tmp_path):
    analysis = make_analysis()
    view = opened(srsm.PairView(analysis, layer="b", pair=(1, 4), expected=2, top_k=4))
    words = texts_of(view.save_figure(tmp_path / "f.svg", width_mm=180))
    hit, expected = (analysis.matches("b", 1, k).semantic for k in (4, 2))
    for value in (hit, expected, hit - expected):
        assert number(value) in words
    hit_panel, query, expected_panel = drawn(view).figure.axes[:3]
    assert len(query.patches) == 2 * 4
    assert {text.get_text() for text in query.texts} <= {"+", "\N{MINUS SIGN}"}
    assert not hit_panel.patches
    assert not expected_panel.patches


def test_rows_of_answers_are_those_of_the_core(opened, tmp_path):
    analysis = make_analysis()
    view = opened(srsm.RetrievalView(analysis, layer="b", query=2, k=3))
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    for name in ("aligned", "semantic", "pooled"):
        assert name in words
        values = np.delete(getattr(analysis.similarities("b"), name)[2], 2)
        for value in np.sort(values)[::-1][:3]:
            assert number(value) in words
    view.box = (0, 0, 2, 3)
    assert view.wait(DEADLINE)
    assert "Searched with 6 of 20 patches" in drawn(view).caption


def test_answers_too_small_to_read_are_left_out_and_that_is_said(opened):
    view = opened(srsm.RetrievalView(make_analysis(n=18), layer="b", k=17))
    assert "the first 6 of the 17 nearest images" in drawn(view).caption
    assert "the first" not in drawn(view, 400).caption


def test_the_caption_says_where_the_numbers_come_from(opened, tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, stride=8))
    transform = lambda picture: torch.from_numpy(np.asarray(picture.resize((32, 32)), np.float32)).permute(2, 0, 1)  # noqa: E731
    model = srsm.VisionModel(module, transform, name="tiny", provenance={"weights": "random"})
    images = srsm.load_images([np.full((40, 50, 3), 20 * k, np.uint8) for k in range(4)])
    analysis = srsm.Analysis(images, srsm.extract(model, images), model=model)
    view = opened(srsm.RSMView(analysis, kernel="RBF"))
    words = texts_of(view.save_figure(tmp_path / "f.svg", width_mm=180)).replace("\N{NO-BREAK SPACE}", " ")
    for part in (
        "tiny",
        "weights random",
        model.provenance["weights_sha256"][:12],
        "Layer 0: 4×4 patches, 8 channels",
        "Kernel RBF (σ = ",
        "Auction(gap=0.0001)",
        "Every semantic entry",
        "(channels permuted, n = 96)",
        "4 images",
        f"semrsm_widgets {srsm.__version__}",
    ):
        assert part in words, part
    assert drawn(view).caption in (tmp_path / "f.svg").read_text(encoding="utf-8")


def test_a_loaded_analysis_keeps_its_provenance_in_its_figures(opened, tmp_path):
    analysis = make_analysis()
    analysis.provenance = {"name": "a model", "weights": "w.pt", "weights_sha256": "0123456789abcdef"}
    analysis.save(tmp_path / "a.npz", tokens=True)
    view = opened(srsm.RSMView(srsm.Analysis.load(tmp_path / "a.npz")))
    assert "a model, weights w.pt, SHA-256 0123456789ab…; 6 images" in drawn(view).caption


def test_labels_name_their_rows_where_there_is_room(opened, tmp_path):
    named = opened(srsm.RSMView(make_analysis())).save_figure(tmp_path / "named.svg")
    assert "kind 0" in texts_of(named)
    assert "kind 1" in texts_of(named)
    plain = opened(srsm.RSMView(make_analysis(labels=False))).save_figure(tmp_path / "plain.svg")
    assert re.search(r"\b1 6 image\b", texts_of(plain))


def test_names_with_markup_are_text(opened, tmp_path):
    names = ["<script>alert(1)</script>", "$\\frac{1}{2}$", "c", "d", "e", "f"]
    view = opened(srsm.PairView(make_analysis(names=names), pair=(0, 1)))
    path = view.save_figure(tmp_path / "f.svg", width_mm=180)
    assert "<script>alert(1)</script>" in texts_of(path)
    assert "$\\frac{1}{2}$" in texts_of(path)
    assert not list(ElementTree.parse(path).iter(f"{SVG}script"))


def test_the_user_s_matplotlib_settings_play_no_part_and_stay(view, tmp_path):
    expected = view.save_figure(tmp_path / "a.svg").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert view.save_figure(tmp_path / "b.svg").read_bytes() == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_tokens_without_places_leave_the_third_panel_out(opened, tmp_path):
    view = opened(srsm.PairView(make_analysis(grid=None), pair=(0, 1)))
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    assert "have no places in the image" in words
    assert "rearranged" not in words


def test_one_image_has_a_pair_and_no_null(opened, tmp_path):
    view = opened(srsm.PairView(make_analysis(n=1)))
    words = texts_of(view.save_figure(tmp_path / "f.svg"))
    assert "unrelated tokens" not in words.lower()
    assert "100 % of patches match the same position" in words


def test_images_that_are_all_alike_have_a_figure_under_cosine_and_a_reason_under_rbf(opened, tmp_path):
    analysis = make_analysis(layers=("a",))
    analysis.tokens["a"].values[:] = analysis.tokens["a"].values[0].clone()
    view = opened(srsm.RSMView(analysis))
    view.save_figure(tmp_path / "f.svg")
    view.kernel = "RBF"
    with pytest.raises(UndefinedKernelError, match="median distance of 0"):
        view.save_figure(tmp_path / "g.svg")
    assert not (tmp_path / "g.svg").exists()


@pytest.mark.parametrize(
    ("name", "width", "error", "text"),
    [
        ("f.jpg", 85, ValueError, "`path` must be a file name ending in .svg, .pdf, .png; got '.*f.jpg'"),
        ("f", 85, ValueError, "ending in .svg, .pdf, .png"),
        ("none/f.svg", 85, FileNotFoundError, "`path` must be in a folder that exists"),
        ("f.svg", 0, ValueError, "`width_mm` must be a finite number and >= 70; got 0"),
        ("f.svg", -85, ValueError, "`width_mm`"),
        ("f.svg", float("nan"), ValueError, "`width_mm`"),
        ("f.svg", "wide", TypeError, "`width_mm`"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(view, tmp_path, name, width, error, text):
    with pytest.raises(error, match=text):
        view.save_figure(tmp_path / name, width_mm=width)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_is_written_whole_or_not_at_all(view, tmp_path, monkeypatch):
    path = tmp_path / "f.svg"
    path.write_text("the old figure")

    def full(self, file, **options):
        file.write(b"<?xml")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="no space left"):
        view.save_figure(path)
    assert [each.name for each in tmp_path.iterdir()] == ["f.svg"]
    assert path.read_text() == "the old figure"


def test_without_matplotlib_it_says_what_to_install(view, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "semrsm-widgets\[figures\]"'):
        view.save_figure(tmp_path / "f.svg")


def test_an_explorer_that_is_loading_says_so(tmp_path):
    import threading

    go = threading.Event()

    def make(job, explorer):
        go.wait(DEADLINE)
        return make_analysis()

    explorer = Explorer(make)
    with pytest.raises(ValueError, match=r"Call explorer\.wait\(\)"):
        explorer.save_figure(tmp_path / "f.svg")
    go.set()
    assert explorer.wait(DEADLINE)
    explorer.save_figure(tmp_path / "f.svg")
    explorer.close()


def test_lines_break_at_spaces_and_words_are_clipped():
    assert wrapped("a b", 100) == ["a b"]
    lines = wrapped("one two three four five", 12)
    assert " ".join(lines) == "one two three four five"
    assert all(text_width(line) <= 12 for line in lines)
    assert clipped("x" * 50, 10).endswith("…")
    assert text_width(clipped("x" * 50, 10)) <= 10
    assert clipped("wide", 0.1) == ""


@pytest.mark.parametrize(
    ("value", "digits", "words"),
    [
        (0.123, 2, "0.12"),
        (-0.5, 1, "\N{MINUS SIGN}0.5"),
        (0.0, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (12.34, 2, "12.3"),
        (1234.0, 2, "1234"),
        (1e-7, 2, "1.0e\N{MINUS SIGN}7"),
        (2.5e6, 2, "2.5e6"),
    ],
)
def test_numbers_are_written_as_people_read_them(value, digits, words):
    assert number(value, digits) == words


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (3.4e-5, "within 4e\N{MINUS SIGN}5"),
        (9.7e-5, "within 1e\N{MINUS SIGN}4"),
        (1e-9, "within 1e\N{MINUS SIGN}6"),
        (0.0, "that of the best"),
        (np.inf, "uncertified"),
    ],
)
def test_certificates_are_rounded_up(gap, words):
    assert words in certificate_sentence("It", gap)
