"""Analysis: everything it answers agrees with the plain functions and is computed once."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
import torch
from helpers.analyses import make_analysis

import semrsm_widgets as srsm
from semrsm_widgets.matching.assignment import Assignment

N, GRID, D = 5, (3, 4), 6
S = GRID[0] * GRID[1]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return srsm.load_images([rng.integers(0, 255, (20, 24, 3), dtype=np.uint8) for _ in range(N)])


def tokens_of(layer="a", seed=0, n=N, grid=GRID):
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, S, D)).astype(np.float32))
    return srsm.Tokens(values=values, grid=grid, native_grid=grid, layer=layer)


@pytest.fixture
def analysis(images):
    return srsm.Analysis(images, {"a": tokens_of("a"), "b": tokens_of("b", 1)}, matcher=srsm.Exact())


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
    analysis = srsm.Analysis(images, {"a": tokens_of()}, matcher=srsm.Greedy())
    similarities = analysis.similarities("a", kernel)
    off_diagonal = ~np.eye(N, dtype=bool)
    assert np.isinf(similarities.upper[off_diagonal]).all()
    assert np.isinf(analysis.matches("a", 0, 1).upper)
    exact = srsm.Analysis(images, {"a": tokens_of()}, matcher=srsm.Exact()).similarities("a", srsm.cosine)
    assert (analysis.similarities("a").semantic <= exact.semantic + 1e-6).all()


def test_the_rbf_of_all_three_has_the_semantic_sigma(analysis):
    similarities = analysis.similarities("a", srsm.rbf)
    gram = analysis.gram("a")
    assert similarities.sigma == pytest.approx(srsm.rbf_sigma(gram))
    aligned = analysis.gram("a", matcher=srsm.Identity())
    np.testing.assert_allclose(similarities.aligned, srsm.rbf(aligned, sigma=srsm.rbf_sigma(gram)))
    assert analysis.similarities("a", partial(srsm.rbf, sigma=2.0)).sigma is None


def test_the_pooled_inner_product_is_the_pooled_part(analysis):
    pooled = srsm.inner_product(analysis.pooled_gram("a"))
    np.testing.assert_allclose(pooled, analysis.gram("a").pooled_part, rtol=1e-6)


def test_a_gram_is_computed_once_even_for_two_threads(images):
    calls = []

    def slow_identity(x, y):
        calls.append(len(x))
        answer = srsm.Identity()(x, y)
        return Assignment(answer.permutation, answer.value, answer.upper_bound)

    analysis = srsm.Analysis(images, {"a": tokens_of()}, matcher=slow_identity)
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

    analysis = srsm.Analysis(images, {"a": tokens_of()}, matcher=slow)
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


def test_the_null_reports_and_a_cancelled_one_leaves_nothing(analysis, monkeypatch):
    from semrsm_widgets.rsm import null

    class StopError(Exception):
        pass

    monkeypatch.setattr(null, "_BLOCK_ENTRIES", 10 * S**2)  # ten pairs at a time
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


def test_a_redefined_matcher_never_meets_the_result_of_another(analysis):
    def constant(value):
        return lambda x, y: Assignment(
            np.tile(np.arange(S), (len(x), 1)), np.full(len(x), value), np.full(len(x), value)
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


def test_matches_split_the_semantic_cosine_exactly(analysis):
    matches = analysis.matches("a", 1, 3)
    assert matches.contribution.sum() == pytest.approx(matches.semantic, abs=1e-6)
    assert matches.semantic == pytest.approx(analysis.rsm("a")[1, 3], abs=1e-9)
    assert matches.aligned == pytest.approx(analysis.rsm("a", matcher=srsm.Identity())[1, 3], abs=1e-6)
    assert matches.pooled == pytest.approx(srsm.pooled_rsm(analysis.tokens["a"])[1, 3], abs=1e-6)
    x, y = (analysis.tokens["a"].values[k].double().numpy() for k in (1, 3))
    for token, partner in enumerate(matches.permutation):
        assert matches.inverse[partner] == token
        cosine = x[token] @ y[partner] / np.linalg.norm(x[token]) / np.linalg.norm(y[partner])
        assert matches.token_cosine[token] == pytest.approx(cosine)
    top = matches.top(4)
    assert list(matches.contribution[top]) == sorted(matches.contribution, reverse=True)[:4]


def test_the_pooled_part_is_the_mean_over_all_matchings(images):
    from itertools import permutations

    rng = np.random.default_rng(3)
    values = torch.from_numpy(rng.normal(size=(N, 4, 3)))
    analysis = srsm.Analysis(images, {"a": srsm.Tokens(values=values, grid=(2, 2))}, matcher=srsm.Exact())
    matches = analysis.matches("a", 0, 1)
    x, y = values[0].numpy(), values[1].numpy()
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    every = [sum(x[s] @ y[p[s]] for s in range(4)) / norm for p in permutations(range(4))]
    assert matches.pooled_part == pytest.approx(np.mean(every))
    assert matches.semantic == pytest.approx(max(every))


def test_an_image_with_itself_matches_every_token_at_its_place(analysis):
    matches = analysis.matches("a", 2, 2)
    assert matches.same_position == 1.0
    assert matches.semantic == pytest.approx(1.0)


def test_an_all_zero_image_is_zero_everywhere(images):
    tokens = tokens_of()
    tokens.values[0] = 0
    matches = srsm.Analysis(images, {"a": tokens}, matcher=srsm.Exact()).matches("a", 0, 1)
    assert matches.semantic == matches.aligned == matches.pooled == 0.0
    assert not matches.contribution.any()


def test_the_null_is_what_matching_reaches_on_permuted_channels(analysis):
    null = analysis.null("a", n=40, seed=5)
    rng = np.random.default_rng(5)
    i = rng.integers(N, size=40)
    j = (i + rng.integers(1, N, size=40)) % N
    values = analysis.tokens["a"].values.double().numpy()
    levels = []
    for a, b in zip(i, j, strict=True):
        y = values[b][:, rng.permutation(D)]
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


@pytest.mark.parametrize(
    ("tokens", "error", "text"),
    [
        ({}, ValueError, "at least one layer"),
        ({"a": torch.zeros(N, S, D)}, TypeError, r"tokens\['a'\].*must be Tokens"),
        ({"a": tokens_of(n=3)}, ValueError, "same 5 images.*3 images"),
    ],
)
def test_wrong_tokens_are_refused(images, tokens, error, text):
    with pytest.raises(error, match=text):
        srsm.Analysis(images, tokens)


def test_a_kernel_by_name_is_refused_with_the_way_out(analysis):
    with pytest.raises(TypeError, match=r"`kernel` must be .*kernel=srsm.rbf"):
        analysis.similarities("a", "cosine")
    with pytest.raises(TypeError, match=r"`kernel` must be .*kernel=srsm.rbf"):
        analysis.rsm("a", "cosine")


def test_a_wrong_layer_names_the_nearest(images):
    analysis = srsm.Analysis(images, {"blocks.4": tokens_of()})
    with pytest.raises(ValueError, match=r"Did you mean 'blocks\.4'"):
        analysis.gram("block4")


@pytest.mark.parametrize("pair", [(0, N), (-1, 0)])
def test_an_index_outside_is_refused(analysis, pair):
    with pytest.raises(ValueError, match="from 0 to 4"):
        analysis.assignment("a", *pair)


def test_the_null_of_one_image_is_refused(images):
    analysis = srsm.Analysis(images.select([0]), {"a": tokens_of(n=1)})
    with pytest.raises(ValueError, match="at least two"):
        analysis.null("a")


def test_repr_is_stable(analysis):
    assert repr(analysis) == "Analysis(5 images, 2 layers, Exact())"


def test_contributions_of_all_three_split_over_the_patches(analysis):
    matches = analysis.matches("a", 0, 2)
    assert matches.aligned_contribution.sum() == pytest.approx(matches.aligned, abs=1e-9)
    assert matches.pooled_contribution.sum() == pytest.approx(matches.pooled, abs=1e-9)
    x, y = (analysis.tokens["a"].values[k].double().numpy() for k in (0, 2))
    norm = np.linalg.norm(x) * np.linalg.norm(y)
    np.testing.assert_allclose(matches.aligned_contribution, (x * y).sum(1) / norm)


def test_margins_are_against_the_best_other_token(analysis, monkeypatch):
    from semrsm_widgets.analysis import matches as module

    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 3 * S)  # three rows at a time
    matches = analysis.matches("a", 0, 2)
    x, y = (analysis.tokens["a"].values[k].double().numpy() for k in (0, 2))
    for s, partner in enumerate(matches.permutation):
        others = [x[s] @ y[t] for t in range(S) if t != partner]
        assert matches.value[s] == pytest.approx(x[s] @ y[partner])
        assert matches.margin[s] == pytest.approx(x[s] @ y[partner] - max(others))


def test_a_frame_of_matches_has_cells_and_pixels(images):
    from torch import nn
    from torchvision import transforms

    model = srsm.VisionModel(nn.Identity(), transforms.Compose([transforms.CenterCrop(12), transforms.ToTensor()]))
    analysis = srsm.Analysis(images, {"a": tokens_of()}, model=model, matcher=srsm.Exact())
    matches = analysis.matches("a", 0, 1)
    table = matches.to_frame()
    assert len(table) == S
    assert list(table["rank"]) == list(range(1, S + 1))
    assert list(table["token"]) == list(matches.top(S))
    assert table["contribution"].is_monotonic_decreasing
    line = table.iloc[0]
    assert line["token"] == line["row"] * GRID[1] + line["column"]
    assert matches.permutation[int(line["token"])] == line["other_row"] * GRID[1] + line["other_column"]
    # The images are 24 wide and 20 high, the model sees the middle 12 x 12 of them as 3 x 4 cells.
    assert line["left"] == 6 + 3 * line["column"]
    assert line["other_bottom"] == 4 + 4 * (line["other_row"] + 1)
    assert line["value"] == matches.value[int(line["token"])]
    unknown = srsm.Analysis(images, {"a": tokens_of()}, matcher=srsm.Exact()).matches("a", 0, 1).to_frame()
    assert "left" not in unknown


def test_queries_have_rsms_with_the_images(images, analysis):
    x = {name: tokens_of(name, seed) for name, seed in (("b", 8), ("a", 7))}
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


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"probabilities": np.full((3, 2), 0.5)}, r"`probabilities` must be of shape \(5, classes\)"),
        ({"probabilities": np.ones((N, 2))}, "rows that sum to 1"),
        ({"query_tokens": {"a": tokens_of()}}, "`queries` must be given together"),
    ],
)
def test_wrong_extras_are_refused(images, options, text):
    with pytest.raises(ValueError, match=text):
        srsm.Analysis(images, {"a": tokens_of()}, **options)


def test_queries_of_other_layers_are_refused(images):
    with pytest.raises(ValueError, match=r"of the layers \['a'\].*Extract both with the same"):
        srsm.Analysis(images, {"a": tokens_of()}, queries=images, query_tokens={"b": tokens_of()})


def test_centred_rsms_are_those_of_mean_free_tokens(analysis):
    values = analysis.tokens["a"].values.double()
    expected = srsm.semantic_rsm(values - values.mean(1, keepdim=True), matcher=srsm.Exact())
    np.testing.assert_allclose(analysis.rsm("a", centred=True), expected, atol=1e-6)


def test_without_prefix_tokens_there_is_no_class_token(analysis, images):
    assert analysis.class_token_gram("a") is None
    tokens = tokens_of()
    prefix = tokens_of(seed=9).values[:, :2]
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
