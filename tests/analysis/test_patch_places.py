"""Where a set holds a patch again, against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import TOKENS, N, make_analysis

import semrsm_widgets as srsm


def unit(values):
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-30)


def test_places_are_those_of_plain_cosines():
    analysis = make_analysis()
    tokens = unit(analysis.tokens["a"].values.double().numpy())
    cosines = tokens @ tokens[2, 7]
    best = cosines.max(1)
    others = [k for k in np.argsort(-best) if k != 2]
    found = analysis.patch_places("a", 2, 7, k=4)
    np.testing.assert_array_equal(found.images, others[:4])
    np.testing.assert_array_equal(found.tokens, cosines.argmax(1)[others[:4]])
    np.testing.assert_allclose(found.cosine, best[others[:4]], atol=1e-6)
    assert len(analysis.patch_places("a", 2, 7, k=100).images) == N - 1  # never the patch's own image


def test_an_unrelated_patch_reaches_the_level_it_is_said_to():
    """Noise is unrelated to noise: what a patch finds best is the level, within the spread of a maximum."""
    analysis = make_analysis(n=40)
    found = analysis.patch_places("a", 0, 3, k=39)
    assert found.unrelated == pytest.approx(found.cosine.mean(), abs=0.1)
    assert found.cosine[0] > found.unrelated > found.cosine[-1]


def test_token_cosines_are_plain_ones_and_zero_for_a_zero_token():
    analysis = make_analysis()
    analysis.tokens["a"].values[1, 5] = 0
    values = analysis.tokens["a"].values.double().numpy()
    found = analysis.token_cosines("a", 0, 1)
    np.testing.assert_allclose(found, unit(values[0]) @ unit(values[1]).T, atol=1e-6)
    assert not found[:, 5].any()
    assert analysis.patch_places("a", 1, 5).cosine.max() == 0  # a zero token is like nothing


def test_one_image_has_no_other_places():
    found = make_analysis(n=1).patch_places("a", 0, 0)
    assert len(found.images) == 0
    assert np.isnan(found.unrelated)


@pytest.mark.parametrize(("image", "token", "text"), [(N, 0, "7"), (0, TOKENS, "`token`"), (0, -1, "`token`")])
def test_what_is_no_patch_is_refused(image, token, text):
    with pytest.raises(ValueError, match=text):
        make_analysis().patch_places("a", image, token)


def test_tokens_of_half_precision_are_read():
    values = srsm.Tokens(values=make_analysis().tokens["a"].values.half(), layer="a")
    analysis = srsm.Analysis(make_analysis().images, {"a": values})
    assert analysis.patch_places("a", 0, 0).cosine[0] == pytest.approx(
        make_analysis().patch_places("a", 0, 0).cosine[0], abs=2e-3
    )
