"""The claim of the quickstart, on real weights and photographs: what moved is found again."""

from __future__ import annotations

import numpy as np
import pytest

import semrsm_widgets as srsm


@pytest.fixture(scope="module")
def model():
    return srsm.load_model()


def margin(rsm, images):
    """Lowest similarity of two crops of one photograph minus the highest of two photographs."""
    name = np.array([image.split("/")[0] for image in images.ids])
    different = name[:, None] != name
    same = ~different & ~np.eye(len(name), dtype=bool)
    return rsm[same].min() - rsm[different].max()


@pytest.mark.parametrize("seed", range(5))
def test_semantic_ranks_every_same_photograph_pair_first_and_aligned_does_not(model, seed):
    images = srsm.demo_images(crops=2, overlap=0.5, seed=seed)
    x = srsm.extract(model, images, layers="blocks.4")["blocks.4"]
    gram = srsm.matched_gram(x)
    assert margin(srsm.cosine(gram), images) > 0.05
    assert margin(srsm.aligned_rsm(x), images) < -0.05
    assert gram.gap.max() <= 1e-4
    assert gram.fallbacks == type(gram.fallbacks)()  # every pair certified at the first attempt


@pytest.mark.parametrize("gap", [1e-4, 1e-5])
def test_every_pair_of_every_block_is_certified_at_the_first_attempt(model, gap):
    layers = [f"blocks.{k}" for k in range(1, 7)]
    for tokens in srsm.extract(model, srsm.demo_images(), layers=layers).values():
        gram = srsm.matched_gram(tokens.values[::4], matcher=srsm.Auction(gap=gap))
        assert gram.gap.max() <= gap
        assert gram.fallbacks == type(gram.fallbacks)()
