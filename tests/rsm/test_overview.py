"""A Gram in a store from afar: windows of a kernel's values, as they are in memory, and made with the tiles."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from semrsm_widgets.matching import Identity
from semrsm_widgets.rsm import tiles
from semrsm_widgets.rsm.kernels import cosine, inner_product, rbf
from semrsm_widgets.rsm.rsm import matched_gram
from semrsm_widgets.rsm.stored_gram import open_gram
from semrsm_widgets.storage import pyramid

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(37, 4, 6)).astype(np.float32), RNG.normal(size=(11, 4, 6)).astype(np.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(tiles, "LARGEST_TILE", 8)
    monkeypatch.setattr(pyramid, "TOP_CELLS", 8)


def by_hand(values, rows, columns, side, reduce, symmetric):
    counted = values.copy()
    if symmetric and side > 1:
        np.fill_diagonal(counted, np.nan)
    return [
        [reduce(counted[i : min(i + side, rows[1]), j : min(j + side, columns[1])]) for j in range(*columns, side)]
        for i in range(*rows, side)
    ]


@pytest.mark.parametrize("y", [None, Y], ids=["itself", "others"])
@pytest.mark.parametrize("kernel", [cosine, inner_product, partial(rbf, sigma=3.0)], ids=["cosine", "inner", "rbf"])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_window_is_what_its_pairs_are(kernel, y, pooled, tmp_path):
    gram = matched_gram(X, y, store=tmp_path / "rsm.zarr")
    plain = matched_gram(X, y)
    values = kernel(plain.pooled().scaled(4) if pooled else plain)
    overview = gram.overview(kernel, pooled=pooled)
    n, m = overview.shape
    for rows, columns, cells in [((0, n), (0, m), 8), ((0, n), (0, m), 2), ((5, 21), (2, 11), 9), ((3, 9), (4, 10), 6)]:
        found = overview.window(slice(*rows), slice(*columns), cells)
        assert (found.rows[0] % found.side, found.columns[0] % found.side) == (0, 0)
        assert found.rows[0] <= rows[0] < rows[1] <= found.rows[1]
        assert max(rows[1] - rows[0], columns[1] - columns[0]) <= found.side * cells
        for name, reduce in (("mean", np.nanmean), ("low", np.nanmin), ("high", np.nanmax)):
            expected = by_hand(values, found.rows, found.columns, found.side, reduce, gram.symmetric)
            assert np.allclose(getattr(found, name), expected, atol=2e-4 * np.abs(values).max())
    counted = values[np.triu_indices(n, 1)] if gram.symmetric else values
    scale = 2e-4 * np.abs(values).max()
    assert np.allclose(overview.extremes(), (counted.min(), counted.max()), atol=scale)
    edges, counts = overview.spread()
    assert counts.sum() == counted.size
    width = edges[1] - edges[0]
    assert np.allclose(
        overview.quantiles([0.1, 0.9]), np.quantile(counted, [0.1, 0.9]), atol=width + 0.02 * np.ptp(counted)
    )


def test_levels_of_the_cosine_are_there_with_the_tiles_and_others_are_kept(tmp_path, monkeypatch):
    gram = matched_gram(X, store=tmp_path / "rsm.zarr")
    read = []
    plain = type(gram._store).tile
    monkeypatch.setattr(type(gram._store), "tile", lambda self, *tile: read.append(tile) or plain(self, *tile))
    overview = open_gram(tmp_path / "rsm.zarr").overview()
    whole = overview.window(slice(0, 37), slice(0, 37), 10)
    assert read == []
    told = []
    gram.overview(inner_product, progress=lambda *done: told.append(done))
    assert len(read) == 15
    assert told[-1] == (15, 15)
    open_gram(tmp_path / "rsm.zarr").overview(inner_product)
    assert len(read) == 15
    assert repr(whole) == "RSMWindow(10 x 10 cells of 4 x 4 pairs, rows (0, 37), columns (0, 37))"
    assert repr(overview) == "Overview(cosine, 37 x 37)"


def test_a_store_without_levels_gets_them(tmp_path):
    import shutil

    gram = matched_gram(X, matcher=Identity(), store=tmp_path / "rsm.zarr")
    before = gram.overview().window(slice(0, 37), slice(0, 37), 20)
    shutil.rmtree(tmp_path / "rsm.zarr/overview")  # as written by an older version
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match=r"`store` must be one whose parts can be replaced; got 'packed.zip'"):
        open_gram(packed).overview()
    again = open_gram(tmp_path / "rsm.zarr").overview().window(slice(0, 37), slice(0, 37), 20)
    shutil.rmtree(tmp_path / "rsm.zarr/overview/cosine/level-2")  # a killed call
    matched_gram(X, matcher=Identity(), store=tmp_path / "rsm.zarr")
    resumed = open_gram(tmp_path / "rsm.zarr").overview().window(slice(0, 37), slice(0, 37), 20)
    for found in (again, resumed):
        assert np.allclose(found.mean, before.mean, atol=1e-6, equal_nan=True)
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "rsm.zarr")
    high = open_gram(packed).overview().window(slice(0, 37), slice(0, 37), 20).high
    assert np.array_equal(high, resumed.high, equal_nan=True)


def test_what_is_no_window_or_no_kernel_for_one_is_refused(tmp_path):
    gram = matched_gram(X, store=tmp_path / "rsm.zarr")
    with pytest.raises(ValueError, match=r"`rows and columns` must be within \(37, 37\); got slice\(40, 50"):
        gram.overview().window(slice(40, 50), slice(0, 3), 8)
    with pytest.raises(ValueError, match="`cells` must be an integer >= 1"):
        gram.overview().window(slice(0, 5), slice(0, 3), 0)
    with pytest.raises(ValueError, match=r"`kernel` must be cosine, inner_product or partial\(rbf, sigma=...\)"):
        gram.overview(lambda gram: gram.products)
    with pytest.raises(ValueError, match="for an overview; got rbf"):
        gram.overview(rbf)


def test_a_gram_larger_than_its_limit_is_read_in_parts_alone(tmp_path):
    gram = matched_gram(X, store=tmp_path / "rsm.zarr").within(24 * 37 * 37 - 1)
    assert not gram.fits
    for whole in (
        lambda: gram.products,
        lambda: cosine(gram),
        lambda: cosine(gram.pooled()),
        lambda: gram.centred().products,
    ):
        with pytest.raises(ValueError, match=r"`gram` must be read in parts of at most 3.3e-05 GB; got 37 x 37 pairs"):
            whole()
    assert gram.select([1], None).products.shape == (1, 37)
    assert np.allclose(gram.centred().select([1], None).products, gram.within(None).centred().products[[1]])
    assert gram.within(None).products.shape == (37, 37)
