"""What unrelated tokens reach: against a loop, and cancelled half-way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.analyses import CHANNELS, TOKENS, N, make_analysis

import semrsm_widgets as srsm


@pytest.fixture
def analysis():
    return make_analysis()


def test_the_null_reports_and_a_cancelled_one_leaves_nothing(analysis, monkeypatch):
    from semrsm_widgets.rsm import null

    class StopError(Exception):
        pass

    monkeypatch.setattr(null, "_BLOCK_ENTRIES", 10 * TOKENS**2)  # ten pairs at a time
    reports = []

    def stop(done, total):
        reports.append((done, total))
        if done >= 20:
            raise StopError

    with pytest.raises(StopError):
        analysis.null("a", progress=stop)
    assert reports == [(0, 96), (10, 96), (20, 96)]
    assert not analysis.has_null("a")
    in_blocks = analysis.null("a")
    monkeypatch.undo()
    again = srsm.Analysis(analysis.images, analysis.tokens, matcher=analysis.matcher).null("a")
    assert in_blocks.mean == pytest.approx(again.mean, abs=1e-12)
    assert analysis.has_null("a")


def test_the_null_is_what_matching_reaches_on_permuted_channels(analysis):
    null = analysis.null("a", n=40, seed=5)
    rng = np.random.default_rng(5)
    i = rng.integers(N, size=40)
    j = (i + rng.integers(1, N, size=40)) % N
    values = analysis.tokens["a"].values.double().numpy()
    levels = []
    for a, b in zip(i, j, strict=True):
        y = values[b][:, rng.permutation(CHANNELS)]
        value = srsm.Exact()(values[a][None], y[None]).value[0]
        levels.append(value / np.linalg.norm(values[a]) / np.linalg.norm(y))
    assert null.n == 40
    assert null.mean == pytest.approx(np.mean(levels), abs=1e-6)
    assert null.quantile95 == pytest.approx(np.quantile(levels, 0.95), abs=1e-6)
    assert analysis.null("a", n=40, seed=5) == null
    assert analysis.null("a", n=40, seed=6) != null


def test_the_null_of_noise_is_well_above_zero(analysis):
    assert analysis.null("a").mean > 0.3  # independent tokens: matching alone reaches this
    assert abs(analysis.similarities("a").aligned[~np.eye(N, dtype=bool)].mean()) < 0.2


def test_the_null_of_one_image_is_refused():
    analysis = make_analysis(1)
    with pytest.raises(ValueError, match="at least two"):
        analysis.null("a")


@pytest.mark.parametrize("scale", [1e-60, 1e-46, 1e-20, 1e20, 1e39, 1e60])
def test_the_level_of_float64_tokens_does_not_depend_on_their_scale(scale):
    values = np.random.default_rng(0).normal(size=(6, 4, 5))
    images = srsm.load_images([np.zeros((8, 8, 3), np.uint8)] * 6)

    def level(factor):
        tokens = srsm.Tokens(values=torch.from_numpy(values * factor), layer="a")
        return srsm.Analysis(images, {"a": tokens}).null("a")

    assert level(scale).mean == pytest.approx(level(1.0).mean, abs=1e-6)
    assert level(scale).quantile95 == pytest.approx(level(1.0).quantile95, abs=1e-6)


def test_a_seed_below_zero_is_refused(analysis):
    with pytest.raises(ValueError, match="`seed` must be an integer >= 0; got -1"):
        analysis.null(analysis.layers[0], seed=-1)
