"""Reports as files and in notebooks: written whole, what is refused, progress, and recipes seen at once."""

from __future__ import annotations

import re

import pytest
from helpers.analyses import make_analysis
from helpers.pages import Elements
from helpers.views import shown
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.analysis.recipe import AnalysisRecipe
from semrsm_widgets.report import report


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
        ({"path": "r.html", "pair": 3}, "`pair` must be indices of two different images"),
        ({"path": "r.html", "pair": (0, "1")}, "`pair` must be indices of two different images"),
        ({"path": "r.html", "images": "no"}, "`images` must be True or False"),
        ({"path": "r.html", "labels": 1}, "`labels` must be True or False"),
        ({"path": "r.html", "query": 8}, "`query` must be an integer from 0 to 7"),
        ({"path": "r.html", "neighbours": 0}, "`neighbours` must be"),
        ({"path": "r.html", "max_megabytes": 0}, "`max_megabytes` must be"),
    ],
)
def test_what_cannot_be_is_refused(analysis, tmp_path, arguments, said):
    path = tmp_path / arguments.pop("path")
    with pytest.raises((ValueError, TypeError), match=said):
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
    bundle = shown(static)
    (attributes,) = (attributes for tag, attributes in Elements(bundle["text/html"]).tags if tag == "iframe")
    assert attributes["srcdoc"] == static.html
    assert attributes["sandbox"] == "allow-scripts"
    assert re.fullmatch(r"StaticReport\(\d\.\d MB\)", bundle["text/plain"])


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
