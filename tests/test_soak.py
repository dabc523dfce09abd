"""Two kernels on the same stores, two views on one analysis and threads, all at once: nothing falls."""

from __future__ import annotations

import pytest
from helpers.soak import LEAST, soak


@pytest.mark.slow
def test_kernels_views_and_threads_do_not_get_in_each_others_way():
    pytest.importorskip("zarr")
    found = soak(1)
    assert set(found) == {"views and threads", "kernel 1", "kernel 2"}
    for process, told in found.items():
        assert told["falls"] == [], f"{process}: {told['falls'][0]}"
        assert sum(told["rounds"].values()) >= LEAST
    assert {"RSMView", "PairView", "matched_gram"} <= set(found["views and threads"]["rounds"])
