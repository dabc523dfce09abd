"""Agreement with the model's output: the same correlations by SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.analyses import UPPER, N, labelled_analysis
from scipy import stats
from scipy.spatial.distance import jensenshannon

import semrsm_widgets as srsm
from semrsm_widgets.common.progress import _current
from semrsm_widgets.experiments import agreement

P = np.random.default_rng(3).dirichlet(np.full(4, 0.3), size=N)


def test_agreement_is_the_correlation_with_the_divergence():
    analysis = labelled_analysis((1,), probabilities=P, prefix=2)
    found = srsm.output_agreement(analysis, centred=True)
    divergence = np.array([[jensenshannon(p, q) ** 2 for q in P] for p in P])
    values = {(r.kernel, r.similarity, r.measure): r.value for r in found.rows}
    assert {key[1] for key in values} == {
        "aligned", "semantic", "pooled", "class token", "aligned centred", "semantic centred",
    }  # fmt: skip
    for kernel in (srsm.cosine, srsm.inner_product, srsm.rbf):
        similarities = analysis.similarities("layer 1", kernel)
        for name in ("aligned", "semantic", "pooled"):
            K = getattr(similarities, name)
            key = (kernel.__name__, name)
            a, b = K[UPPER], divergence[UPPER]
            assert values[(*key, "pearson")] == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-8)
            assert values[(*key, "spearman")] == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-8)

            def centred(M):
                M = M - np.diag(np.diag(M))
                rows = M.sum(1)
                return (M - np.add.outer(rows, rows) / (N - 2) + M.sum() / ((N - 1) * (N - 2)))[UPPER]

            a, b = centred(K), centred(divergence)
            assert values[(*key, "pearson, double-centred")] == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-8)
            assert values[(*key, "spearman, double-centred")] == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-8)
    expected = stats.pearsonr(analysis.rsm("layer 1", centred=True)[UPPER], divergence[UPPER])[0]
    assert values["cosine", "semantic centred", "pearson"] == pytest.approx(expected)
    for row in found.rows:
        assert row.low <= row.value <= row.high
        assert row.n == N


def test_without_probabilities_the_error_names_predict():
    with pytest.raises(ValueError, match=r"probabilities=predict\(model, images\)"):
        srsm.output_agreement(labelled_analysis())


def test_the_same_prediction_for_all_has_no_correlation():
    found = srsm.output_agreement(labelled_analysis((1,), probabilities=np.full((N, 4), 0.25)))
    assert all(math.isnan(row.value) and "varies" in row.reason for row in found.rows)


def test_a_bar_goes_on_with_each_similarity_and_is_full_only_when_all_are_compared(monkeypatch):
    seen = []
    of = agreement._answers

    def answers(*given):
        seen.append(_current.get().fraction)
        return of(*given)

    monkeypatch.setattr(agreement, "_answers", answers)
    analysis = labelled_analysis((1,), probabilities=P)
    srsm.output_agreement(analysis, kernels=[srsm.rbf, srsm.cosine], progress=False)
    assert seen == sorted(set(seen))  # none twice
    assert seen[-1] < 1
