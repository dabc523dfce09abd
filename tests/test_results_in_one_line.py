"""What is given back prints one short line, whatever it holds: it may stand at the end of a cell."""

import numpy as np
import pytest
import torch
from helpers.tiny_models import tiny_model
from PIL import Image

import semrsm_widgets as srsm
from semrsm_widgets.retrieval import Lookup, Query

N = 24


@pytest.fixture(scope="module")
def results():
    pictures = [Image.new("RGB", (32, 32), (9 * k, 0, 0)) for k in range(N)]
    images = srsm.load_images(pictures, labels=[f"{k % 4}" for k in range(N)])

    def analysis(seed):
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(N, 64, 16, generator=generator)
        tokens = srsm.Tokens(values=values, grid=(8, 8), native_grid=(8, 8), layer="l")
        return srsm.Analysis(images, {"l": tokens}, probabilities=torch.full((N, 4), 0.25))

    a, b = analysis(0), analysis(1)
    K, L, query = a.rsm("l"), b.rsm("l"), Query(key=0, index=0)
    lookup = Lookup(a, {"mine": K})
    matches, values = a.matches("l", 0, 1), a.tokens["l"].values
    difference = srsm.rsm_difference(K, L)
    return {
        "Analysis": a,
        "Answers": lookup.answers(query),
        "Assignment": srsm.Auction()(values[:5], values[5:10]),
        "Comparison": srsm.compare(a, b),
        "Estimate": srsm.estimate(a.tokens["l"]),
        "ExtractionEstimate": srsm.estimate_extraction(tiny_model(), images.select(range(2)), "0", workers=0),
        "Images": images,
        "Lookup": lookup,
        "MatchedGram": a.gram("l"),
        "MatcherReport": srsm.matcher_report(values[:4], [srsm.Auction(), srsm.Greedy()]),
        "Matches": matches,
        "NullLevel": a.null("l"),
        "PairChange": difference.changes(1)[0],
        "PatchPlaces": a.patch_places("l", 0, 3),
        "PermutationTest": srsm.permutation_test(srsm.cka, K, L, n=19),
        "RSMDifference": difference,
        "Ranked": lookup.rank("semantic", "l", query, srsm.cosine),
        "Score": srsm.retrieval_scores(a).rows[0],
        "Scores": srsm.retrieval_scores(a),
        "SearchResult": srsm.search(values[:3], values, k=2),
        "Similarities": a.similarities("l"),
        "Split": matches.split(),
        "Statistic": srsm.jackknife(srsm.cka, K, L),
        "Tokens": a.tokens["l"],
    }


def test_every_result_prints_one_line(results):
    for name, value in results.items():
        text = repr(value)
        assert type(value).__name__ == name
        assert text.startswith(f"{name}(")
        assert len(text.splitlines()) == 1, name
        assert len(text) < 320, name
        assert f"{value}" == text
        assert "array(" not in text


def test_lines_say_what_is_asked_most(results):
    matches = results["Matches"]
    assert repr(matches) == (
        f"Matches('l', images 0 and 1: 64 of 64 patches paired; semantic {matches.semantic:.4f}, "
        f"aligned {matches.aligned:.4f}, pooled {matches.pooled:.4f})"
    )
    assert "5 pairs of 64 tokens, within" in repr(results["Assignment"])
    assert (
        repr(srsm.Identity()(torch.ones(1, 4, 2), torch.ones(1, 4, 2)))
        == "Assignment(1 pair of 4 tokens, no certificate)"
    )
    assert (
        repr(results["MatchedGram"])
        == "MatchedGram(24 x 24 pairs of images of one set, 64 x 64 tokens, Auction(gap=0.0001))"
    )
    assert "3 of 3 certified" in repr(results["SearchResult"])
    empty = srsm.Auction()(torch.ones(0, 4, 2), torch.ones(0, 4, 2))
    assert np.isfinite(len(repr(empty)))


def test_a_number_is_printed_as_it_would_be_reported():
    assert repr(srsm.Statistic(value=0.6059092, low=0.3864, high=0.82541, n=16)) == (
        "Statistic(0.6059 [0.3864, 0.8254], n=16)"
    )
    assert repr(srsm.Statistic(value=0.5, n=2, reason="no interval: needs two units")) == (
        "Statistic(0.5, n=2; no interval: needs two units)"
    )
    assert repr(srsm.Statistic(value=float("nan"), n=0, reason="nothing to average")) == (
        "Statistic(undefined, n=0; nothing to average)"
    )
    test = srsm.PermutationTest(value=0.6059092, p_value=0.001, null_mean=-0.0040661, null_quantile95=0.17911, n=999)
    assert repr(test) == "PermutationTest(0.6059, p=0.001; by chance -0.004066, 95 % below 0.1791, n=999)"
