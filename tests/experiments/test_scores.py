"""The experiments against the same numbers put together by hand, and on the bundled model and photographs."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import jensenshannon

import semrsm_widgets as srsm
from semrsm_widgets.experiments.translation import separation

N, S, D = 8, 6, 5
LABELS = [{"a"}, {"a"}, {"a", "b"}, {"b"}, {"b"}, {"c"}, {"c"}, {"a", "c"}]
upper = np.triu_indices(N, 1)


def pictures(labels=LABELS):
    rng = np.random.default_rng(0)
    return srsm.load_images([rng.integers(0, 255, (40, 48, 3), dtype=np.uint8) for _ in range(N)], labels=labels)


def tokens_of(seed, size=S, n=N, prefix=0):
    rng = np.random.default_rng(seed)
    aside = torch.from_numpy(rng.normal(size=(n, prefix, D))) if prefix else None
    return srsm.Tokens(
        values=torch.from_numpy(rng.normal(size=(n, size, D))),
        prefix=aside,
        has_class_token=prefix > 0,
        layer=f"{seed}",
    )


def make(seeds=(1, 2), images=None, prefix=0, **options):
    tokens = {f"layer {seed}": tokens_of(seed, prefix=prefix) for seed in seeds}
    return srsm.Analysis(images or pictures(), tokens, matcher=srsm.Exact(), **options)


P = np.random.default_rng(3).dirichlet(np.full(4, 0.3), size=N)


# compare


def test_tables_hold_the_statistics_of_the_rsms():
    a, b = make((1, 2)), make((3,))
    found = srsm.compare(a, b, permutations=19)
    assert found.layers_a == ("layer 1", "layer 2")
    assert found.layers_b == ("layer 3",)
    K, L = a.rsm("layer 2"), b.rsm("layer 3")
    assert found.table().shape == (2, 1)
    assert found.table()[1, 0] == pytest.approx(srsm.cka(K, L), abs=1e-12)
    assert found.table("pooled")[0, 0] == pytest.approx(
        srsm.cka(a.similarities("layer 1").pooled, b.similarities("layer 3").pooled), abs=1e-12
    )
    row = next(r for r in found.rows if (r.layer_a, r.similarity) == ("layer 2", "semantic"))
    expected = srsm.jackknife(srsm.cka, K, L)
    assert (row.low, row.high, row.n) == (expected.low, expected.high, N)
    assert row.p_value == srsm.permutation_test(srsm.cka, K, L, n=19).p_value
    assert row.smallest_eigenvalue_a == srsm.smallest_eigenvalue(K)
    assert found.to_frame().shape == (6, 13)
    assert np.isnan(srsm.compare(a, b).rows[0].p_value)


def test_a_layer_is_like_itself_under_every_statistic():
    for statistic in (srsm.cka, partial(srsm.rsa, method="kendall")):
        found = srsm.compare(make(), statistic=statistic, kernel=srsm.rbf)
        assert np.allclose(np.diag(found.table()), 1)
        assert np.allclose(found.table(), found.table().T)
        assert found.rows[0].kernel == "rbf"
    assert found.rows[0].statistic == "rsa(method=kendall)"


def test_an_undefined_entry_is_nan_with_its_reason():
    analysis = make((1,))
    analysis.tokens["flat"] = srsm.Tokens(values=torch.ones(N, S, D, dtype=torch.float64), layer="flat")
    for kernel, reason in ((srsm.cosine, "an RSM that varies"), (srsm.rbf, "images that differ")):
        found = srsm.compare(analysis, kernel=kernel)
        row = next(r for r in found.rows if (r.layer_a, r.layer_b, r.similarity) == ("layer 1", "flat", "semantic"))
        assert math.isnan(row.value)
        assert reason in row.reason
        assert found.table()[0, 0] == pytest.approx(1)


def test_other_images_or_another_order_are_refused():
    images = pictures()
    a = make(images=images)
    with pytest.raises(ValueError, match=r"same order.*Order them alike"):
        srsm.compare(a, make(images=images.select(range(N - 1, -1, -1))))
    named = srsm.load_images([images.image(i) for i in range(N)])
    other = srsm.Images(ids=("x", *named.ids[1:]), sources=named.sources)
    with pytest.raises(ValueError, match="2 that are in one of them only"):
        srsm.compare(a, make(images=other))
    few = srsm.Analysis(images.select(range(3)), {"a": tokens_of(1, n=3)})
    with pytest.raises(ValueError, match="integer >= 4"):
        srsm.compare(few)
    with pytest.raises(TypeError, match="an Analysis"):
        srsm.compare(a.rsm("layer 1"))
    with pytest.raises(ValueError, match="Did you mean 'semantic'"):
        srsm.compare(a, similarities=["semantc"])


# output_agreement


def test_agreement_is_the_correlation_with_the_divergence():
    analysis = make((1,), probabilities=P, prefix=2)
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
            a, b = K[upper], divergence[upper]
            assert values[(*key, "pearson")] == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-8)
            assert values[(*key, "spearman")] == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-8)

            def centred(M):
                M = M - np.diag(np.diag(M))
                rows = M.sum(1)
                return (M - np.add.outer(rows, rows) / (N - 2) + M.sum() / ((N - 1) * (N - 2)))[upper]

            a, b = centred(K), centred(divergence)
            assert values[(*key, "pearson, double-centred")] == pytest.approx(stats.pearsonr(a, b)[0], abs=1e-8)
            assert values[(*key, "spearman, double-centred")] == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-8)
    expected = stats.pearsonr(analysis.rsm("layer 1", centred=True)[upper], divergence[upper])[0]
    assert values["cosine", "semantic centred", "pearson"] == pytest.approx(expected)
    for row in found.rows:
        assert row.low <= row.value <= row.high
        assert row.n == N


def test_without_probabilities_the_error_names_predict():
    with pytest.raises(ValueError, match=r"probabilities=predict\(model, images\)"):
        srsm.output_agreement(make())


def test_the_same_prediction_for_all_has_no_correlation():
    found = srsm.output_agreement(make((1,), probabilities=np.full((N, 4), 0.25)))
    assert all(math.isnan(row.value) and "varies" in row.reason for row in found.rows)


# retrieval_scores


def by_name(scores):
    return {(r.layer, r.kernel, r.similarity, r.measure): r for r in scores.rows}


def test_retrieval_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    analysis = make((1,), prefix=1)
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
    analysis = make((1,))
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
    images = pictures()
    queries = srsm.load_images([images.image(0), images.image(1)], labels=[{"a"}, {"b"}])
    analysis = make((1,), images=images, queries=queries, query_tokens={"layer 1": tokens_of(9, n=2, size=4)})
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
        srsm.retrieval_scores(make((1,)), **options)


def test_without_labels_the_error_says_what_to_do():
    with pytest.raises(ValueError, match=r"load_images\(\.\.\., labels="):
        srsm.retrieval_scores(make(images=pictures(None)))


# translation_test


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


# matcher_report


def test_the_report_compares_with_the_optimum():
    x = tokens_of(5, size=9)
    found = srsm.matcher_report(x, [srsm.Exact(), srsm.Greedy(), srsm.Auction(gap=1e-3)])
    exact, greedy, auction = found.rows
    best, worse = (srsm.matched_gram(x, matcher=m) for m in (srsm.Exact(), srsm.Greedy()))
    error = ((best.products - worse.products) / best.norms)[upper]
    assert (exact.ratio, exact.true_error, exact.certified_error, exact.rank_agreement) == (1, 0, 0, pytest.approx(1))
    assert greedy.ratio == pytest.approx(worse.products[upper].sum() / best.products[upper].sum())
    assert greedy.true_error == pytest.approx(error.mean())
    assert greedy.worst_error == pytest.approx(error.max())
    assert math.isinf(greedy.certified_error)
    agreement = stats.spearmanr(srsm.cosine(best)[upper], srsm.cosine(worse)[upper]).statistic
    assert greedy.rank_agreement == pytest.approx(agreement)
    assert greedy.low < agreement
    assert 0 <= auction.worst_error <= auction.certified_error <= 1e-3
    assert all(row.seconds > 0 for row in found.rows)
    assert found.to_frame().shape == (3, 12)
    assert found.tokens == "5: 8 images, 9 tokens"


def test_bad_reports_are_refused():
    with pytest.raises(ValueError, match="at least one matcher"):
        srsm.matcher_report(tokens_of(1), [])
    with pytest.raises(TypeError, match=r"matchers such as Auction\(\)"):
        srsm.matcher_report(tokens_of(1), ["greedy"])
    with pytest.raises(ValueError, match="at least 4 images"):
        srsm.matcher_report(tokens_of(1, n=3), [srsm.Exact()])


def test_scores_are_data():
    found = srsm.retrieval_scores(make((1,)), k=2)
    table = found.to_frame()
    assert {"layer", "kernel", "similarity", "value", "low", "high", "n"} <= set(table.columns)
    assert len(table) == len(found.rows) == 12
    assert found.measures == ("F1@2", "mAP", "top hub", "orphans")
    with pytest.raises(ValueError, match="Known: 'F1@2', 'mAP'"):
        found.of("map")
    assert "Does it retrieve?" in repr(found)


# images without a label


def half_labelled(seed=0):
    """Return an Analysis of 12 images, of which 7 in no order have a label, and that of these 7 alone."""
    rng = np.random.default_rng(seed)
    labels = [{"a"}, None, {"a", "b"}, {"b"}, None, None, {"c"}, {"c"}, None, {"a"}, None, {"b"}]
    images = srsm.load_images([rng.integers(0, 255, (20, 20, 3), dtype=np.uint8) for _ in labels], labels=labels)
    tokens = tokens_of(seed, n=len(labels))
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
    K = torch.from_numpy(make((1,)).rsm("layer 1")).to(dtype)
    own = srsm.retrieval_scores({}, LABELS, k=2, own={"mine": K})
    assert own.of("mAP") == srsm.retrieval_scores({}, LABELS, k=2, own={"mine": K.double().numpy()}).of("mAP")
