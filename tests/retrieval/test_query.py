"""Queries, and rankings of one's own that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.analyses import make_analysis

from semrsm_widgets.retrieval.lookup import Lookup

N = 9


@pytest.mark.parametrize(
    ("rankings", "error", "text"),
    [
        ([np.eye(N)], TypeError, "mapping"),
        ({"mine": np.eye(N - 1)}, ValueError, r"rankings\['mine'\].*\(9, 9\).*\(8, 8\)"),
        ({"mine": np.full((N, N), np.nan)}, ValueError, "finite"),
        ({"semantic": np.eye(N)}, ValueError, "named otherwise"),
        ({"mine": [["a"] * N] * N}, TypeError, "real numbers"),
    ],
)
def test_rankings_that_cannot_be_are_refused(rankings, error, text):
    with pytest.raises(error, match=text):
        Lookup(make_analysis(N), rankings)
