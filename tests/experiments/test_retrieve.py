"""Retrieval scores: the same numbers by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import LABELS, N, labelled_analysis, labelled_tokens, make_images

import semrsm_widgets as srsm


def by_name(scores):
    return {(r.layer, r.kernel, r.similarity, r.measure): r for r in scores.rows}


def test_retrieval_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    analysis = labelled_analysis((1,), prefix=1)
    found = by_name(srsm.retrieval_scores(analysis, k=3, kernels=[srsm.cosine, srsm.inner_product], centred=True))
    relevant = np.array([[bool(a & b) for b in LABELS] for a in LABELS])
    one_hot = np.array([[name in labels for name in "abc"] for labels in LABELS], int)
    for kernel in (srsm.cosine, srsm.inner_product):
        for name in ("aligned", "semantic", "pooled"):
            K = getattr(analysis.similarities("layer 1", kernel), name)
            precision, f1 = [], []
            for i in range(N):
                others = np.delete(np.arange(N), i)
                precision.append(metrics.average_precision_score(relevant[i, others], K[i, others]))
                near = others[np.argsort(-K[i, others])[:3]]
                f1.append(np.mean([metrics.f1_score(one_hot[i], one_hot[j]) for j in near]))
            key = ("layer 1", kernel.__name__, name)
            assert found[(*key, "mAP")].value == pytest.approx(np.mean(precision), abs=1e-8)
            assert found[(*key, "F1@3")].value == pytest.approx(np.mean(f1), abs=1e-8)
            counts = srsm.hub_counts(K, 3)
            assert found[(*key, "top hub")].value == counts.max() / N
            assert found[(*key, "orphans")].value == (counts == 0).mean()
    assert ("layer 1", "cosine", "class token", "mAP") in found
    assert ("layer 1", "cosine", "semantic centred", "mAP") in found


def test_ones_own_matrix_and_ranking_stand_beside_the_others():
    analysis = labelled_analysis((1,))
    K = analysis.rsm("layer 1")
    order = np.argsort(-K, axis=1)
    own = {"matrix": K, "ranking": order, "short": order[:, :4]}
    found = by_name(srsm.retrieval_scores(analysis, k=3, own=own))
    semantic = found["layer 1", "cosine", "semantic", "mAP"]
    for name in ("matrix", "ranking"):
        assert found["", "", name, "mAP"].value == pytest.approx(semantic.value)
        assert found["", "", name, "mAP"].low == pytest.approx(semantic.low)
    assert "does not list all" in found["", "", "short", "mAP"].reason
    assert found["", "", "short", "F1@3"].value == found["", "", "matrix", "F1@3"].value
    alone = srsm.retrieval_scores({"mine": K}, LABELS, k=3).of("mAP")
    assert alone[0].value == pytest.approx(semantic.value)


def test_chance_is_what_random_similarities_reach():
    rng = np.random.default_rng(4)
    noise = {f"{k}": (lambda M: M + M.T)(rng.normal(size=(N, N))) for k in range(400)}
    found = srsm.retrieval_scores(noise, LABELS, k=3)
    for measure in ("F1@3", "mAP"):
        rows = found.of(measure)
        assert np.mean([r.value for r in rows]) == pytest.approx(rows[0].chance, abs=0.01)


def test_queries_are_looked_up_among_the_images():
    images = make_images(labels=LABELS)
    queries = srsm.load_images([images.image(0), images.image(1)], labels=[{"a"}, {"b"}])
    analysis = labelled_analysis(
        (1,), images=images, queries=queries, query_tokens={"layer 1": labelled_tokens(9, n=2, size=4)}
    )
    found = by_name(srsm.retrieval_scores(analysis, k=8))
    assert {key[2] for key in found} == {"semantic", "pooled"}  # 4 tokens against 6: nothing is aligned
    K = analysis.query_rsm("layer 1")
    f1 = srsm.label_f1([{"a"}, {"b"}], LABELS)
    row = found["layer 1", "cosine", "semantic", "mAP"]
    assert row.value == pytest.approx(srsm.average_precision(srsm.nearest(K, queries=True), f1 > 0).mean())
    assert row.n == 2
    assert found["layer 1", "cosine", "semantic", "F1@8"].value == pytest.approx(f1.mean())  # all of them


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"labels": [{"a"}] * N}, "at least two kinds"),
        ({"labels": [set()] * N}, "not empty"),
        ({"k": N}, "integer from 1 to 7"),
        ({"own": {"mine": np.zeros((3, 3))}}, r"`mine` must be similarities of shape \(8, 8\)"),
        ({"own": {"mine": np.full((N, N), np.nan)}}, "finite"),
        ({"own": {"mine": np.zeros((N, 5), int)}}, "different other images"),
        ({"own": {"mine": np.full((N, 7), 99)}}, "positions below 8"),
    ],
)
def test_bad_retrieval_input_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        srsm.retrieval_scores(labelled_analysis((1,)), **options)


def test_without_labels_the_error_says_what_to_do():
    with pytest.raises(ValueError, match=r"load_images\(\.\.\., labels="):
        srsm.retrieval_scores(labelled_analysis(images=make_images()))
