"""What is hardly above the level of unrelated tokens looks like it, and is said to be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.analyses import make_analysis, make_matches
from helpers.views import drawn
from PIL import Image

from semrsm_widgets.rsm import NullLevel
from semrsm_widgets.views.pair.still import pair_still, put_back
from semrsm_widgets.views.pair.trust import BARELY, FAINTEST, FULL, excess, opacities, verdict

NULL = NullLevel(mean=0.2, quantile95=0.23, n=96)


def test_excess_is_measured_from_the_level_to_one():
    assert excess(0.2, NULL) == 0
    assert excess(1.0, NULL) == 1
    assert excess(0.6, NULL) == pytest.approx(0.5)
    assert excess(0.1, NULL) < 0


def test_matches_fade_with_their_excess_and_all_of_them_with_that_of_the_pair():
    cosine = np.array([0.9, 0.2 + 0.8 * FULL / 2, 0.2, -0.5, np.nan])
    strong = opacities(cosine, 0.7, NULL)
    assert strong[0] == 1
    assert strong[1] == pytest.approx(FAINTEST + (1 - FAINTEST) / 2)
    assert strong[2:].tolist() == [FAINTEST] * 3
    assert opacities(cosine, 0.2 + 0.8 * BARELY, NULL)[0] == pytest.approx(FAINTEST + (1 - FAINTEST) / 2)
    assert opacities(cosine, 0.2 + 0.8 * 1.5 * BARELY, NULL)[0] == pytest.approx(1)
    assert opacities(cosine, NULL.quantile95, NULL).tolist() == [FAINTEST] * 5
    assert opacities(cosine, 0.7, None).tolist() == [1] * 5  # not known yet


def test_a_sentence_says_what_not_to_read():
    assert "No more than unrelated" in verdict(NULL.mean, NULL, 0.1)
    assert f"Unrelated tokens reach {NULL.quantile95:.2f} once in twenty" in verdict(0.22, NULL, 0.1)
    assert f"Barely above unrelated, less than {0.2 + 0.8 * BARELY:.2f}" in verdict(0.25, NULL, 0.1)
    assert f"read from {0.2 + 0.8 * BARELY:.2f} on" in verdict(0.22, NULL, 0.1)  # where the band on the bars ends
    assert "Any matching gives more than half" in verdict(0.6, NULL, 0.31)
    assert verdict(0.6, NULL, 0.29) == ""
    assert verdict(0.22, None, 0.2) == ""


def test_the_still_of_an_unrelated_pair_is_pale_and_leaves_out_what_is_not_above():
    _, _, matches = make_matches()
    matches = replace(matches, token_cosine=np.linspace(0.9, 0.1, 12), semantic=0.7)
    black = Image.new("RGB", (300, 300), "black")
    sides = [(black, (0.0, 0.0, 1.0, 1.0))] * 2
    unrelated = replace(matches, semantic=0.2)

    def darkness(each, **options):
        panel = pair_still(each, sides, 0, **options).crop((680, 60, 960, 270))
        return 1 - np.asarray(panel.convert("L")).mean() / 255

    assert darkness(matches) > 0.8
    assert darkness(unrelated, null=NULL) == pytest.approx(FAINTEST, abs=0.05)
    between = darkness(matches, null=NULL)
    assert FAINTEST < darkness(matches, null=NULL, above_unrelated=True) < between < darkness(matches)
    # the tile of the strongest match is whole
    tiles = np.asarray(put_back(matches, black, (0, 0, 300, 300), opacity=opacities(matches.token_cosine, 0.7, NULL)))
    assert tiles[20, 20].max() < 10
    assert tiles[-20, -20].min() > 200


def test_the_view_hands_the_level_and_the_choice_to_its_picture_and_its_figure(open_pair):
    view = open_pair(make_analysis(), layer="a", pair=(0, 1))  # noise
    null = view.analysis.null("a")
    matches = view.analysis.matches("a", 0, 1)
    said = verdict(matches.semantic, null, matches.any_matching)
    assert said
    assert said in drawn(view).caption
    before = np.asarray(view.picture())
    view.above_unrelated = True
    assert (np.asarray(view.picture()) != before).any()
