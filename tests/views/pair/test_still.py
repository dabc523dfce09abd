"""The picture of a PairView where no widget runs."""

from __future__ import annotations

import numpy as np
import torch
from helpers.analyses import GRID, make_analysis
from helpers.views import DEADLINE, from_hex

import semrsm_widgets as srsm
from semrsm_widgets.figures.place_palette import AGAINST, CORNERS, FOR, place_colours
from semrsm_widgets.views.pair.still import pair_still, put_back
from semrsm_widgets.views.pair.view import CAPTIONS


def test_rebuilding_an_image_from_itself_gives_it_back():
    analysis = make_analysis(layers="abc")
    matches = analysis.matches("a", 2, 2)
    panel = analysis.images.image(2).resize((400, 300))
    rebuilt = put_back(matches, panel, (0, 0, 400, 300))
    expected = np.asarray(panel.resize(rebuilt.size), dtype=float)
    assert np.abs(np.asarray(rebuilt, dtype=float) - expected).mean() < 12


def count(picture, colour):
    return int((np.asarray(picture) == np.array(from_hex(colour))).all(-1).sum())


def test_the_picture_explains_what_is_chosen(open_pair):
    view = open_pair(make_analysis(prefix=1), layer="a", pair=(0, 1), top_k=12)
    pictures = {}
    for similarity in CAPTIONS:
        view.similarity = similarity
        pictures[similarity] = view.picture()
    assert count(pictures["mean token"], FOR) > 100
    assert count(pictures["mean token"].crop((340, 0, 672, 400)), FOR) > 100  # on B too
    assert count(pictures["best match"], CORNERS[0]) > 100
    assert count(pictures["best match"], FOR) == count(pictures["class token"], FOR) == 0
    assert pictures["best match"].width > pictures["same position"].width  # B's patches are moved in the first alone
    view.expected = 3
    view.similarity = "best match"
    assert view.wait(DEADLINE)
    why = view.picture()
    difference = srsm.contribution_difference(view.analysis.matches("a", 0, 1), view.analysis.matches("a", 0, 3))
    assert (count(why, FOR) > 100) == (difference > 0).any()
    assert (count(why, AGAINST) > 100) == (difference < 0).any()


def test_an_ambiguous_match_is_dashed_in_the_picture():
    analysis = make_analysis(layers=("a",), n=2)
    x = torch.eye(12)[:, :12]
    tokens = analysis.tokens["a"]
    values = torch.stack([x, x.clone()])
    clear = srsm.Tokens(values=values, grid=GRID, native_grid=GRID, layer="a")
    values = values.clone()
    values[1] += 0.97 * torch.roll(torch.eye(12), 1, 0)
    unclear = srsm.Tokens(values=values, grid=GRID, native_grid=GRID, layer="a")
    assert tokens.grid == GRID
    drawn = []
    for each in (clear, unclear):
        matches = srsm.Analysis(analysis.images, {"a": each}, matcher=srsm.Exact()).matches("a", 0, 1)
        picture = analysis.images.thumbnail(0, 360)
        sides = [(picture, (0.0, 0.0, 1.0, 1.0))] * 2
        drawn.append((matches.ambiguous().all(), np.asarray(pair_still(matches, sides, 1))))
    assert [ambiguous for ambiguous, _ in drawn] == [False, True]
    middle = np.array(place_colours(range(9), (3, 3))[4])
    solid, dashed = ((pixels == middle).all(-1).sum() for _, pixels in drawn)
    assert 0 < dashed < 0.5 * solid
