"""What an RSM will cost."""

import numpy as np
import pytest
from helpers.matchers import CERTIFIED, names, tokens

from semrsm_widgets.rsm.cost import estimate


@pytest.mark.parametrize("row", CERTIFIED, ids=names(CERTIFIED))
def test_estimate_foretells_pairs_and_memory(row):
    found = estimate(tokens(0, 20, 300), row.matcher)
    assert found.pairs == 190
    assert 300 * 300 * 4 < found.memory < 2**30
    assert 0 < found.seconds < np.inf
    assert estimate(tokens(0, 1), row.matcher).pairs == 0
