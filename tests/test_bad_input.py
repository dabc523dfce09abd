"""Views over what is unusual or broken: pictures that are gone or are none, one layer, constant RSMs, many images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from helpers.analyses import make_layers
from helpers.views import DEADLINE, ask, opened_page
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.views.base.placed import missing_picture


def is_missing(jpeg):
    """Return whether a picture is the tile that stands for one that cannot be read."""
    picture = Image.open(io.BytesIO(bytes(jpeg)))
    expected = missing_picture(max(picture.size))
    return picture.size == expected.size and np.abs(np.asarray(picture, float) - np.asarray(expected)).mean() < 6


@pytest.fixture
def broken(tmp_path):
    """An Analysis of four images; the file of the second has gone since."""
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{k}.png" for k in range(4)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(path)
    images = srsm.load_images([str(path) for path in paths])
    paths[1].unlink()
    return srsm.Analysis(images, make_layers(4, grid=(2, 2)), matcher=srsm.Exact())


@pytest.mark.parametrize("picture", [np.full((20, 30, 3), np.nan), np.zeros((20, 30, 7))])
def test_an_array_that_is_no_picture_is_refused_by_name_when_it_is_loaded(picture):
    with pytest.raises(ValueError, match="`image 1` must be"):
        srsm.load_images([np.zeros((20, 30, 3)), picture])


def test_a_picture_that_cannot_be_read_is_a_crossed_out_tile_in_the_heatmaps(broken):
    view = srsm.RSMView(broken)
    sent = opened_page(view)
    assert (view.last_error, view.status.state) == ("", "ready")
    ((_, thumbnails),) = sent.of("thumbnails")
    assert [is_missing(jpeg) for jpeg in thumbnails] == [False, True, False, False]
    assert sent.of("frame")
    view.close()


def test_a_pair_of_a_picture_that_cannot_be_read_still_shows_its_matches(broken):
    view = srsm.PairView(broken, pair=(0, 1))
    sent = opened_page(view)
    assert view.last_error == ""
    content, pictures = sent.of("pictures")[-1]
    assert [is_missing(jpeg) for jpeg in pictures] == [False, True]
    assert [list(box) for box in content["boxes"]] == [[0, 0, 1, 1]] * 2
    assert sent.of("matches")[-1][0]["semantic"] == pytest.approx(broken.rsm(view.layer)[0, 1])
    assert view.picture() is not None
    view.close()


def test_a_figure_needs_its_pictures_and_names_the_one_that_is_missing(broken, tmp_path):
    view = srsm.PairView(broken, pair=(0, 1))
    assert view.wait(DEADLINE)
    with pytest.raises(FileNotFoundError, match=r"image '1\.png' does not exist"):
        view.save_figure(tmp_path / "f.svg")
    assert not (tmp_path / "f.svg").exists()
    view.close()


def test_one_layer_is_enough():
    images = srsm.load_images([np.full((8, 8, 3), 40 * k, np.uint8) for k in range(4)])
    explorer = srsm.explore(srsm.Analysis(images, make_layers(4, ("only",), (2, 2)), matcher=srsm.Exact()))
    assert explorer.wait(DEADLINE)
    assert explorer.last_error == ""
    assert explorer.layer == explorer.rsm_view.layer == explorer.pair_view.layer == "only"
    explorer.close()


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_constant_rsm_is_shown(value):
    images = srsm.load_images([np.full((8, 8, 3), 40 * k, np.uint8) for k in range(4)])
    tokens = make_layers(4, ("a",), (2, 2))
    tokens["a"].values[:] = value
    analysis = srsm.Analysis(images, tokens, matcher=srsm.Exact())
    if value == 0:
        with pytest.warns(RuntimeWarning, match="all zero"):
            analysis.similarities("a")
    for make in (srsm.RSMView, srsm.PairView):
        view = make(analysis)
        sent = opened_page(view)
        assert view.last_error == ""
        assert view.status.state == "ready"
        assert sent.of("frame") or sent.of("matches")
        view.picture()
        view.close()


def test_two_thousand_images_are_sent_one_frame_at_a_time():
    n = 2000
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    images = srsm.load_images([noise] * n)
    analysis = srsm.Analysis(images, make_layers(n, grid=(1, 1)))
    view = srsm.RSMView(analysis, layer="a", patience=1e9)
    sent = opened_page(view)
    assert view.last_error == ""
    assert sent.of("thumbnails") == []  # they come with a hover
    complete = [(content, buffers) for content, buffers in sent.of("frame") if content["complete"]]
    assert {content["layer"] for content, _ in complete} == {"a"}  # the others when they are asked for
    assert max(sum(map(len, buffers)) for _, buffers in complete) < 16 * 2**20
    ask(view, kind="value", i=3, j=1999)
    ((value, pictures),) = sent.of("value")
    assert value["values"]["semantic"] == pytest.approx(analysis.rsm("a")[3, 1999])
    assert len(pictures) == 2
    view.close()


def test_pictures_with_nan_are_refused_where_they_come_in():
    with pytest.raises(ValueError, match="floats from 0 to 1; got float64 from nan"):
        srsm.load_images([np.full((8, 8, 3), np.nan)])
