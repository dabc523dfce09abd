"""Retrieval scores: the same numbers by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
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
        ({"own": {"mine": np.zeros((3, 3))}}, r"`own\['mine'\]` must be similarities of shape \(8, 8\)"),
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


def half_labelled(seed=0):
    """Return an Analysis of 12 images, of which 7 in no order have a label, and that of these 7 alone."""
    rng = np.random.default_rng(seed)
    labels = [{"a"}, None, {"a", "b"}, {"b"}, None, None, {"c"}, {"c"}, None, {"a"}, None, {"b"}]
    images = srsm.load_images([rng.integers(0, 255, (20, 20, 3), dtype=np.uint8) for _ in labels], labels=labels)
    tokens = labelled_tokens(seed, n=len(labels))
    known = [i for i, names in enumerate(labels) if names]
    alone = srsm.Tokens(values=tokens.values[known], layer=tokens.layer)
    whole = srsm.Analysis(images, {"l": tokens}, matcher=srsm.Exact())
    return whole, srsm.Analysis(images.select(known), {"l": alone}, matcher=srsm.Exact()), known


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_the_labelled_images_alone(seed):
    whole, alone, known = half_labelled(seed)
    found, expected = srsm.retrieval_scores(whole, k=3), srsm.retrieval_scores(alone, k=3)
    for measure in ("F1@3", "mAP"):
        for one, other in zip(found.of(measure), expected.of(measure), strict=True):
            assert one.n == other.n == len(known)
            for name in ("value", "low", "high", "chance"):
                assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-12), (measure, name)
    assert found.of("top hub")[0].n == 12  # hubs need no labels
    assert found.note == "5 of 12 images have no label and are left out of F1 and mAP"
    assert found.note in repr(found)
    assert expected.note == ""


def test_pairs_that_retrieve_each_other_are_all_right_however_many_have_no_label():
    labels = ["a", "a", "b", "b"] + [None] * 4
    images = srsm.load_images([np.full((8, 8), k, np.uint8) for k in range(8)], labels=labels)
    direction = torch.eye(4)[[0, 0, 1, 1, 2, 2, 3, 3]]
    tokens = srsm.Tokens(values=direction[:, None].repeat(1, 4, 1), grid=(2, 2), native_grid=(2, 2), layer="l")
    scores = srsm.retrieval_scores(srsm.Analysis(images, {"l": tokens}), k=1)
    for measure in ("F1@1", "mAP"):
        assert [(row.value, row.n) for row in scores.of(measure)] == [(1.0, 4)] * 3
    assert scores.of("F1@1")[0].chance == pytest.approx(1 / 3)


def test_an_unlabelled_image_that_comes_first_costs_nothing_and_gains_nothing():
    K = np.array([[1, 0.1, 0.2, 0.9], [0.1, 1, 0.3, 0.8], [0.2, 0.3, 1, 0.7], [0.9, 0.8, 0.7, 1.0]])
    labels = [{"a"}, {"b"}, {"b"}, set()]
    rows = {row.measure: row for row in srsm.retrieval_scores({"mine": K}, labels, k=1).rows}
    # 0 finds 2 (wrong), 1 finds 2 and 2 finds 1 (right); to 0 nothing is relevant.
    assert rows["F1@1"].value == pytest.approx(2 / 3)
    assert rows["F1@1"].chance == pytest.approx(1 / 3)
    assert rows["mAP"].value == 1


def test_queries_and_images_without_a_label_are_both_left_out():
    rng = np.random.default_rng(5)
    K = rng.normal(size=(4, 6))
    labels, asked = [{"a"}, set(), {"b"}, {"b"}, set(), {"a"}], [{"a"}, set(), {"b"}, {"a"}]
    found = srsm.retrieval_scores({"mine": K}, labels, query_labels=asked, k=2)
    rows, columns = [0, 2, 3], [0, 2, 3, 5]
    alone = srsm.retrieval_scores(
        {"mine": K[np.ix_(rows, columns)]}, [labels[j] for j in columns], query_labels=[asked[i] for i in rows], k=2
    )
    for measure in ("F1@2", "mAP"):
        assert found.of(measure) == alone.of(measure)
    assert found.note == "1 of 4 queries and 2 of 6 images have no label and are left out of F1 and mAP"


def test_a_ranking_of_ones_own_that_lists_too_few_labelled_images_says_so():
    labels = [{"a"}, {"b"}, {"a"}, {"b"}, set(), set()]
    order = np.array([[4, 5, 1], [0, 2, 3], [0, 1, 3], [1, 0, 2], [0, 1, 2], [0, 1, 2]])
    rows = {row.measure: row for row in srsm.retrieval_scores({}, labels, k=2, own={"mine": order}).rows}
    assert np.isnan(rows["F1@2"].value)
    assert rows["F1@2"].reason == "the ranking lists fewer than 2 labelled images"
    assert "does not list all" in rows["mAP"].reason
    assert rows["top hub"].n == 6


@pytest.mark.parametrize(
    ("labels", "k", "text"),
    [
        ([{"a"}, {"b"}, set(), set()], 2, "from 1 to 1; got 2 .*no more other labelled images"),
        ([{"a"}, set(), set(), set()], 1, "at least two images that are not empty"),
        ([{"a"}, {"a"}, set(), set()], 1, "one kind only"),
    ],
)
def test_what_cannot_be_scored_is_refused(labels, k, text):
    with pytest.raises(ValueError, match=text):
        srsm.retrieval_scores({"mine": np.eye(4)}, labels, k=k)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_similarities_of_ones_own_come_in_every_floating_type(dtype):
    K = torch.from_numpy(labelled_analysis((1,)).rsm("layer 1")).to(dtype)
    own = srsm.retrieval_scores({}, LABELS, k=2, own={"mine": K})
    assert own.of("mAP") == srsm.retrieval_scores({}, LABELS, k=2, own={"mine": K.double().numpy()}).of("mAP")
