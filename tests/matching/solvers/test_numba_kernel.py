"""The kernel: kept between sessions where a folder allows, and without products where only they do not compile."""

import numpy as np
from helpers.matchers import norms, optima, tokens

from semrsm_widgets.matching.auction import Auction
from semrsm_widgets.matching.solvers import engine, multiplier, numba_kernel
from semrsm_widgets.rsm.rsm import matched_gram


def test_no_writable_cache_folder_is_no_error(monkeypatch):
    def read_only(*arguments, **options):
        raise PermissionError("read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)  # how numba finds out whether it may write to a folder
    kernel, folder = numba_kernel.build()
    assert folder is None
    assert callable(kernel)


def test_where_products_do_not_compile_within_it_the_auction_runs_alone(monkeypatch):
    x, y = (tokens(k, 6, 20, 8).astype("f4") for k in range(2))
    whole, few = matched_gram(x), Auction()(x, y)
    loader = engine._Loader()

    def broken(_):
        raise NotImplementedError("no such instruction")

    monkeypatch.setattr(engine, "_rehearse_products", broken)
    monkeypatch.setattr(engine, "_loader", loader)
    monkeypatch.setattr(multiplier, "_found", {})
    assert np.array_equal(matched_gram(x).products, whole.products)
    answer = Auction()(x, y)
    assert np.array_equal(answer.value, few.value)
    assert np.all(np.abs(answer.value - optima(x, y)) <= 1e-4 * norms(x, y))
    assert loader.simd == "vector"
    assert not loader.makes_products
    assert "products do not compile (NotImplementedError: no such instruction)" in engine.engine().note
