"""What PairView sends of a pair: every similarity and every patch's part in it, by name."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import make_analysis
from helpers.views import DEADLINE

import semrsm_widgets as srsm
from semrsm_widgets.views.pair.view import CAPTIONS


def test_one_message_has_every_similarity_so_that_a_choice_asks_nothing(sent, open_pair):
    analysis = make_analysis(prefix=3)
    view = open_pair(analysis, layer="a", pair=(0, 3))
    content, arrays = sent.newest("matches")
    matches = analysis.matches("a", 0, 3)
    np.testing.assert_array_equal(arrays["permutation"], matches.permutation)
    np.testing.assert_array_equal(arrays["inverse"], matches.inverse)
    np.testing.assert_array_equal(arrays["ambiguous"], matches.ambiguous())
    np.testing.assert_array_equal(arrays["nearest"], matches.nearest.partner)
    mean = matches.split("mean token")
    for name, expected, value in (
        ("contribution", matches.contribution, content["semantic"]),
        ("nearest_contribution", matches.nearest.contribution, content["nearest_value"]),
        ("aligned_contribution", matches.aligned_contribution, content["aligned"]),
        ("pooled_contribution", matches.pooled_contribution, content["pooled"]),
        ("other_pooled_contribution", mean.other_contribution, content["pooled"]),
    ):
        np.testing.assert_allclose(arrays[name], expected, atol=1e-7)
        assert arrays[name].sum() == pytest.approx(value, abs=1e-5)
    for name, expected in (
        ("cosine", matches.token_cosine),
        ("nearest_cosine", matches.nearest.token_cosine),
        ("aligned_cosine", matches.split("same position").token_cosine),
        ("pooled_cosine", mean.token_cosine),
        ("other_pooled_cosine", mean.other_token_cosine),
    ):
        np.testing.assert_allclose(arrays[name], expected, atol=1e-6)
    assert content["class_token"] == pytest.approx(matches.class_token)
    before = len(sent)
    for similarity in CAPTIONS:
        view.similarity = similarity
    view.one_to_one = False
    assert view.wait(DEADLINE)
    assert len(sent) == before


@pytest.mark.parametrize("how", ["given", "set"])
def test_an_expected_image_sends_its_picture_and_matches_before_the_pair_is_sent(sent, open_pair, how):
    analysis = make_analysis()
    view = open_pair(analysis, layer="a", pair=(0, 1), expected=3 if how == "given" else -1)
    if how == "set":
        sent.clear()
        view.expected = 3
        assert view.wait(DEADLINE)
    assert [kind for kind in sent.kinds if kind != "pictures"][:3] == ["expected picture", "expected", "matches"]
    picture, _ = sent.newest("expected picture")
    assert picture["image"] == 3
    hit, hit_arrays = sent.newest("matches")
    expected, expected_arrays = sent.newest("expected")
    assert (hit["pair"], expected["pair"]) == ([0, 1], [0, 3])
    for name, value in (("contribution", "semantic"), ("aligned_contribution", "aligned")):
        difference = hit_arrays[name] - expected_arrays[name]
        assert difference.sum() == pytest.approx(hit[value] - expected[value], abs=1e-5)
    difference = hit_arrays["contribution"] - expected_arrays["contribution"]
    wanted = srsm.contribution_difference(analysis.matches("a", 0, 1), analysis.matches("a", 0, 3))
    np.testing.assert_allclose(difference, wanted, atol=1e-7)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_tokens_are_shown(sent, open_pair, value):
    analysis = make_analysis()
    for tokens in analysis.tokens.values():
        tokens.values[:] = value
    view = open_pair(analysis, expected=2)
    content, arrays = sent.newest("matches")
    assert content["semantic"] == pytest.approx(value)
    assert arrays["contribution"].sum() == pytest.approx(value, abs=1e-6)
    if value:
        assert arrays["ambiguous"].all()
    for similarity in CAPTIONS:
        view.similarity = similarity
        assert view.picture() is not None
