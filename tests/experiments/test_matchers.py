"""How matchers do, on tokens in every form in which they come."""

import pytest
import torch

import semrsm_widgets as srsm


@pytest.mark.parametrize("made", [lambda x: x, lambda x: x.numpy(), lambda x: x.double(),
                                  lambda x: srsm.Tokens(values=x, layer="l")])  # fmt: skip
def test_tokens_may_be_a_tensor_an_array_or_tokens(made):
    x = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))
    report = srsm.matcher_report(made(x), [srsm.Exact(), srsm.Greedy()])
    assert [row.matcher for row in report.rows] == ["Exact()", "Greedy()"]
    assert report.rows[0].ratio == pytest.approx(1)
    assert report.rows[1].true_error >= 0
