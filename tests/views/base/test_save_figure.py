"""Every view as a figure for a paper: three formats, the same bytes each time, nothing cut or overlapping."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from helpers.analyses import make_analysis
from helpers.views import drawn, texts_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.figures.sheet import paper_style

N, GRID = 6, (4, 5)


@pytest.fixture(params=["rsm", "pair", "why", "retrieval", "explorer"])
def view(request, opened):
    analysis = make_analysis(N, grid=GRID)
    make = {
        "rsm": lambda: srsm.RSMView(analysis, layer="b", pair=(1, 4)),
        "pair": lambda: srsm.PairView(analysis, layer="b", pair=(1, 4), top_k=12),
        "why": lambda: srsm.PairView(analysis, layer="b", pair=(1, 4), expected=2),
        "retrieval": lambda: srsm.RetrievalView(analysis, layer="b", query=1, box=(0, 1, 2, 3)),
        "explorer": lambda: srsm.explore(analysis, layer="b", pair=(1, 4)),
    }
    return opened(make[request.param]())


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
    analysis = make_analysis(N, grid=grid, ids=names)
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


def test_the_user_s_matplotlib_settings_play_no_part_and_stay(view, tmp_path):
    expected = view.save_figure(tmp_path / "a.svg").read_bytes()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert view.save_figure(tmp_path / "b.svg").read_bytes() == expected
        assert matplotlib.rcParams["font.size"] == 30


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


def test_a_path_that_is_none_is_refused_by_name(opened):
    with pytest.raises(TypeError, match="`path` must be a file name"):
        opened(srsm.RSMView(make_analysis(N, grid=GRID))).save_figure(3)


def test_without_matplotlib_it_says_what_to_install(view, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "semrsm-widgets\[figures\]"'):
        view.save_figure(tmp_path / "f.svg")
