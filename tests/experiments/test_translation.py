"""Translation: separation by scikit-learn, and on the bundled model and photographs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.analyses import N
from scipy import stats

import semrsm_widgets as srsm
from semrsm_widgets.experiments.translation import separation


@pytest.mark.parametrize("seed", range(4))
def test_separation_is_the_auc_of_scikit_learn_and_its_intervals_the_loop(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    K = np.round(np.random.default_rng(seed).normal(size=(N, N)) + np.eye(N), seed % 2 + 1)  # ties, too

    def plain(K):
        n = len(K)
        same, different = np.diag(K), K[~np.eye(n, dtype=bool)]
        auc = metrics.roc_auc_score(np.eye(n, dtype=int).ravel(), K.ravel())
        top = np.mean([all(K[i, i] > K[i, j] for j in range(n) if j != i) for i in range(n)])
        return {
            "AUC": auc,
            "top-1": top,
            "gap": same.mean() - different.mean(),
            "same": same.mean(),
            "different": different.mean(),
        }

    answer, without = separation(K), []
    for i in range(N):
        without.append(plain(np.delete(np.delete(K, i, 0), i, 1)))
    for name, value in plain(K).items():
        assert answer[name].value == pytest.approx(value, abs=1e-8)
        replicates = np.array([each[name] for each in without])
        half = stats.t.ppf(0.975, N - 1) * np.sqrt((N - 1) / N * np.square(replicates - replicates.mean()).sum())
        assert half > 0
        low, high = value - half, value + half
        if name == "top-1" and value == 0:
            low = 0
        elif name in ("AUC", "top-1"):  # shares: on the logit scale
            odds = math.log(value / (1 - value))
            low, high = (1 / (1 + math.exp(-odds - sign * half / (value * (1 - value)))) for sign in (-1, 1))
        assert (answer[name].low, answer[name].high) == pytest.approx((low, high), abs=1e-9)


def test_a_perfect_score_of_few_images_is_not_certain():
    answer = separation(np.eye(N) + np.random.default_rng(0).uniform(0, 0.1, (N, N)))
    for name in ("AUC", "top-1"):
        assert (answer[name].value, answer[name].high) == (1, 1)
        # Clopper and Pearson: 8 of 8.
        assert answer[name].low == pytest.approx(stats.binomtest(N, N).proportion_ci(method="exact").low)


@pytest.fixture(scope="module")
def model():
    return srsm.load_model()


def test_on_the_photographs_semantic_similarity_survives_translation(model):
    images = srsm.demo_images(crops=1)
    found = srsm.translation_test(model, images, overlaps=(0.5, 0.9), layers="blocks.4")
    by = {(r.similarity, r.measure, r.overlap): r for r in found.rows}
    assert by["semantic", "gap", 0.5].value > by["aligned", "gap", 0.5].value
    assert by["semantic", "AUC", 0.5].value > 0.9
    assert by["aligned", "gap", 0.9].value > by["aligned", "gap", 0.5].value
    assert by["aligned", "AUC", 0.5].chance == 0.5
    assert by["aligned", "top-1", 0.5].chance == 1 / 8
    same, excess = by["semantic", "same", 0.5], by["semantic", "same excess", 0.5]
    assert 0 < same.chance < same.value
    assert excess.value == pytest.approx(same.value - same.chance)
    assert excess.high - excess.low == pytest.approx(same.high - same.low)


def test_bad_translations_are_refused(model):
    with pytest.raises(ValueError, match="integer >= 4"):
        srsm.translation_test(model, srsm.demo_images(crops=1).select([0, 1]))
    for overlaps in ((0.0,), (1.0,), ()):
        with pytest.raises(ValueError, match="`overlaps`"):
            srsm.translation_test(model, srsm.demo_images(crops=1), overlaps=overlaps)
