"""Similarities as sums over patches: against loops written out, and what must hold for any pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.analyses import SPLIT, make_matches

import semrsm_widgets as srsm
from semrsm_widgets.rsm import PATCH_SIMILARITIES, SIMILARITIES


@pytest.mark.parametrize("similarity", SPLIT)
@pytest.mark.parametrize("offset", [0.0, 1.5, -0.2])
def test_contributions_add_up_over_the_patches_of_either_image(similarity, offset):
    _, _, matches = make_matches(offset=offset)
    split = matches.split(similarity)
    value = {"best match": matches.semantic, "same position": matches.aligned, "mean token": matches.pooled}[similarity]
    assert split.value == pytest.approx(value)
    assert split.contribution.sum() == pytest.approx(value)
    assert split.other_contribution.sum() == pytest.approx(value)


def test_the_values_are_those_of_the_kernels():
    x, y, matches = make_matches(seed=3, offset=0.4)
    tokens = torch.from_numpy(np.stack([x, y]))
    assert matches.split("best match").value == pytest.approx(srsm.semantic_rsm(tokens, matcher=srsm.Exact())[0, 1])
    assert matches.split("same position").value == pytest.approx(srsm.aligned_rsm(tokens)[0, 1])
    assert matches.split("mean token").value == pytest.approx(srsm.pooled_rsm(tokens)[0, 1])


@pytest.mark.parametrize("similarity", ["best match", "same position"])
def test_a_patch_has_the_cosine_and_the_contribution_of_its_pair(similarity):
    x, y, matches = make_matches(seed=1)
    split = matches.split(similarity)
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    for s, t in enumerate(split.partner):
        assert t == (matches.permutation[s] if similarity == "best match" else s)
        assert split.contribution[s] == pytest.approx(x[s] @ y[t] / norm)
        assert split.other_contribution[t] == pytest.approx(x[s] @ y[t] / norm)
        cosine = x[s] @ y[t] / (np.linalg.norm(x[s]) * np.linalg.norm(y[t]))
        assert split.token_cosine[s] == split.other_token_cosine[t] == pytest.approx(cosine)


def test_the_mean_token_has_no_partners_and_splits_over_both_images():
    x, y, matches = make_matches(seed=2, offset=0.3)
    split = matches.split("mean token")
    assert set(split.partner) == {-1}
    norm = np.linalg.norm(x.mean(0)) * np.linalg.norm(y.mean(0))
    for s in range(len(x)):
        assert split.contribution[s] == pytest.approx(x[s] @ y.mean(0) / len(x) / norm)
        assert split.other_contribution[s] == pytest.approx(y[s] @ x.mean(0) / len(y) / norm)
        cosine = x[s] @ y.mean(0) / (np.linalg.norm(x[s]) * np.linalg.norm(y.mean(0)))
        assert split.token_cosine[s] == pytest.approx(cosine)


def test_the_nearest_partner_is_free_and_reaches_no_less():
    x, y, matches = make_matches(seed=4)
    affinity = x @ y.T
    np.testing.assert_array_equal(matches.nearest.partner, affinity.argmax(1))
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    assert matches.nearest.value == pytest.approx(affinity.max(1).sum() / norm)
    assert matches.nearest.value >= matches.semantic
    assert len(set(matches.nearest.partner)) < len(x)  # here some are taken twice
    assert matches.nearest.other_contribution.sum() == pytest.approx(matches.nearest.value)


def test_what_cannot_be_explained_is_refused():
    _, _, matches = make_matches()
    with pytest.raises(ValueError, match="splits exactly"):
        matches.split("class token")
    with pytest.raises(ValueError, match="best match"):
        matches.split("best")
    _, _, other = make_matches(pair=(1, 2))
    with pytest.raises(ValueError, match="same query"):
        srsm.contribution_difference(matches, other)
    _, _, deeper = make_matches(layer="b")
    with pytest.raises(ValueError, match="same layer"):
        srsm.contribution_difference(matches, deeper)


def test_sets_of_different_size_have_no_same_position():
    _, _, matches = make_matches(sizes=(6, 9))
    assert "same position" not in matches.splits
    with pytest.raises(ValueError, match="splits exactly over these patches: best match, mean token"):
        matches.split("same position")
    assert matches.split("best match").contribution.sum() == pytest.approx(matches.semantic)
    _, _, more = make_matches(sizes=(9, 6))
    assert more.split("best match").other_contribution.sum() == pytest.approx(more.semantic)
    assert np.isnan(more.token_cosine).sum() == 3


def test_the_class_tokens_are_compared_where_there_are_some():
    rng = np.random.default_rng(6)
    pictures = [rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(2)]
    values, prefix = (torch.from_numpy(rng.normal(size=shape)) for shape in ((2, 4, 6), (2, 3, 6)))
    with_class = srsm.Tokens(values=values, prefix=prefix, has_class_token=True, grid=(2, 2), layer="a")
    registers = srsm.Tokens(values=values, prefix=prefix, grid=(2, 2), layer="b")
    analysis = srsm.Analysis(srsm.load_images(pictures), {"a": with_class, "b": registers}, matcher=srsm.Exact())
    x, y = prefix[:, 0].numpy()
    expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert analysis.matches("a", 0, 1).class_token == pytest.approx(expected)
    assert np.isnan(analysis.matches("b", 0, 1).class_token)


def test_a_similarity_goes_by_its_name_as_by_its_caption():
    _, _, matches = make_matches()
    _, _, other = make_matches(pair=(0, 2))
    for name in PATCH_SIMILARITIES:
        caption = SIMILARITIES[name].caption
        assert matches.split(name) is matches.split(caption) is matches.splits[caption]
        assert matches.split(name).value == pytest.approx(getattr(matches, name))
        by_name, by_caption = (srsm.contribution_difference(matches, other, each) for each in (name, caption))
        np.testing.assert_array_equal(by_name, by_caption)
