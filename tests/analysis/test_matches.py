"""How two images are matched: parts, margins, cells and pixels, against loops written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.analyses import GRID, SPLIT, TOKENS, N, make_matches, make_tokens

import semrsm_widgets as srsm
from semrsm_widgets.analysis.matches import match_patches


def test_matches_split_the_semantic_cosine_exactly(analysis):
    matches = analysis.matches("a", 1, 3)
    assert matches.contribution.sum() == pytest.approx(matches.semantic, abs=1e-6)
    assert matches.semantic == pytest.approx(analysis.rsm("a")[1, 3], abs=1e-9)
    assert matches.aligned == pytest.approx(analysis.rsm("a", matcher=srsm.Identity())[1, 3], abs=1e-6)
    assert matches.pooled == pytest.approx(srsm.pooled_rsm(analysis.tokens["a"])[1, 3], abs=1e-6)
    x, y = (analysis.tokens["a"].values[k].double().numpy() for k in (1, 3))
    for token, partner in enumerate(matches.permutation):
        assert matches.inverse[partner] == token
        cosine = x[token] @ y[partner] / np.linalg.norm(x[token]) / np.linalg.norm(y[partner])
        assert matches.token_cosine[token] == pytest.approx(cosine)
    top = matches.top(4)
    assert list(matches.contribution[top]) == sorted(matches.contribution, reverse=True)[:4]


def test_the_any_matching_is_the_mean_over_all_matchings(images):
    from itertools import permutations

    rng = np.random.default_rng(3)
    values = torch.from_numpy(rng.normal(size=(N, 4, 3)))
    analysis = srsm.Analysis(images, {"a": srsm.Tokens(values=values, grid=(2, 2))}, matcher=srsm.Exact())
    matches = analysis.matches("a", 0, 1)
    x, y = values[0].numpy(), values[1].numpy()
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    every = [sum(x[s] @ y[p[s]] for s in range(4)) / norm for p in permutations(range(4))]
    assert matches.any_matching == pytest.approx(np.mean(every))
    assert matches.semantic == pytest.approx(max(every))


def test_an_image_with_itself_matches_every_token_at_its_place(analysis):
    matches = analysis.matches("a", 2, 2)
    assert matches.same_position == 1.0
    assert matches.semantic == pytest.approx(1.0)


def test_an_all_zero_image_is_zero_everywhere(images):
    tokens = make_tokens()
    tokens.values[0] = 0
    matches = srsm.Analysis(images, {"a": tokens}, matcher=srsm.Exact()).matches("a", 0, 1)
    assert matches.semantic == matches.aligned == matches.pooled == 0.0
    assert not matches.contribution.any()


def test_contributions_of_all_three_split_over_the_patches(analysis):
    matches = analysis.matches("a", 0, 2)
    assert matches.aligned_contribution.sum() == pytest.approx(matches.aligned, abs=1e-9)
    assert matches.pooled_contribution.sum() == pytest.approx(matches.pooled, abs=1e-9)
    x, y = (analysis.tokens["a"].values[k].double().numpy() for k in (0, 2))
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    np.testing.assert_allclose(matches.aligned_contribution, (x * y).sum(1) / norm)


def test_margins_are_against_the_best_other_token(analysis, monkeypatch):
    from semrsm_widgets.analysis import matches as module

    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 3 * TOKENS)  # three rows at a time
    matches = analysis.matches("a", 0, 2)
    x, y = (analysis.tokens["a"].values[k].double().numpy() for k in (0, 2))
    for s, partner in enumerate(matches.permutation):
        others = [x[s] @ y[t] for t in range(TOKENS) if t != partner]
        assert matches.value[s] == pytest.approx(x[s] @ y[partner])
        assert matches.margin[s] == pytest.approx(x[s] @ y[partner] - max(others))


def test_a_frame_of_matches_has_cells_and_pixels(images):
    from torch import nn
    from torchvision import transforms

    model = srsm.VisionModel(nn.Identity(), transforms.Compose([transforms.CenterCrop(12), transforms.ToTensor()]))
    analysis = srsm.Analysis(images, {"a": make_tokens()}, model=model, matcher=srsm.Exact())
    matches = analysis.matches("a", 0, 1)
    table = matches.to_frame()
    assert len(table) == TOKENS
    assert list(table["rank"]) == list(range(1, TOKENS + 1))
    assert list(table["token"]) == list(matches.top(TOKENS))
    assert table["contribution"].is_monotonic_decreasing
    line = table.iloc[0]
    assert line["token"] == line["row"] * GRID[1] + line["column"]
    assert matches.permutation[int(line["token"])] == line["other_row"] * GRID[1] + line["other_column"]
    # The images are 24 wide and 20 high, the model sees the middle 12 x 12 of them as 3 x 4 cells.
    assert line["left"] == 6 + 3 * line["column"]
    assert line["other_bottom"] == 4 + 4 * (line["other_row"] + 1)
    assert line["value"] == matches.value[int(line["token"])]
    unknown = srsm.Analysis(images, {"a": make_tokens()}, matcher=srsm.Exact()).matches("a", 0, 1).to_frame()
    assert "left" not in unknown


def test_a_match_is_ambiguous_where_another_partner_is_better_or_less_than_5_percent_below():
    x = np.eye(4)
    y = np.eye(4)
    y[3, 0] = 0.97  # less than 5 % below for token 0
    assignment = srsm.Exact()(torch.from_numpy(x)[None], torch.from_numpy(y)[None])
    matches = match_patches(assignment, x, y, layer="a", pair=(0, 1), grid=(2, 2), other_grid=(2, 2))
    assert matches.ambiguous().tolist() == [True, False, False, False]
    assert matches.ambiguous(0.01).tolist() == [False] * 4
    _, _, one = make_matches(sizes=(3, 3))
    np.testing.assert_array_equal(one.ambiguous(), one.margin < 0.05 * np.abs(one.value))


def test_one_token_has_no_second_best():
    x = np.ones((1, 3))
    assignment = srsm.Exact()(torch.from_numpy(x)[None], torch.from_numpy(x)[None])
    matches = match_patches(assignment, x, x, layer="a", pair=(0, 1), grid=(1, 1), other_grid=(1, 1))
    assert matches.ambiguous().tolist() == [False]
    assert matches.nearest.partner.tolist() == [0]


@pytest.mark.parametrize("similarity", SPLIT)
def test_the_difference_to_another_image_adds_up_to_that_of_the_similarities(similarity):
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(3)]
    tokens = srsm.Tokens(values=torch.from_numpy(rng.normal(size=(3, 12, 6)) + 0.3), grid=(3, 4), layer="a")
    analysis = srsm.Analysis(srsm.load_images(pictures), {"a": tokens}, matcher=srsm.Exact())
    hit, expected = analysis.matches("a", 0, 1), analysis.matches("a", 0, 2)
    difference = srsm.contribution_difference(hit, expected, similarity)
    rsm = {
        "best match": analysis.rsm("a"),
        "same position": analysis.rsm("a", matcher=srsm.Identity()),
        "mean token": srsm.pooled_rsm(tokens),
    }[similarity]
    assert difference.shape == (12,)
    assert difference.sum() == pytest.approx(rsm[0, 1] - rsm[0, 2])
    assert not srsm.contribution_difference(hit, hit, similarity).any()
