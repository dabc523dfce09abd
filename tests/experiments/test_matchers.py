"""The report on matchers against the optimum."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.analyses import UPPER, labelled_tokens
from scipy import stats

import semrsm_widgets as srsm


def test_the_report_compares_with_the_optimum():
    x = labelled_tokens(5, size=9)
    found = srsm.matcher_report(x, [srsm.Exact(), srsm.Greedy(), srsm.Auction(gap=1e-3)])
    exact, greedy, auction = found.rows
    best, worse = (srsm.matched_gram(x, matcher=m) for m in (srsm.Exact(), srsm.Greedy()))
    error = ((best.products - worse.products) / best.norms)[UPPER]
    assert (exact.ratio, exact.true_error, exact.certified_error, exact.rank_agreement) == (1, 0, 0, pytest.approx(1))
    assert greedy.ratio == pytest.approx(worse.products[UPPER].sum() / best.products[UPPER].sum())
    assert greedy.true_error == pytest.approx(error.mean())
    assert greedy.worst_error == pytest.approx(error.max())
    assert math.isinf(greedy.certified_error)
    agreement = stats.spearmanr(srsm.cosine(best)[UPPER], srsm.cosine(worse)[UPPER]).statistic
    assert greedy.rank_agreement == pytest.approx(agreement)
    assert greedy.low < agreement
    assert 0 <= auction.worst_error <= auction.certified_error <= 1e-3
    assert all(row.seconds > 0 for row in found.rows)
    assert found.to_frame().shape == (3, 12)
    assert found.tokens == "5: 8 images, 9 tokens"


def test_bad_reports_are_refused():
    with pytest.raises(ValueError, match="at least one matcher"):
        srsm.matcher_report(labelled_tokens(1), [])
    with pytest.raises(TypeError, match=r"`matchers` must be a matcher, such as Auction\(\)"):
        srsm.matcher_report(labelled_tokens(1), ["greedy"])
    with pytest.raises(ValueError, match="at least 4 images"):
        srsm.matcher_report(labelled_tokens(1, n=3), [srsm.Exact()])


@pytest.mark.parametrize("made", [lambda x: x, lambda x: x.numpy(), lambda x: x.double(),
                                  lambda x: srsm.Tokens(values=x, layer="l")])  # fmt: skip
def test_tokens_may_be_a_tensor_an_array_or_tokens(made):
    x = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))
    report = srsm.matcher_report(made(x), [srsm.Exact(), srsm.Greedy()])
    assert [row.matcher for row in report.rows] == ["Exact()", "Greedy()"]
    assert report.rows[0].ratio == pytest.approx(1)
    assert report.rows[1].true_error >= 0
