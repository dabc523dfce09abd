from __future__ import annotations

import pytest
from helpers.analyses import make_analysis, make_images
from helpers.views import settled

import semrsm_widgets as srsm


@pytest.fixture
def both():
    """Return two analyses of the same images, with layers of different grids and one without."""
    images = make_images()
    return (
        make_analysis(images=images, layers={"a1": (3, 4), "a2": (2, 2)}, seed=1),
        make_analysis(images=images, layers={"b1": (2, 3), "b2": (3, 4), "b3": None}, seed=2),
    )


@pytest.fixture
def open_compare(closing):
    """Return a function that opens a CompareView, which is closed after the test."""
    # On a busy machine the sampled cost of anything may be long, and the view would wait for Start.
    return lambda *args, **kwargs: closing(srsm.CompareView(*args, **{"patience": 1e9, **kwargs}))


@pytest.fixture
def view(open_compare, both):
    """Return one whose map alone is shown: what is opened first is tested by itself."""
    view = settled(open_compare(*both, names=("before", "after")))
    view.cell = None
    return settled(view)
