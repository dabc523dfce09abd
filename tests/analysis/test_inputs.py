"""What an Analysis refuses to be made of."""

from __future__ import annotations

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
