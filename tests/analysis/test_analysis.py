"""Analysis: everything it answers agrees with the plain functions and is computed once."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
from helpers.analyses import TOKENS, N, make_analysis, make_tokens

import semrsm_widgets as srsm
from semrsm_widgets.matching.assignment import Assignment


def test_rsms_are_those_of_the_plain_functions(analysis):
    x = analysis.tokens["a"]
    np.testing.assert_allclose(analysis.rsm("a"), srsm.semantic_rsm(x, matcher=srsm.Exact()), atol=1e-12)
    np.testing.assert_allclose(analysis.rsm("a", matcher=srsm.Identity()), srsm.aligned_rsm(x), atol=1e-12)
    similarities = analysis.similarities("a")
    np.testing.assert_allclose(similarities.pooled, srsm.pooled_rsm(x), atol=1e-6)
    assert (similarities.upper >= similarities.semantic - 1e-12).all()
    assert (similarities.semantic >= similarities.aligned - 1e-6).all()


@pytest.mark.parametrize("kernel", [srsm.cosine, srsm.inner_product, srsm.rbf])
def test_an_approximation_has_no_certificate_under_any_kernel(images, kernel):
    analysis = srsm.Analysis(images, {"a": make_tokens()}, matcher=srsm.Greedy())
    similarities = analysis.similarities("a", kernel)
    off_diagonal = ~np.eye(N, dtype=bool)
    assert np.isinf(similarities.upper[off_diagonal]).all()
    assert np.isinf(analysis.matches("a", 0, 1).upper)
    exact = srsm.Analysis(images, {"a": make_tokens()}, matcher=srsm.Exact()).similarities("a", srsm.cosine)
    assert (analysis.similarities("a").semantic <= exact.semantic + 1e-6).all()


def test_the_rbf_of_all_three_has_the_semantic_sigma(analysis):
    similarities = analysis.similarities("a", srsm.rbf)
    gram = analysis.gram("a")
    assert similarities.sigma == pytest.approx(srsm.rbf_sigma(gram))
    aligned = analysis.gram("a", matcher=srsm.Identity())
    np.testing.assert_allclose(similarities.aligned, srsm.rbf(aligned, sigma=srsm.rbf_sigma(gram)))
    assert analysis.similarities("a", partial(srsm.rbf, sigma=2.0)).sigma is None


def test_the_pooled_inner_product_is_the_any_matching(analysis):
    pooled = srsm.inner_product(analysis.pooled_gram("a"))
    np.testing.assert_allclose(pooled, analysis.gram("a").any_matching, rtol=1e-6)


def test_a_gram_is_computed_once_even_for_two_threads(images):
    calls = []

    def slow_identity(x, y):
        calls.append(len(x))
        answer = srsm.Identity()(x, y)
        return Assignment(answer.permutation, answer.value, answer.upper_bound)

    analysis = srsm.Analysis(images, {"a": make_tokens()}, matcher=slow_identity)
    grams = []
    threads = [threading.Thread(target=lambda: grams.append(analysis.gram("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(gram is grams[0] for gram in grams)
    assert sum(calls) == N * (N - 1) // 2
    assert analysis.has("a")


def test_who_waits_for_another_thread_hears_how_far_it_is_and_may_leave(images):
    class GiveUpError(Exception):
        pass

    entered, go, seen = threading.Event(), threading.Event(), []

    def slow(x, y):
        entered.set()
        go.wait(30)
        return srsm.Exact()(x, y)

    analysis = srsm.Analysis(images, {"a": make_tokens()}, matcher=slow)
    thread = threading.Thread(target=lambda: analysis.gram("a"))
    thread.start()
    assert entered.wait(30)

    def give_up(done, total):
        seen.append((done, total))
        raise GiveUpError

    with pytest.raises(GiveUpError):
        analysis.gram("a", progress=give_up)
    assert len(seen) == 1
    assert not analysis.has("a")
    go.set()
    thread.join(30)
    assert analysis.has("a")  # the one that computed was not disturbed


def test_a_redefined_matcher_never_meets_the_result_of_another(analysis):
    def constant(value):
        return lambda x, y: Assignment(
            np.tile(np.arange(TOKENS), (len(x), 1)), np.full(len(x), value), np.full(len(x), value)
        )

    # The functions are not kept here: one may come to stand where another one stood in memory.
    values = [analysis.gram("a", matcher=constant(k / 1000)).products[0, 1] for k in range(1, 6)]
    assert values == [k / 1000 for k in range(1, 6)]


def test_a_cancelled_gram_leaves_nothing_behind(analysis):
    class StopError(Exception):
        pass

    def stop(done, total):
        raise StopError

    with pytest.raises(StopError):
        analysis.gram("a", progress=stop)
    assert not analysis.has("a")
    assert analysis.gram("a").products.shape == (N, N)


def test_a_kernel_by_name_is_refused_with_the_way_out(analysis):
    with pytest.raises(TypeError, match=r"`kernel` must be .*kernel=srsm.rbf"):
        analysis.similarities("a", "cosine")
    with pytest.raises(TypeError, match=r"`kernel` must be .*kernel=srsm.rbf"):
        analysis.rsm("a", "cosine")


def test_a_wrong_layer_names_the_nearest(images):
    analysis = srsm.Analysis(images, {"blocks.4": make_tokens()})
    with pytest.raises(ValueError, match=r"Did you mean 'blocks\.4'"):
        analysis.gram("block4")


@pytest.mark.parametrize("pair", [(0, N), (-1, 0)])
def test_an_index_outside_is_refused(analysis, pair):
    with pytest.raises(ValueError, match="from 0 to 7"):
        analysis.assignment("a", *pair)


def test_repr_is_stable(analysis):
    assert repr(analysis) == "Analysis(8 images, 2 layers, Exact())"


def test_queries_have_rsms_with_the_images(images, analysis):
    x = {name: make_tokens(seed=seed, layer=name) for name, seed in (("b", 8), ("a", 7))}
    with_queries = srsm.Analysis(
        images, analysis.tokens, queries=images.select([0, 1]), matcher=srsm.Exact(),
        query_tokens={name: srsm.Tokens(values=t.values[:2, :7], layer=name) for name, t in x.items()},
    )  # fmt: skip
    K = with_queries.query_rsm("a")
    expected = srsm.semantic_rsm(x["a"].values[:2, :7], analysis.tokens["a"], matcher=srsm.Exact())
    assert K.shape == (2, N)
    np.testing.assert_allclose(K, expected, atol=1e-12)
    with pytest.raises(ValueError, match="made with queries"):
        analysis.query_rsm("a")


def test_centred_rsms_are_those_of_mean_free_tokens(analysis):
    values = analysis.tokens["a"].values.double()
    expected = srsm.semantic_rsm(values - values.mean(1, keepdim=True), matcher=srsm.Exact())
    np.testing.assert_allclose(analysis.rsm("a", centred=True), expected, atol=1e-6)


def test_without_prefix_tokens_there_is_no_class_token(analysis, images):
    assert analysis.class_token_gram("a") is None
    tokens = make_tokens()
    prefix = make_tokens(seed=9).values[:, :2]
    aside = srsm.Tokens(values=tokens.values, prefix=prefix, has_class_token=True, layer="a")
    K = srsm.cosine(srsm.Analysis(images, {"a": aside}).class_token_gram("a"))
    x = prefix[:, 0].double().numpy()
    norms = np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(K, x @ x.T / np.outer(norms, norms), atol=1e-12)
    query = srsm.Tokens(values=tokens.values[:2], prefix=prefix[:2] * 2, has_class_token=True, layer="a")
    both = srsm.Analysis(images, {"a": aside}, queries=images.select([0, 1]), query_tokens={"a": query})
    np.testing.assert_allclose(srsm.cosine(both.class_token_gram("a", queries=True)), K[:2], atol=1e-12)


def test_pairs_matched_together_are_those_matched_alone():
    together, alone = make_analysis(seed=3), make_analysis(seed=3)
    together.match_pairs("a", [(0, 1), (2, 5), (0, 1)])
    assert together.has_assignment("a", 2, 5)
    for pair in ((0, 1), (2, 5)):
        one, other = together.matches("a", *pair), alone.matches("a", *pair)
        np.testing.assert_array_equal(one.permutation, other.permutation)
        assert one.semantic == other.semantic
        assert one.upper == other.upper


def test_some_images_of_an_analysis_need_no_new_matching():
    calls = []

    def counted(x, y):
        calls.append(len(x))
        return srsm.Exact()(x, y)

    whole = make_analysis(prefix=1, matcher=counted, layers="ab")
    queries = make_analysis(3, prefix=1, layers="ab", seed=7)
    whole = srsm.Analysis(
        whole.images,
        whole.tokens,
        matcher=counted,
        probabilities=np.eye(N),
        queries=queries.images,
        query_tokens=queries.tokens,
    )
    expected = {layer: whole.similarities(layer) for layer in "ab"}
    crossed, tokens = whole.query_rsm("a"), whole.class_token_gram("a", queries=True)
    whole.assignment("a", 5, 2)
    rows = [5, 2, 7]
    done = len(calls)
    part = whole.select([whole.images.ids[5], 2, 7])
    assert part.images.ids == tuple(whole.images.ids[k] for k in rows)
    assert len(part.tokens["a"]) == 3
    for layer, similarities in expected.items():
        found = part.similarities(layer)
        for name in ("aligned", "semantic", "pooled", "upper"):
            np.testing.assert_array_equal(getattr(found, name), getattr(similarities, name)[np.ix_(rows, rows)])
        assert found.null == similarities.null
    np.testing.assert_array_equal(part.query_rsm("a"), crossed[:, rows])
    np.testing.assert_array_equal(part.class_token_gram("a", queries=True).products, tokens.products[:, rows])
    np.testing.assert_array_equal(part.probabilities, np.eye(N)[rows])
    assert part.matches("a", 0, 1).semantic == whole.matches("a", 5, 2).semantic
    assert len(calls) == done  # all of it was there
    np.testing.assert_allclose(
        part.gram("b").products, srsm.matched_gram(part.tokens["b"], matcher=srsm.Exact()).products
    )
    with pytest.raises(ValueError, match="at least one"):
        whole.select([])
    with pytest.raises(ValueError, match="chosen"):
        whole.select(["nobody"])


def test_the_null_of_a_known_kernel_is_computed_once_and_that_of_ones_own_each_time(analysis):
    assert analysis.null("a") is analysis.null("a", srsm.cosine)
    narrow = analysis.null("a", partial(srsm.rbf, sigma=1.0))
    assert analysis.null("a", partial(srsm.rbf, sigma=1.0)) is narrow
    assert analysis.null("a", partial(srsm.rbf, sigma=2.0)) != narrow
    assert analysis.null("a", seed=1) != analysis.null("a")
    power = 1

    def own(gram):
        return srsm.cosine(gram) ** power

    first = analysis.null("a", own)
    assert first == analysis.null("a")
    power = 2
    assert analysis.null("a", own).mean < first.mean
