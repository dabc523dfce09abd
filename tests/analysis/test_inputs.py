"""What an Analysis refuses to be made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from helpers.analyses import CHANNELS, TOKENS, N, make_tokens

import semrsm_widgets as srsm


@pytest.mark.parametrize(
    ("tokens", "error", "text"),
    [
        ({}, ValueError, "at least one layer"),
        ({"a": torch.zeros(N, TOKENS, CHANNELS)}, TypeError, r"tokens\['a'\].*must be Tokens"),
        ({"a": make_tokens(3)}, ValueError, "same 8 images.*3 images"),
    ],
)
def test_wrong_tokens_are_refused(images, tokens, error, text):
    with pytest.raises(error, match=text):
        srsm.Analysis(images, tokens)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"probabilities": np.full((3, 2), 0.5)}, r"`probabilities` must be of shape \(8, classes\)"),
        ({"probabilities": np.ones((N, 2))}, "rows that sum to 1"),
        ({"query_tokens": {"a": make_tokens()}}, "`queries` must be given together"),
    ],
)
def test_wrong_extras_are_refused(images, options, text):
    with pytest.raises(ValueError, match=text):
        srsm.Analysis(images, {"a": make_tokens()}, **options)


def test_queries_of_other_layers_are_refused(images):
    with pytest.raises(ValueError, match=r"of the layers \['a'\].*Extract both with the same"):
        srsm.Analysis(images, {"a": make_tokens()}, queries=images, query_tokens={"b": make_tokens()})


def test_a_matcher_without_a_hash_is_refused_before_anything_is_computed():
    @dataclass
    class Mine:
        def __call__(self, x, y):
            return srsm.Exact()(x, y)

    images, tokens = srsm.load_images([np.zeros((8, 8, 3), np.uint8)] * 2), np.ones((2, 3, 4), np.float32)
    layers = {"a": srsm.Tokens(values=torch.from_numpy(tokens), layer="a")}
    with pytest.raises(TypeError, match=r"`matcher` must be a matcher with a hash.*frozen=True"):
        srsm.Analysis(images, layers, matcher=Mine())
    analysis = srsm.Analysis(images, layers)
    for call in (analysis.gram, analysis.rsm, lambda layer, matcher: analysis.assignment(layer, 0, 1, matcher=matcher)):
        with pytest.raises(TypeError, match="`matcher` must be a matcher with a hash"):
            call("a", matcher=Mine())
        with pytest.raises(TypeError, match="`matcher` must be a matcher, such as"):
            call("a", matcher=5)
    assert np.allclose(srsm.matched_gram(tokens, matcher=Mine()).products, 12)  # nothing is kept there


@pytest.mark.parametrize("answer", [None, 3, "x"])
def test_what_is_no_answer_of_a_matcher_is_named(answer):
    images, tokens = srsm.load_images([np.zeros((8, 8, 3), np.uint8)] * 2), np.ones((2, 3, 4), np.float32)
    layers = {"a": srsm.Tokens(values=torch.from_numpy(tokens), layer="a")}
    analysis = srsm.Analysis(images, layers, matcher=lambda x, y: answer)
    for call in (
        lambda: analysis.gram("a"),
        lambda: analysis.assignment("a", 0, 1),
        lambda: analysis.match_pairs("a", [(0, 1)]),
        lambda: analysis.null("a"),
        lambda: srsm.matched_gram(tokens, matcher=lambda x, y: answer),
    ):
        with pytest.raises(TypeError, match="`matcher` must be one that returns an Assignment"):
            call()


def test_answers_of_the_wrong_shape_or_without_a_value_are_named():
    x = np.ones((2, 3, 4), np.float32)
    good = srsm.Exact()(x, x)
    for bad in (
        replace(good, value=good.value * np.nan),
        replace(good, upper_bound=good.upper_bound * np.nan),
        replace(good, permutation=good.permutation[:, :2]),
        replace(good, value=good.value[:1]),
    ):
        with pytest.raises(ValueError, match="`matcher` must be one that returns an Assignment"):
            srsm.matched_gram(x, x, matcher=lambda one, other, bad=bad: bad)


@pytest.mark.parametrize("kernel", [srsm.Exact(), srsm.Auction(), srsm.Exact, 3])
def test_a_matcher_given_as_kernel_is_named(kernel):
    with pytest.raises(TypeError, match="`kernel` must be cosine"):
        srsm.semantic_rsm(np.ones((2, 3, 4), np.float32), kernel=kernel)


def test_progress_that_cannot_be_called_is_refused_before_anything_is_matched():
    with pytest.raises(TypeError, match="`progress` must be a function"):
        srsm.matched_gram(np.ones((2, 3, 4), np.float32), progress=3)


@pytest.mark.parametrize("model", ["resnet50", torch.nn.Identity(), 3])
def test_what_is_no_model_is_refused(model):
    images = srsm.load_images([np.zeros((8, 8, 3), np.uint8)] * N)
    with pytest.raises(TypeError, match="`model` must be a VisionModel"):
        srsm.Analysis(images, {"a": make_tokens(N)}, model=model)
