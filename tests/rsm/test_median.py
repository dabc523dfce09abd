"""The median by counting is NumPy's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from semrsm_widgets.rsm import median

RNG = np.random.default_rng(0)
SETS = {
    "spread": RNG.lognormal(sigma=30, size=1001),
    "even": RNG.normal(size=1000) ** 2,
    "far apart": np.array([0.0, -0.0, 1e-300, 1e300]),
    "ties": np.repeat([3.0, 3.0 + 4e-16, 5.0], [40, 41, 2]),
    "nearly alike": 1 + 2.0**-52 * RNG.integers(0, 900, 600),
    "one": np.array([7.0]),
    "infinite": np.array([0.0, np.inf, np.inf, np.inf]),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("most", [1, 50, 2**22])
def test_it_is_that_of_numpy(name, most, monkeypatch):
    monkeypatch.setattr(median, "MOST_SORTED", most)
    values = SETS[name]
    assert median.streamed_median(lambda: np.array_split(values, 7), len(values)) == np.median(values)
